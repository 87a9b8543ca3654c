# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The server token of a server and the one that is going to take its place.

The new token is kept beside the old one on every server before the record is encrypted with it, and takes its place on
each only then. The old record goes last. So at any moment each server has the token of a record in the datastore, and
until all have the new one, one of them still has it pending.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records


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


def new_password(layout: Layout, token: str) -> str:
    """The password of the token that the operator gives, or nothing without one."""
    if not token:
        return ""
    authority = bootstrap.read_authorities(layout).get("server")
    if authority is None:
        raise records.RecordError("this host is no server yet; run k3a.cluster.site")
    return bootstrap.password_of(token, authority, "k3a_new_token")


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
        "fingerprint": fingerprint(layout, own),
        "pending_fingerprint": fingerprint(layout, pending_password(layout)),
        "bootstrap_record": records.status(layout, etcd, own),
        "has_other_records": bool(records.others(etcd, own)),
    }
