# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Taking members out of etcd: which they are, whether the others can do without them, and that they are gone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import (
    Etcd,
    EtcdError,
    EtcdUnavailable,
    Member,
)
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import lost_without
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

POLL = 0.2


class MemberRemovalError(K3aError):
    """The members cannot go; the text says why and what to do."""


def matching(members: Sequence[Member], names: Sequence[str], peer_url: str) -> list[Member]:
    """The members that are meant: by name or id, or by where their peers find them."""
    wanted = {*names, *map(_decimal, names)} - {""}
    return [member for member in members if wanted & {member.name, member.id} or peer_url in member.peer_urls]


def _decimal(text: str) -> str:
    # etcdctl prints ids as hexadecimal numbers, the gateway as decimal ones.
    try:
        return str(int(text, 16))
    except ValueError:
        return ""


def in_order(leaving: Sequence[Member], members: Sequence[Member], healthy: Callable[[Member], bool]) -> list[Member]:
    """The members that leave in the order in which they can: the ill first, since they only count as missing.

    Raises when those that remain would not be a cluster that works, after any of the steps.
    """
    remaining = list(members)
    order = sorted(leaving, key=healthy)
    for member in order:
        problem = lost_without(member, remaining, healthy)
        if problem:
            remedy = "use reset.yml to end the cluster" if "last voting member" in problem else "bring that back first"
            raise MemberRemovalError(f"{problem}; {remedy}")
        remaining.remove(member)
    return order


def hand_over(etcd: Etcd, leaving: Sequence[Member], leader_at: Callable[[Sequence[str]], Etcd]) -> None:
    """Have the member that is asked lead, when one that leaves does: an election would hold up writes for seconds."""
    status = etcd.status()
    leader = next((member for member in leaving if member.id == str(status.get("leader"))), None)
    if leader:
        with contextlib.suppress(EtcdError):  # then there is an election
            leader_at(leader.client_urls).hand_over(str(status["header"]["member_id"]))


def remove(etcd: Etcd, leaving: Sequence[Member], deadline: float) -> None:
    """Remove the members. While a leader is being elected no answer is final."""
    for member in leaving:
        while not _removed(etcd, member, deadline):
            time.sleep(POLL)


def _removed(etcd: Etcd, member: Member, deadline: float) -> bool:
    try:
        etcd.remove(member.id)
    except EtcdUnavailable:
        if time.monotonic() > deadline:
            raise
        return False
    except EtcdError:
        # An attempt whose answer was lost may have removed it.
        if any(other.id == member.id for other in etcd.members()):
            raise
    return True
