# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several servers and their nodes, when nothing is wrong: all of them are part of it, and each job has one holder."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

HOLDERS = {
    "kube-system": ("kube-controller-manager", "kube-scheduler"),
    "k3a-system": ("k3a-approver",),
}


def arguments(cluster, node: str, component: str) -> dict[str, str]:
    """The flags of a running component."""
    script = f"tr '\\0' '\\n' < /proc/$(systemctl show --property=MainPID --value k3a-{component})/cmdline"
    words = cluster.feed(node, "", "sh", "-c", script).split()
    return dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)


def test_every_host_is_a_ready_node(servers):
    servers.wait_until_whole()


def test_every_member_of_etcd_votes_and_keeps_the_same(cluster, servers):
    views = {server: servers.members(server) for server in cluster.servers}
    assert views == dict.fromkeys(cluster.servers, dict.fromkeys(cluster.servers, "voter"))
    leaders = {servers.etcd(server, "maintenance/status")["leader"] for server in cluster.servers}
    assert len(leaders) == 1


@pytest.mark.parametrize("namespace, name", [(space, name) for space, names in HOLDERS.items() for name in names])
def test_one_of_the_servers_holds_each_lease(cluster, servers, namespace, name):
    spec = servers.get(cluster.servers[0], "lease", name, "--namespace", namespace)["spec"]
    assert spec["holderIdentity"].rpartition("_")[0] in cluster.servers
    age = datetime.now(timezone.utc) - datetime.fromisoformat(spec["renewTime"])
    assert age.total_seconds() < spec["leaseDurationSeconds"]


def test_every_server_takes_part_in_the_elections(cluster):
    for server in cluster.servers:
        for component in ("controller-manager", "scheduler"):
            assert arguments(cluster, server, component).get("leader-elect") == "true", (server, component)
        assert cluster.feed(server, "", "systemctl", "is-active", "k3a-approver") == "active\n"


def test_pods_find_every_server(cluster, servers):
    selector = "kubernetes.io/service-name=kubernetes"
    slices = servers.get(cluster.servers[0], "endpointslices", "-n", "default", "-l", selector)["items"]
    found = {address for item in slices for end in item["endpoints"] for address in end["addresses"]}
    assert found == {cluster.addresses[server] for server in cluster.servers}


def test_every_nodes_load_balancer_knows_every_server_well(cluster):
    wanted = {f"{cluster.addresses[server]}:6443": "healthy" for server in cluster.servers}
    for node in cluster.nodes:
        report = json.loads(cluster.feed(node, "", "curl", "--silent", "http://127.0.0.1:6445/healthz"))
        assert {server["address"]: server["state"] for server in report["servers"]} == wanted, node
        authority = "/var/lib/k3a/agent/tls/server-ca.crt"
        answer = cluster.feed(node, "", "curl", "--silent", "--cacert", authority, "https://127.0.0.1:6444/readyz")
        assert answer == "ok", node


def test_a_server_prefers_itself(cluster):
    for server in cluster.servers:
        report = json.loads(cluster.feed(server, "", "curl", "--silent", "http://127.0.0.1:6445/healthz"))
        assert report["prefer"] == f"{cluster.addresses[server]}:6443"


@pytest.mark.parametrize("name", ["kubelet", "kube-proxy"])
def test_components_of_a_node_use_its_load_balancer(cluster, name):
    for node in cluster.nodes:
        config = cluster.feed(node, "", "cat", f"/var/lib/k3a/agent/etc/{name}.kubeconfig")
        assert "server: https://127.0.0.1:6444" in config, node


def test_servers_share_their_secrets_and_no_more(cluster):
    """The CAs, what encrypts and signs, and the token: one of each. Keys of certificates: each its own."""
    shared = [set(cluster.secrets(server)) for server in cluster.servers]
    common = set.intersection(*shared)
    # Six CAs, the service account key, the encryption key and the server token.
    assert len(common) == 9
    for number, one in enumerate(shared):
        for other in shared[number + 1 :]:
            assert one & other == common
    for agent in cluster.agents:
        assert not common & set(cluster.secrets(agent))


def test_no_secret_is_left_around(cluster):
    secrets = {needle for node in cluster.nodes for needle in cluster.secrets(node)}
    assert {node: cluster.places_of(secrets, node) for node in cluster.nodes} == {node: [] for node in cluster.nodes}


def test_remember_the_processes(cluster, core):
    """What the step after the next run of the play compares with."""
    cluster.remember("main_pids", {node: cluster.main_pids(node) for node in cluster.nodes})
    pods = core.list_namespaced_pod("kube-system").items
    cluster.remember("pods", {p.metadata.uid: [s.restart_count for s in p.status.container_statuses] for p in pods})
