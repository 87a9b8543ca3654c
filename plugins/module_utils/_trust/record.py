# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The node's half of the bootstrap record: what K3s keeps, encrypted with the server token, in the datastore.

A record's key tells which token it is of. Beside it is a digest, by which a server knows that the record holds what it
has on disk: the record is encrypted anew, with another salt, by whoever writes it, and a node cannot decrypt it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap

PREFIX = "/bootstrap/"
DIGESTS = "/k3a/bootstrap/"
CURRENT, STALE, ABSENT, OTHER_TOKEN = "current", "stale", "absent", "other token"
ITERATIONS = 4096
# K3s's names of the CAs, each with a certificate and a key; K3s has none of its own for kubelets.
_AUTHORITIES = {
    "server": "ServerCA",
    "kubelet-serving": "KubeletServingCA",
    "client": "ClientCA",
    "request-header": "RequestHeaderCA",
    "etcd-server": "ETCDServerCA",
    "etcd-peer": "ETCDPeerCA",
}
OPTIONAL = ("EncryptionConfig",)


class RecordError(K3aError):
    """There is nothing to record; the message says what is missing."""


class RecordOfOtherToken(K3aError):
    """The datastore has a record, but not of this token."""


def paths(layout: Layout) -> dict[str, str]:
    """Where a server keeps what the record holds, by K3s's names."""
    found = {}
    for authority, name in _AUTHORITIES.items():
        found[name], found[f"{name}Key"] = bootstrap.authority_paths(layout, authority)
    found["ServiceKey"] = layout.tls("service.key")
    found["EncryptionConfig"] = layout.cred(bootstrap.ENCRYPTION)
    return found


def record_id(password: str) -> str:
    """What K3s calls the record of a token."""
    return hashlib.sha256(password.encode()).hexdigest()[:12]


def record_key(password: str) -> str:
    """Where the record that is encrypted with a token is."""
    return PREFIX + record_id(password)


def digest_key(password: str) -> str:
    """Where the digest of that record is."""
    return DIGESTS + record_id(password)


def own_password(layout: Layout) -> str:
    """The password in this server's token."""
    authority = files.read_bytes(bootstrap.authority_paths(layout, "server")[0])
    token = bootstrap.read_text(layout.token)
    if not authority or not token or not token.strip():
        raise RecordError(f"{layout.token} is missing or empty: this host is no server yet; run k3a.cluster.site")
    return bootstrap.password_of(token.strip(), authority.decode(), layout.token)


def material(layout: Layout) -> dict[str, bytes]:
    """The contents that the record is to hold."""
    contents = {name: files.read_bytes(path) for name, path in paths(layout).items()}
    missing = [path for name, path in paths(layout).items() if not contents[name] and name not in OPTIONAL]
    if missing:
        raise RecordError(f"{missing[0]} is missing, which the bootstrap record must hold; run k3a.cluster.site")
    return {name: content for name, content in contents.items() if content}


def exported_files(layout: Layout) -> dict[str, dict[str, str]]:
    """The same with the times of the files, in the form in which K3s records them."""
    where = paths(layout)
    return {
        name: {"Timestamp": _modified(where[name]), "Content": base64.b64encode(content).decode()}
        for name, content in material(layout).items()
    }


def _modified(path: str) -> str:
    seconds, nanoseconds = divmod(os.stat(path).st_mtime_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def digest(record: bytes, contents: Mapping[str, bytes], password: str) -> dict[str, str]:
    """What ties a record to the contents that it holds; only who has the token can make or check it.

    The salt is the record's own. The times of the files are left out: they differ between servers.
    """
    salt = record.partition(b":")[0]
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    canonical = json.dumps({name: base64.b64encode(contents[name]).decode() for name in sorted(contents)})
    return {
        "record": hashlib.sha256(record).hexdigest(),
        "content": hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest(),
    }


def status(layout: Layout, etcd: Etcd, password: str = "") -> str:
    """Whether the datastore holds what this server has on disk, encrypted with a password or else with its token."""
    password = password or own_password(layout)
    records = etcd.prefix(PREFIX)
    if not records:
        return ABSENT
    record = records.get(record_key(password))
    if record is None:
        return OTHER_TOKEN
    kept = parsed(etcd.get(digest_key(password)))
    wanted = digest(record, material(layout), password)
    return CURRENT if kept == wanted else STALE


def parsed(text: bytes | None) -> dict[str, Any]:
    """A digest as it is kept; nothing when it cannot be read."""
    try:
        found = json.loads(text or b"")
    except ValueError:
        return {}
    return {name: found.get(name) for name in ("record", "content")} if isinstance(found, dict) else {}


def others(etcd: Etcd, password: str) -> list[str]:
    """The keys of records of other tokens, and of their digests."""
    own = (record_key(password), digest_key(password))
    return [key for prefix in (PREFIX, DIGESTS) for key in sorted(etcd.prefix(prefix)) if key not in own]


def write(layout: Layout, etcd: Etcd, password: str, record: bytes, made: Mapping[str, Any]) -> None:
    """Keep a record. What is killed in between leaves a digest that does not fit.

    The digest is the one that its maker computed: were the files or the token changed since, it would not be theirs.
    """
    if digest(record, material(layout), password) != made:
        raise RecordError("the files or the token of this server were changed while it was made; run this again")
    etcd.put(record_key(password), record)
    etcd.put(digest_key(password), json.dumps(made).encode())
