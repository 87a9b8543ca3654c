# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that the components declare, as those of one host."""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Certificate
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves

_certificates = registry.certificates
# Those that the tests were written with; a component that comes later changes none of them.
KNOWN = {
    "server": (
        *("client-admin", "client-controller", "client-scheduler", "client-approver", "client-kube-apiserver"),
        *("client-auth-proxy", "serving-kube-apiserver", "etcd-client", "etcd-server-client"),
        "etcd-peer-server-client",
    ),
    "agent": ("serving-kubelet", "client-kubelet", "client-kube-proxy", "client-flannel"),
}


def declared(role: str, kubelet_client: str = leaves.KUBELET_CLIENT) -> list[dict[str, Any]]:
    """What a module is handed, but that the kubelet's own pair may be somewhere else."""
    own = [each for each in _certificates(role) if each["name"] in KNOWN[role]]
    return [{**each, "pair": each["pair"] and kubelet_client} for each in own]


def server_leaves(layout: Layout, names: list[str], ips: list[str], domain: str = "cluster.local") -> list[leaves.Leaf]:
    """The control plane's certificates."""
    known = leaves.Names(names[0], tuple(names), tuple(ips), domain)
    return [leaves.leaf_of(each, layout.tls("").rstrip("/"), known) for each in _of("server")]


def agent_leaves(
    layout: Layout, node: str, ips: list[str], kubelet_client: str = leaves.KUBELET_CLIENT
) -> list[leaves.Leaf]:
    """A node's certificates."""
    known = leaves.Names(node, (node,), tuple(ips))
    return [leaves.leaf_of(each, layout.agent_tls("").rstrip("/"), known) for each in _of("agent", kubelet_client)]


def _of(role: str, kubelet_client: str = leaves.KUBELET_CLIENT) -> list[Certificate]:
    return [Certificate(**{**each, "usages": tuple(each["usages"])}) for each in declared(role, kubelet_client)]
