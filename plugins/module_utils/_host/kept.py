# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a server that is installed keeps, whatever its variables say later: told before a run that leaves it."""

from __future__ import annotations

import json
from collections.abc import Collection

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap

# Those that a variable can name; with another one somebody wrote the configuration himself.
CIPHERS = frozenset(bootstrap.PROVIDER["choices"])


def provider_in(layout: Layout) -> str:
    """With what a server encrypts Secrets, or nothing."""
    content = files.read_bytes(layout.cred(bootstrap.ENCRYPTION))
    try:
        (first, *_others) = json.loads(content or b"{}")["resources"][0]["providers"]
        return str(next(iter(first)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration):
        return ""


def other_encryption(kept: str, wanted: bool, provider: str) -> tuple[str, str]:
    """That Secrets are encrypted otherwise than is wanted, and what to do; empty when they are not."""
    if kept not in CIPHERS or (wanted and provider == kept):
        return "", ""
    said = f"k3a_secrets_encryption_provider is {provider}" if wanted else "k3a_secrets_encryption is false"
    remedy = f"set it to {kept if wanted else 'true'}, since no playbook encrypts them anew"
    return f"{said}, and Secrets of this cluster are encrypted with {kept}", remedy


def lasting_node(installed: Collection[str], is_node: bool) -> tuple[str, str]:
    """That a server is a node which it is not to be any more, and what to do; empty when it is not."""
    if is_node or "kubelet" not in installed:
        return "", ""
    remedy = "leave it out, or remove the server with remove_node.yml and have site.yml make it anew"
    return "k3a_disable_agent is true, and this server is a node, whose kubelet would run on", remedy
