# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""How the servers get from one server token to another, whatever an earlier run has done of it.

The new token is kept beside the old one on every server before the record is encrypted with it, and takes its place on
each only then. The old record goes last. So at any moment each server has the token of a record in the datastore, and
until all have the new one, one of them still has it pending.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records


class RotationError(K3aError):
    """The token must not be rotated now; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """Which server has, or makes, the new token; none when all have it and only the old record is to go."""

    holder: str
    reason: str


def pending_path(layout: Layout) -> str:
    """Where the token is that takes the place of the present one."""
    return f"{layout.token}.next"


def pending_password(layout: Layout) -> str:
    """The password of the pending token; nothing when there is none, or when it is in its place already."""
    content = files.read_bytes(pending_path(layout))
    if not content or not content.strip():
        return ""
    authority = bootstrap.read_authorities(layout)["server"]
    password = bootstrap.password_of(content.decode().strip(), authority, pending_path(layout))
    return "" if password == records.own_password(layout) else password


def token_file(layout: Layout, path: str, password: str) -> files.File:
    """A token as a server keeps it."""
    authority = bootstrap.read_authorities(layout)["server"]
    return files.File(path, f"{bootstrap.secure_token(authority, password)}\n".encode(), 0o600, secret=True)


def fingerprint(layout: Layout, password: str) -> str:
    """What tells tokens apart between servers without letting a guess be tried: its key never leaves them."""
    if not password:
        return ""
    key = files.read_bytes(bootstrap.authority_paths(layout, "server")[1]) or b""
    return hmac.new(key, b"server token " + password.encode(), hashlib.sha256).hexdigest()[:16]


def observation(layout: Layout, etcd: Etcd) -> dict[str, Any]:
    """What a server knows of the rotation; nothing of it is secret."""
    own = records.own_password(layout)
    return {
        "token": fingerprint(layout, own),
        "pending": fingerprint(layout, pending_password(layout)),
        "record": records.status(layout, etcd, own),
        "others": len(records.others(etcd, own)),
    }


def plan(found: Sequence[Mapping[str, Any]], expected: Sequence[str], given: bool) -> Plan:
    """How to go on from what the servers know, each observation with the server's name.

    With a token that was given there is nothing to find out: each server gets it, whatever it has.
    """
    seen = {observed["server"]: observed for observed in found}
    absent = [name for name in expected if name not in seen]
    if absent:
        raise RotationError(
            f"{', '.join(absent)} did not answer or is left out of this run; all servers have to get the new token"
        )
    for name, observed in seen.items():
        if observed["record"] == records.OTHER_TOKEN:
            raise RotationError(
                f"the server token of {name} is not that of the bootstrap record; put the right one into server/token"
                " of its data directory"
            )
        if observed["record"] != records.CURRENT:
            raise RotationError(
                f"for {name} the bootstrap record is {observed['record']}, not what this server has; run"
                " k3a.cluster.site, then rotate again"
            )
    names = list(seen)
    if given:
        return Plan(names[0], "the given token")
    pending = [name for name in names if seen[name]["pending"]]
    if pending:
        # The one that some server has adopted is farther along than one that was only prepared.
        adopted = {observed["token"] for observed in seen.values()}
        return Plan(sorted(pending, key=lambda name: seen[name]["pending"] not in adopted)[0], "an unfinished rotation")
    if len({observed["token"] for observed in seen.values()}) > 1:
        raise RotationError(
            "the servers have different tokens, and none of them is pending: say which is right with k3a_new_token"
        )
    if any(observed["others"] for observed in seen.values()):
        return Plan("", "the records of other tokens, which remain to be removed")
    return Plan(names[0], "a new token")
