# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What all servers of a cluster share (K3s's bootstrap data): authorities, keys, encryption configuration, token."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils import _files as files
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._leaves import AUTHORITIES

CN_PREFIXES = {
    "server": "k3a-server",
    "client": "k3a-client",
    "request-header": "k3a-request-header",
    "etcd-server": "etcd-server",
    "etcd-peer": "etcd-peer",
}
_SECURE = re.compile(r"K10([0-9a-f]{64})::[^:]+:(.+)\Z")


class TokenError(Exception):
    """The token cannot be this cluster's; the message says why."""


def authority_paths(layout: Layout, name: str) -> tuple[str, str]:
    """Where an authority's certificate and key are."""
    stem = AUTHORITIES[name]
    return layout.tls(f"{stem}.crt"), layout.tls(f"{stem}.key")


def read_authorities(layout: Layout) -> dict[str, str]:
    """The authorities' certificates that exist."""
    found = {name: files.read_bytes(authority_paths(layout, name)[0]) for name in CN_PREFIXES}
    return {name: pem.decode() for name, pem in found.items() if pem}


def authority_hash(pem: str) -> str:
    """K3s's hash of an authority bundle of one certificate: the SHA-256 of its PEM text as served."""
    return hashlib.sha256(pem.encode()).hexdigest()


def secure_token(pem: str, password: str) -> str:
    """The server token in K3s's secure form, which pins the server authority."""
    return f"K10{authority_hash(pem)}::server:{password}"


def password_of(token: str, pem: str) -> str:
    """The password in a token given by the operator, short or secure; a secure one must pin this authority."""
    matched = _SECURE.match(token)
    if matched is None:
        if token.startswith("K10"):
            raise TokenError("k3a_token starts with K10 but is not K10<64 hex digits>::server:<password>; correct it")
        return token
    if matched.group(1) != authority_hash(pem):
        raise TokenError(
            "k3a_token pins the certificate authority of another cluster; give this cluster's token, or its short form"
        )
    return matched.group(2)


def encryption_configuration(provider: str, key: str) -> str:
    """An EncryptionConfiguration that encrypts Secrets with one key, and still reads those that are not encrypted."""
    document: dict[str, Any] = {
        "kind": "EncryptionConfiguration",
        "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [{provider: {"keys": [{"name": f"{provider}key", "secret": key}]}}, {"identity": {}}],
            }
        ],
    }
    return json.dumps(document) + "\n"
