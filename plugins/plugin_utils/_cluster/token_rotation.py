# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""How the servers get from one server token to another, whatever an earlier run has done of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust.record import CURRENT, OTHER_TOKEN
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import record


class RotationError(K3aError):
    """The token must not be rotated now; the message says why and what to do."""


@dataclass(frozen=True)
class Observation:
    """What a server knows of its token. RETURN of M(k3a.cluster.token_rotation_info) says what each of it means."""

    host: str
    fingerprint: str
    pending_fingerprint: str
    bootstrap_record: str
    has_other_records: bool


@dataclass(frozen=True)
class Plan:
    """Which server has the new token, or makes it, and to which ones it is brought."""

    holder: str
    receivers: tuple[str, ...]
    reason: str

    def as_result(self) -> dict[str, Any]:
        """The form that tasks see."""
        return asdict(self)


def observations(results: Sequence[Mapping[str, Any]]) -> list[Observation]:
    """The records of the results of token_rotation_info."""
    return [record(Observation, result) for result in results]


def plan(seen: Sequence[Observation], servers: Sequence[str], operator_token: bool) -> Plan:
    """How to go on from what the servers know.

    With a token of the operator's there is nothing to find out: each server gets it, whatever it has.
    """
    names = [one.host for one in seen]
    absent = [name for name in servers if name not in names]
    if absent:
        raise RotationError(
            f"{', '.join(absent)} did not answer or is left out of this run; all servers have to get the new token"
        )
    for one in seen:
        refuse(one)
    if operator_token:
        return Plan("", tuple(names), "the given token")
    pending = [one for one in seen if one.pending_fingerprint]
    active = {one.fingerprint for one in seen}
    if pending:
        # The one that some server has already put in its place is farther along than one that was only stored.
        holder = sorted(pending, key=lambda one: one.pending_fingerprint not in active)[0].host
        return Plan(holder, others(names, holder), "an unfinished rotation")
    if len(active) > 1:
        raise RotationError(
            "the servers have different tokens, and none of them is pending: say which is right with k3a_new_token"
        )
    if any(one.has_other_records for one in seen):
        return Plan("", (), "the records of other tokens, which remain to be removed")
    return Plan(names[0], others(names, names[0]), "a new token")


def refuse(one: Observation) -> None:
    """Raise when the record of a server's token is not what the server has."""
    if one.bootstrap_record == OTHER_TOKEN:
        raise RotationError(
            f"the server token of {one.host} is not that of the bootstrap record; put the right one into server/token"
            " of its data directory"
        )
    if one.bootstrap_record != CURRENT:
        raise RotationError(
            f"for {one.host} the bootstrap record is {one.bootstrap_record}, not what this server has; run"
            " k3a.cluster.site, then rotate again"
        )


def others(names: Sequence[str], holder: str) -> tuple[str, ...]:
    """All but one of the servers."""
    return tuple(name for name in names if name != holder)
