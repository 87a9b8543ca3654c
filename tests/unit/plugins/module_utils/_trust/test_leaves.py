# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.tests.unit import leaf_samples

LAYOUT = Layout("/d")
SERVER = {
    leaf.name: leaf
    for leaf in leaf_samples.server_leaves(LAYOUT, ["a", "lb.example", "a"], ["10.0.0.1", "10.43.0.1", ""], "cluster.local")
}
AGENT = {leaf.name: leaf for leaf in leaf_samples.agent_leaves(LAYOUT, "w1", ["10.0.0.2", "fd00::2", "10.0.0.2"])}


@pytest.mark.parametrize(
    "name, authority, common_name, organization, usages, stem",
    [
        ("client-admin", "client", "system:admin", "system:masters", ("client",), "client-admin"),
        ("client-controller", "client", "system:kube-controller-manager", "", ("client",), "client-controller"),
        ("client-scheduler", "client", "system:kube-scheduler", "", ("client",), "client-scheduler"),
        ("client-approver", "client", "system:k3a-approver", "", ("client",), "client-approver"),
        (
            "client-kube-apiserver",
            "client",
            "system:kube-apiserver-kubelet-client",
            "",
            ("client",),
            "client-kube-apiserver",
        ),
        ("client-auth-proxy", "request-header", "system:auth-proxy", "", ("client",), "client-auth-proxy"),
        ("serving-kube-apiserver", "server", "kube-apiserver", "", ("server",), "serving-kube-apiserver"),
        ("etcd-client", "etcd-server", "etcd-client", "", ("client",), "etcd/client"),
        ("etcd-server-client", "etcd-server", "etcd-server", "", ("server", "client"), "etcd/server-client"),
        ("etcd-peer-server-client", "etcd-peer", "etcd-peer", "", ("server", "client"), "etcd/peer-server-client"),
    ],
)
def test_the_control_planes_certificates(name, authority, common_name, organization, usages, stem):
    leaf = SERVER[name]
    assert (leaf.authority, leaf.common_name, leaf.organization) == (authority, common_name, organization)
    assert leaf.usages == usages
    assert (leaf.certificate, leaf.key) == (f"/d/server/tls/{stem}.crt", f"/d/server/tls/{stem}.key")
    assert not leaf.pair


def test_the_table_of_the_control_plane_is_complete_and_of_known_authorities():
    assert len(SERVER) == 10
    assert {leaf.authority for leaf in (*SERVER.values(), *AGENT.values())} == set(leaves.AUTHORITIES)


def test_only_the_administrator_is_above_rbac():
    masters = [leaf.name for leaf in (*SERVER.values(), *AGENT.values()) if leaf.organization == "system:masters"]
    assert masters == ["client-admin"]


def test_the_api_server_is_reached_by_all_its_names():
    leaf = SERVER["serving-kube-apiserver"]
    assert leaf.dns == (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "a",
        "lb.example",
    )
    assert leaf.ips == ("127.0.0.1", "::1", "10.0.0.1", "10.43.0.1")


def test_etcd_does_not_answer_to_the_names_of_kubernetes():
    assert SERVER["etcd-server-client"].dns == SERVER["etcd-peer-server-client"].dns == ("localhost", "a", "lb.example")
    assert SERVER["etcd-client"].dns == SERVER["etcd-client"].ips == ()


def test_a_nodes_certificates():
    assert {name: (leaf.authority, leaf.common_name, leaf.usages) for name, leaf in AGENT.items()} == {
        "serving-kubelet": ("kubelet-serving", "system:node:w1", ("server",)),
        "client-kubelet": ("client", "system:node:w1", ("client",)),
        "client-kube-proxy": ("client", "system:kube-proxy", ("client",)),
        "client-flannel": ("client", "system:k3a-flannel:w1", ("client",)),
    }
    assert AGENT["serving-kubelet"].dns == ("w1", "localhost")
    assert AGENT["serving-kubelet"].ips == ("127.0.0.1", "10.0.0.2", "fd00::2")


def test_both_of_a_kubelets_certificates_name_the_node():
    assert {name for name, leaf in AGENT.items() if leaf.organization == "system:nodes"} == {
        *("serving-kubelet", "client-kubelet")
    }


def test_the_kubelets_own_certificate_is_where_it_renews_it():
    leaf = AGENT["client-kubelet"]
    assert leaf.pair
    assert leaf.organization == "system:nodes"
    assert leaf.certificate == "/var/lib/kubelet/pki/kubelet-client-current.pem"
    assert leaf.key == "/d/agent/tls/client-kubelet.key"
    assert [name for name, other in AGENT.items() if other.pair] == ["client-kubelet"]


def test_no_two_certificates_share_a_file():
    paths = [path for leaf in (*SERVER.values(), *AGENT.values()) for path in (leaf.certificate, leaf.key)]
    assert len(paths) == len(set(paths))


def test_names_and_addresses_appear_once_in_their_order_and_none_is_empty():
    assert leaves.unique(["b", "", "a", "b"]) == ("b", "a")
