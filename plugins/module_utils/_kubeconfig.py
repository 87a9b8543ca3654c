# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Kubeconfig files: one cluster, one user, one context."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils import _yaml as yaml

NAME = "default"


def by_path(server: str, authority: str, certificate: str, key: str) -> str:
    """A component's kubeconfig: it names its certificate and key, so they stay where they are and can be renewed."""
    return yaml.dump(
        _document(
            {"server": server, "certificate-authority": authority},
            {"client-certificate": certificate, "client-key": key},
        )
    )


def embedded(server: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """A person's kubeconfig: one file that holds all it needs."""
    return yaml.dump(
        _document(
            {"server": server, "certificate-authority-data": _base64(authority)},
            {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
        )
    )


def _document(cluster: dict[str, str], user: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
