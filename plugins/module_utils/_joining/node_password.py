# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The password by which a machine proves that it is the node that it was before, as K3s has it.

The node keeps it in a file, the cluster a salted hash of it in a Secret that goes when the Node does. A machine that
joins brings it in a Secret of its own, in a namespace where joining machines may create Secrets and nothing else: not
in the one of the hashes, where a machine could put a hash for a name that is not its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from typing import Any

PASSWORD_FILE = "/etc/k3a/node/password"
# Where the hashes are, and what machines that join bring.
NAMESPACE = "k3a-system"
JOIN_NAMESPACE = "k3a-join"
TYPE = "k3a.io/node-password"
JOIN_TYPE = "k3a.io/join"

VERSION = 1
SALT_BYTES = 8
KEY_BYTES = 64
# scrypt's cost: N = 2^15, r = 8, p = 1, which takes 32 MiB for a tenth of a second.
LOG_N, BLOCK, PARALLEL = 15, 8, 1


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
        if version != f"${VERSION}" or not 10 <= cost[0] <= 17 or not 1 <= cost[1] * cost[2] <= 32 or not key:
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


def secret(node: str, hashed: str, uid: str = "") -> dict[str, Any]:
    """The Secret of a node; with the Node's uid it goes when the Node does."""
    metadata: dict[str, Any] = {"name": secret_name(node), "namespace": NAMESPACE}
    if uid:
        metadata["ownerReferences"] = [owner(node, uid)]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": TYPE,
        "immutable": True,
        "data": {"hash": base64.b64encode(hashed.encode()).decode()},
    }


def owner(node: str, uid: str) -> dict[str, str]:
    """The reference by which a Secret goes when the Node does."""
    return {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}


def join_secret(request: str, password: str) -> dict[str, Any]:
    """What a machine brings along with the certificate signing request of this name."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": request, "namespace": JOIN_NAMESPACE},
        "type": JOIN_TYPE,
        "immutable": True,
        "data": {"password": base64.b64encode(password.encode()).decode()},
    }


def value_in(found: dict[str, Any] | None, key: str) -> str:
    """A value of a Secret, or nothing."""
    try:
        return base64.b64decode(((found or {}).get("data") or {}).get(key) or "", validate=True).decode()
    except (ValueError, binascii.Error):
        return ""
