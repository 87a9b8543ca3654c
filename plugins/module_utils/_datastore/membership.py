# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""How a server becomes and stays a member of etcd: decided each time from its disk and from what a majority says.

A member joins as a learner, which counts for no majority, and votes once it has caught up. So a run that is killed
anywhere leaves a learner at most, and the next one finishes it or takes it back. Nobody but the named first server ever
begins a cluster, and only when no server has data.

Whose data is on the disk, the data itself says (C(data.py)). A name or an address may change; the id of a member does
not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd, EtcdError, Heard, Member
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, excerpt
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import is_url, valid_node_name
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import ETCD, EtcdIdentity

MEMBERS = "etcd members"
REMEDY = "put its own data back, or reset the host with reset.yml --limit and let it join anew with k3a_replace=true"


class MembershipError(K3aError):
    """The server cannot be a member now; the text says why and what to do."""


@dataclass(frozen=True)
class Situation:
    """What decides: whose data is on this server's disk (None: there is none), whose it recorded, and what a majority
    says (None: no majority answers)."""

    name: str
    peer_url: str
    kept: EtcdIdentity | None
    heard: Heard | None
    recorded: EtcdIdentity | None = None
    # The data is an old copy: the member had come further already.
    outdated: bool = False
    # What etcd says where it ends over its data again and again.
    complaint: str = ""
    first_server: str = ""
    replace: bool = False

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, as far as a majority says who they are."""
        return self.heard.members if self.heard else ()

    @property
    def holder(self) -> Member | None:
        """The member whose data is on this server's disk."""
        return self._member(self.kept)

    @property
    def expected(self) -> Member | None:
        """The member that this server is by all but its data: by its record, by its address, by its name."""
        at_url = (member for member in self.members if self.peer_url in member.peer_urls)
        named = (member for member in self.members if member.name == self.name)
        return next((found for found in (self._member(self.recorded), *at_url, *named) if found), None)

    @property
    def mine(self) -> Member | None:
        """This server among the members."""
        return self.holder or self.expected

    def _member(self, identity: EtcdIdentity | None) -> Member | None:
        found = (member for member in self.members if identity and member.id == identity.member_id)
        return next(found, None)


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
    not_its_own = foreign(seen)
    if not_its_own:
        raise MembershipError(not_its_own)
    if seen.heard is None:
        return _without_majority(seen)
    if seen.holder and not (seen.outdated or seen.complaint):
        moved = seen.holder if seen.peer_url not in seen.holder.peer_urls else None
        return Membership(update=moved, promote=seen.holder.learner)
    mine = seen.mine
    # Only one learner may be there at a time: another server's, left by a run that was killed, joins again later.
    strangers = tuple(member for member in seen.members if member.learner and member is not mine)
    # Data of a member that the others have removed: kept, but of no use to them.
    set_aside = seen.kept is not None
    if mine is None:
        return Membership(set_aside=set_aside, remove=strangers, add=True, promote=True)
    if mine.learner and not mine.name and not set_aside:
        return Membership(promote=True)
    if not mine.learner and not seen.replace:
        what = "its data is gone from this host"
        if set_aside:
            what = "its data is an old copy" if seen.outdated else "the data here is another's"
        if seen.holder and seen.complaint:
            what = f"ends again and again over its data ({seen.complaint})"
        who = seen.name if mine.name == seen.name else f"{seen.name}, which etcd knows as {mine.label},"
        raise MembershipError(
            f"{who} is a voting member of etcd and {what}; "
            "set k3a_replace=true for it to have the member replaced by a new one"
        )
    return Membership(set_aside=set_aside, remove=(mine, *strangers), add=True, promote=True)


def foreign(seen: Situation) -> str:
    """Why the data on this server's disk, or its record, is not its own, and what to do; nothing where it may be.

    Data of another cluster is somebody's only copy, and nothing that is heard elsewhere says what it is worth.
    """
    if seen.heard is None:
        return _of_another_record(seen)
    for what, identity in (("its data is", seen.kept), (f"{ETCD} is", seen.recorded)):
        if identity and identity.cluster_id != seen.heard.cluster_id:
            return (
                f"etcd on {seen.name} cannot join the others: {what} of the cluster {identity.cluster_id} of etcd, "
                f"and theirs is {seen.heard.cluster_id}; {REMEDY}"
            )
    if seen.holder and seen.expected and seen.holder is not seen.expected:
        return (
            f"the data of etcd on {seen.name} is that of {seen.holder.label}, and this host is "
            f"{seen.expected.label}; {REMEDY}"
        )
    return ""


def _of_another_record(seen: Situation) -> str:
    if not (seen.kept and seen.recorded) or seen.kept == seen.recorded:
        return ""
    return (
        f"the data of etcd on {seen.name} is of the member {seen.kept.member_id} of the cluster "
        f"{seen.kept.cluster_id}, and by {ETCD} this host is the member {seen.recorded.member_id} of the cluster "
        f"{seen.recorded.cluster_id}, and no majority answers that could tell; put its own data back, or start the "
        "other servers first"
    )


def _without_majority(seen: Situation) -> Membership:
    if seen.outdated:
        raise MembershipError(
            f"the data of etcd on {seen.name} is an old copy: what was written since is not in it; put its newest data "
            "back, or start the other servers first"
        )
    if seen.kept:
        return Membership()
    if seen.recorded:
        raise MembershipError(
            f"{seen.name} is the member {seen.recorded.member_id} of etcd and its data is gone from this host; mount "
            "its disk or put its data back, or start the other servers first"
        )
    if seen.first_server == seen.name:
        return Membership(starts_new_cluster=True)
    raise MembershipError(
        f"{seen.name} cannot join etcd: no majority of its members answers; start the other servers first"
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
    before = seen.members
    mine = Member("", seen.name, (seen.peer_url,), (), False)
    ours = seen.mine
    gone = {member.id for member in plan.remove} | ({ours.id} if ours else set())
    return listing(before), listing([*(member for member in before if member.id not in gone), mine])


def initial_cluster(seen: Situation, members: Sequence[Member]) -> str:
    """What etcd is told of its peers when it starts for the first time: all of them, itself by its own name.

    It becomes a line of a file, in which any other text could be more than a name or a URL.
    """
    for member in members:
        if member.name and not valid_node_name(member.name):
            raise MembershipError(
                f"etcd has the member {member.name!r:.100}, which cannot be the name of a node; remove it, the member "
                f"{member.id}, with etcdctl"
            )
        for url in member.peer_urls:
            if not is_url(url):
                raise MembershipError(
                    f"etcd has the member {member.label} at {excerpt(url, 100)}, which is no URL of one; correct it "
                    f"with etcdctl member update"
                )
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


def promote(etcd: Etcd, name: str, url: str) -> str | None:
    """Let the member at an address vote; the reason while it cannot yet."""
    try:
        mine = next((member for member in etcd.members() if url in member.peer_urls), None)
        if mine is None or not mine.name:
            return f"etcd does not know {name} yet"
        if mine.learner:
            etcd.promote(mine.id)
    except EtcdError as error:
        return f"{name} has not become a voting member of etcd: {error}"
    return None
