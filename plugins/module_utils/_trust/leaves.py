# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The certificates of a node as data: who signs them, for whom, where they are (K3s's table, for what exists here)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import KUBELET_DIRECTORY, Layout

# An authority's name, and where its certificate and key are under server/tls.
AUTHORITIES = {
    "server": "server-ca",
    "client": "client-ca",
    "request-header": "request-header-ca",
    "etcd-server": "etcd/server-ca",
    "etcd-peer": "etcd/peer-ca",
}
KUBELET_CLIENT = f"{KUBELET_DIRECTORY}/pki/kubelet-client-current.pem"


@dataclass(frozen=True)
class Leaf:
    """A certificate as it should be.

    One with C(pair) is a single file of certificate and key that its process renews by itself after the first time.
    """

    name: str
    authority: str
    common_name: str
    certificate: str
    key: str
    organization: str = ""
    usages: tuple[str, ...] = ("client",)
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    pair: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The form that travels between the node and the controller."""
        return asdict(self)


def server_leaves(layout: Layout, names: Sequence[str], ips: Sequence[str], domain: str) -> tuple[Leaf, ...]:
    """The control plane's certificates; names and addresses are all those by which a server is reached."""
    kubernetes = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}")
    loopback = ("127.0.0.1", "::1")

    def leaf(name: str, authority: str, common_name: str, **more: Any) -> Leaf:
        return Leaf(name, authority, common_name, layout.tls(f"{name}.crt"), layout.tls(f"{name}.key"), **more)

    def etcd(name: str, authority: str, common_name: str, **more: Any) -> Leaf:
        stem = name.replace("etcd-", "etcd/", 1)
        return Leaf(name, authority, common_name, layout.tls(f"{stem}.crt"), layout.tls(f"{stem}.key"), **more)

    everywhere = {"dns": unique(["localhost", *names]), "ips": unique([*loopback, *ips])}
    both = ("server", "client")
    return (
        leaf("client-admin", "client", "system:admin", organization="system:masters"),
        leaf("client-controller", "client", "system:kube-controller-manager"),
        leaf("client-scheduler", "client", "system:kube-scheduler"),
        leaf("client-approver", "client", "system:k3a-approver"),
        leaf("client-kube-apiserver", "client", "system:kube-apiserver-kubelet-client"),
        leaf("client-auth-proxy", "request-header", "system:auth-proxy"),
        leaf(
            "serving-kube-apiserver",
            "server",
            "kube-apiserver",
            usages=("server",),
            dns=unique([*kubernetes, *everywhere["dns"]]),
            ips=everywhere["ips"],
        ),
        etcd("etcd-client", "etcd-server", "etcd-client"),
        etcd("etcd-server-client", "etcd-server", "etcd-server", usages=both, **everywhere),
        etcd("etcd-peer-server-client", "etcd-peer", "etcd-peer", usages=both, **everywhere),
    )


def agent_leaves(layout: Layout, node_name: str, ips: Sequence[str]) -> tuple[Leaf, ...]:
    """The certificates of a node that runs pods."""

    def leaf(name: str, authority: str, common_name: str, **more: Any) -> Leaf:
        return Leaf(
            name, authority, common_name, layout.agent_tls(f"{name}.crt"), layout.agent_tls(f"{name}.key"), **more
        )

    # The certificates API signs for a kubelet's server under this name only, so it has the same however it is signed.
    node, nodes = f"system:node:{node_name}", "system:nodes"
    return (
        leaf(
            "serving-kubelet",
            "server",
            node,
            organization=nodes,
            usages=("server",),
            dns=unique([node_name, "localhost"]),
            ips=unique(["127.0.0.1", *ips]),
        ),
        Leaf(
            "client-kubelet",
            "client",
            node,
            certificate=KUBELET_CLIENT,
            key=layout.agent_tls("client-kubelet.key"),
            organization=nodes,
            pair=True,
        ),
        leaf("client-kube-proxy", "client", "system:kube-proxy"),
        leaf("client-flannel", "client", "system:k3a-flannel"),
    )


def unique(items: Sequence[str]) -> tuple[str, ...]:
    """The items without repetition, in their order."""
    return tuple(dict.fromkeys(item for item in items if item))
