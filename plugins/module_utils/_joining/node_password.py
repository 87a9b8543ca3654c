# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The password by which a machine proves that it is the node that it was before, as K3s has it.

The node keeps it in a file, the cluster a salted hash of it in a Secret. That says in annotations whose it is, and
stays when the Node goes, as long as a certificate with its name could be valid: nobody else can have the name until
then. A machine that joins brings its password in a Secret of its own, in a namespace where joining machines may create
Secrets and nothing else: not in the one of the hashes, where a machine could put a hash for a name that is not its own.
Each token has a few places there, so that nobody who holds one can take those of others.

Names of nodes that were removed are a ConfigMap, which policies of the API read as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from calendar import timegm
from collections.abc import Mapping
from typing import Any, NamedTuple

PASSWORD_FILE = "/etc/k3a/node/password"
# Where the hashes are, and what machines that join bring.
NAMESPACE = "k3a-system"
JOIN_NAMESPACE = "k3a-join"
TYPE = "k3a.io/node-password"
JOIN_TYPE = "k3a.io/join"
# So many passwords may wait there of the machines with one token, and what the names of their Secrets are like.
PLACES = 32
PLACE = "^[a-z0-9]{6}-[01][0-9a-f]$"

# Names of removed nodes, each with the time until which a certificate of it may be valid.
REMOVED = "k3a-removed-nodes"

# What is kept with a hash: the UID of the Node whose it is, the token by which it came, until when the name is kept for
# it while it has no Node, and the addresses for which it was given a certificate.
OWNER, TOKEN, UNTIL, ADDRESSES = ("k3a.io/node-uid", "k3a.io/token", "k3a.io/used-until", "k3a.io/addresses")

VERSION = 1
SALT_BYTES = 8
KEY_BYTES = 64
# scrypt's cost: N = 2^15, r = 8, p = 1, which takes 32 MiB for a tenth of a second.
LOG_N, BLOCK, PARALLEL = 15, 8, 1
# A host makes its hash itself, and the approver has little memory: none costs more than two of ours.
MOST_BYTES, MOST_PARALLEL = 64 * 2**20, 2


def wanted_content(current: bytes | None) -> bytes:
    """The content of the password file: what it holds already, or a new password."""
    return current if current and current.strip() else os.urandom(16).hex().encode() + b"\n"


def password_in(content: bytes) -> str:
    """The password in a password file."""
    return content.decode(errors="replace").strip()


def hash_of(password: str, salt: bytes | None = None) -> str:
    """The salted hash that the cluster keeps."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    key = _derived(password, salt, LOG_N, BLOCK, PARALLEL, KEY_BYTES)
    encoded = base64.b64encode(key).decode().rstrip("=")
    return f"${VERSION}:{salt.hex()}:{LOG_N}:{BLOCK}:{PARALLEL}:{encoded}"


def verify(password: str, hashed: str) -> bool:
    """Whether a hash is the password's. A hash that cannot be read is nobody's."""
    try:
        version, salt, log_n, block, parallel, encoded = hashed.strip().split(":")
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        cost = int(log_n), int(block), int(parallel)
        usual = 10 <= cost[0] <= 17 and 1 <= cost[1] <= 32 and 1 <= cost[2] <= MOST_PARALLEL
        if version != f"${VERSION}" or not usual or 128 * cost[1] * 2 ** cost[0] > MOST_BYTES or not key:
            return False
        return hmac.compare_digest(key, _derived(password, bytes.fromhex(salt), *cost, len(key)))
    except (ValueError, binascii.Error):
        return False


def _derived(password: str, salt: bytes, log_n: int, block: int, parallel: int, length: int) -> bytes:
    # OpenSSL refuses more than 32 MiB by itself, and the usual cost is a little above that.
    memory = 128 * block * (2**log_n + parallel + 2) + 2**20
    return hashlib.scrypt(
        password.encode(), salt=salt, n=2**log_n, r=block, p=parallel, maxmem=memory, dklen=length
    )


def secret_name(node: str) -> str:
    """The name of a node's Secret."""
    return f"{node}.node-password.k3a"


def node_of(name: str) -> str:
    """The node whose Secret has a name, or nothing."""
    node, found, _rest = name.partition(".node-password.k3a")
    return node if found and secret_name(node) == name else ""


class Kept(NamedTuple):
    """What a Secret says of whose password it is; bare: in the form of earlier versions, which goes with its Node."""

    owner: str = ""
    token: str = ""
    until: float = 0.0
    addresses: frozenset[str] = frozenset()
    bare: bool = False


def kept(secret: Mapping[str, Any]) -> Kept:
    """Whose password a Secret holds."""
    metadata = secret.get("metadata") or {}
    told, owners = metadata.get("annotations") or {}, metadata.get("ownerReferences") or []
    uid = told.get(OWNER) or (owners[0].get("uid", "") if owners else "")
    addresses = frozenset(told.get(ADDRESSES, "").split())
    return Kept(uid, told.get(TOKEN, ""), moment(told.get(UNTIL, "")), addresses, bool(owners))


def secret(node: str, hashed: str, uid: str = "", token: str = "", until: float = 0.0) -> dict[str, Any]:
    """The Secret of a node."""
    told = {OWNER: uid, TOKEN: token, UNTIL: timestamp(until) if until else ""}
    annotations = {name: value for name, value in told.items() if value}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_name(node), "namespace": NAMESPACE, "annotations": annotations},
        "type": TYPE,
        "immutable": True,
        "data": {"hash": base64.b64encode(hashed.encode()).decode()},
    }


def adopted(uid: str) -> dict[str, Any]:
    """The merge patch by which a password becomes that of a Node."""
    return {"metadata": {"ownerReferences": None, "annotations": {OWNER: uid, UNTIL: None}}}


def orphaned(uid: str, until: float) -> dict[str, Any]:
    """The merge patch by which the password of a Node that is gone, or has not come yet, is kept until a time."""
    return {"metadata": {"ownerReferences": None, "annotations": {OWNER: uid or None, UNTIL: timestamp(until)}}}


def timestamp(seconds: float) -> str:
    """A time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def moment(text: str) -> float:
    """The seconds of such a time; what is none has never been."""
    try:
        return timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0.0


def removed_names(config_map: Mapping[str, Any] | None) -> dict[str, str]:
    """The names of nodes that were removed, each with the time until which nobody can have it."""
    data = (config_map or {}).get("data")
    return {str(name): str(until) for name, until in data.items()} if isinstance(data, dict) else {}


def expired(names: Mapping[str, str], now: float) -> list[str]:
    """Those of such names whose time is over; one without a time that can be read is kept."""
    return [name for name, until in names.items() if 0 < moment(until) < now]


def place(token: str, request: str) -> str:
    """The one of a token's places to which the password for the certificate signing request of this name is brought."""
    return f"{token}-{hashlib.sha256(request.encode()).digest()[0] % PLACES:02x}"


def join_secret(token: str, request: str, password: str) -> dict[str, Any]:
    """What a machine brings along with the certificate signing request of this name, and for no other one."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": place(token, request), "namespace": JOIN_NAMESPACE},
        "type": JOIN_TYPE,
        "immutable": True,
        "data": {request: base64.b64encode(password.encode()).decode()},
    }


def value_in(found: dict[str, Any] | None, key: str) -> str:
    """A value of a Secret, or nothing."""
    try:
        return base64.b64decode(((found or {}).get("data") or {}).get(key) or "", validate=True).decode()
    except (ValueError, binascii.Error):
        return ""
