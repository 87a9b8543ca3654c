# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""How a server becomes and stays a member of etcd: decided each time from its disk and from what a majority says.

A member joins as a learner, which counts for no majority, and votes once it has caught up. So a run that is killed
anywhere leaves a learner at most, and the next one finishes it or takes it back. Nobody but the named first server ever
begins a cluster, and only when no server has data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd, EtcdError, Member
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

MEMBERS = "etcd members"


class MembershipError(K3aError):
    """The server cannot be a member now; the text says why and what to do."""


@dataclass(frozen=True)
class Situation:
    """What decides: this server's disk, and the members as a majority knows them (None: no majority answers)."""

    name: str
    peer_url: str
    has_data: bool
    members: tuple[Member, ...] | None
    first_server: str = ""
    replace: bool = False

    @property
    def mine(self) -> Member | None:
        """This server among the members."""
        known = self.members or ()
        by_name = [member for member in known if member.name == self.name]
        return next(iter([*by_name, *(m for m in known if not m.name and self.peer_url in m.peer_urls)]), None)


@dataclass(frozen=True)
class Membership:
    """What has to happen around the start of etcd."""

    set_aside: bool = False
    remove: tuple[Member, ...] = ()
    add: bool = False
    update: Member | None = None
    starts_new_cluster: bool = False
    promote: bool = False

    @property
    def changed(self) -> bool:
        """Whether the list of members becomes another one."""
        return bool(self.remove or self.add or self.update or self.starts_new_cluster or self.promote)


def decide(seen: Situation) -> Membership:
    """What has to happen for this server to be a voting member."""
    mine = seen.mine
    if seen.members is None:
        return _without_majority(seen)
    if seen.has_data and mine:
        moved = mine if seen.peer_url not in mine.peer_urls else None
        return Membership(update=moved, promote=mine.learner)
    # Only one learner may be there at a time: another server's, left by a run that was killed, joins again later.
    strangers = tuple(member for member in seen.members if member.learner and member is not mine)
    if mine is None:
        # Data of a member that the others have removed: kept, but of no use to them.
        return Membership(set_aside=seen.has_data, remove=strangers, add=True, promote=True)
    if mine.learner and not mine.name:
        return Membership(promote=True)
    if not mine.learner and not seen.replace:
        raise MembershipError(
            f"{seen.name} is a voting member of etcd and its data is gone from this host; "
            "set k3a_replace=true for it to have the member replaced by a new one"
        )
    return Membership(remove=(mine, *strangers), add=True, promote=True)


def _without_majority(seen: Situation) -> Membership:
    if seen.has_data:
        return Membership()
    if seen.first_server == seen.name:
        return Membership(starts_new_cluster=True)
    raise MembershipError(
        f"{seen.name} cannot join etcd: no majority of its members answers; "
        "start the other servers first"
    )


def voters(members: Sequence[Member]) -> list[Member]:
    """The members that count for a majority."""
    return [member for member in members if not member.learner]


def majority(count: int) -> int:
    """How many of so many voters have to agree."""
    return count // 2 + 1


def lost_by(leaving: Member | None, members: Sequence[Member], healthy: Callable[[Member], bool]) -> str | None:
    """Why etcd would lose its majority while a member is down, or None. A cluster of one has none to lose."""
    all_voters = voters(members)
    others = [member for member in all_voters if leaving is None or member.id != leaving.id]
    if len(others) == len(all_voters) or not others:
        return None
    # Two have no majority while one of them restarts, whatever is done; it comes back with the other.
    return _too_few(others, min(majority(len(all_voters)), len(others)), healthy)


def lost_without(leaving: Member, members: Sequence[Member], healthy: Callable[[Member], bool]) -> str | None:
    """Why etcd would lose its majority when a member is removed for good, or None."""
    all_voters = voters(members)
    others = [member for member in all_voters if member.id != leaving.id]
    if len(others) == len(all_voters):
        return None
    if not others:
        return f"{leaving.label} is the last voting member of etcd"
    return _too_few(others, majority(len(others)), healthy)


def _too_few(others: Sequence[Member], needed: int, healthy: Callable[[Member], bool]) -> str | None:
    ill = [member.label for member in others if not healthy(member)]
    if len(others) - len(ill) >= needed:
        return None
    count = f"{needed} healthy member{'s' if needed > 1 else ''} of etcd"
    return f"{count} must remain, and {' and '.join(ill)} {'is' if len(ill) == 1 else 'are'} not healthy"


def listing(members: Sequence[Member]) -> str:
    """Members as a diff shows them."""
    lines = [f"{m.label} {','.join(m.peer_urls)}{' (learner)' if m.learner else ''}\n" for m in members]
    return "".join(sorted(lines))


def member_diff(seen: Situation, plan: Membership) -> tuple[str, str]:
    """The members before and after, as a diff shows them."""
    before = tuple(seen.members or ())
    mine = Member("", seen.name, (seen.peer_url,), (), False)
    ours = seen.mine
    gone = {member.id for member in plan.remove} | ({ours.id} if ours else set())
    return listing(before), listing([*(member for member in before if member.id not in gone), mine])


def initial_cluster(seen: Situation, members: Sequence[Member]) -> str:
    """What etcd is told of its peers when it starts for the first time: all of them, itself by its own name."""
    others = [f"{member.name}={url}" for member in members for url in member.peer_urls if url != seen.peer_url]
    return ",".join([*(other for other in others if not other.startswith("=")), f"{seen.name}={seen.peer_url}"])


def withdraw(etcd: Etcd, plan: Membership) -> None:
    """Take members away that this server replaces, or that a killed run has left."""
    for member in plan.remove:
        problem = None if member.learner else lost_without(member, etcd.members(), etcd.healthy)
        if problem:
            raise MembershipError(f"{member.label} cannot be replaced: {problem}")
        if any(known.id == member.id for known in etcd.members()):
            etcd.remove(member.id)


def promote(etcd: Etcd, name: str) -> str | None:
    """Let this server vote; the reason while it cannot yet."""
    try:
        mine = next((member for member in etcd.members() if member.name == name), None)
        if mine is None:
            return f"etcd does not know {name} yet"
        if mine.learner:
            etcd.promote(mine.id)
    except EtcdError as error:
        return f"{name} has not become a voting member of etcd: {error}"
    return None
