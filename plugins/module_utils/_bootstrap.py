# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What all servers of a cluster share (K3s's bootstrap data): authorities, keys, encryption configuration, token."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils import _files as files
from ansible_collections.k3a.cluster.plugins.module_utils import _token as tokens
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._leaves import AUTHORITIES
from ansible_collections.k3a.cluster.plugins.module_utils._token import TokenError

CN_PREFIXES = {
    "server": "k3a-server",
    "client": "k3a-client",
    "request-header": "k3a-request-header",
    "etcd-server": "etcd-server",
    "etcd-peer": "etcd-peer",
}


def authority_paths(layout: Layout, name: str) -> tuple[str, str]:
    """Where an authority's certificate and key are."""
    stem = AUTHORITIES[name]
    return layout.tls(f"{stem}.crt"), layout.tls(f"{stem}.key")


def read_authorities(layout: Layout) -> dict[str, str]:
    """The authorities' certificates that exist."""
    found = {name: files.read_bytes(authority_paths(layout, name)[0]) for name in CN_PREFIXES}
    return {name: pem.decode() for name, pem in found.items() if pem}


def secure_token(pem: str, password: str) -> str:
    """The server token in K3s's secure form, which pins the server authority."""
    return tokens.full(pem, f"server:{password}")


def password_of(token: str, pem: str, name: str = "k3a_token") -> str:
    """The password in a token given by the operator, short or secure; a secure one must pin this authority."""
    try:
        found = tokens.parse(token)
        pinned = found.ca_hash and found.ca_hash != tokens.ca_hash(pem)
    except TokenError as error:
        raise TokenError(f"{name}: {error}") from None
    if found.id:
        raise TokenError(
            f"{name} is a bootstrap token, with which agents join; a server needs the server token, a password"
        )
    if pinned:
        raise TokenError(
            f"{name} pins the certificate authority of another cluster; give this cluster's token, or its short form"
        )
    return found.password


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
