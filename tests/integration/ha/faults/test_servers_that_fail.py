# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server dies, loses its power or its network while clients write: they go on, and lose nothing they were promised.

It is always the server that the clients use, and that leads etcd. What clients may notice is 10 s; the machine under
the nodes may be busy with other things, so that twice that is checked here, and what was measured is told.
"""

from __future__ import annotations

import json
import subprocess
import time

import pytest

LIMIT = 20
CUT_OFF = 15
TABLE = "inet k3a-test-cut"
CUT = """
table inet k3a-test-cut {{
  chain incoming {{ type filter hook prerouting priority raw; {incoming} }}
  chain outgoing {{ type filter hook output priority raw; {outgoing} }}
}}
"""


@pytest.fixture
def victim(cluster, servers, writing):
    """The server that the clients use, leading etcd."""
    name = servers.behind(cluster.agents[0])
    servers.lead(name)
    return name


def podman(*arguments: str) -> None:
    subprocess.run(["podman", *arguments], check=True, capture_output=True)


def check(writing) -> None:
    """What the clients saw."""
    writing.go_on()
    writing.stop()
    assert {node: found.gap for node, found in writing.result.items() if found.gap > LIMIT} == {}


def test_killed_processes(cluster, servers, writing, victim):
    cluster.feed(victim, "", "systemctl", "kill", "--kill-who=main", "--signal=KILL", "k3a-*.service")
    writing.go_on()
    servers.wait_until_whole()
    check(writing)


def test_a_server_without_power(cluster, servers, playbooks, writing, victim):
    """Whichever it is: a run in the meantime goes on with the others, and says so."""
    podman("kill", "--signal", "KILL", victim)
    try:
        writing.go_on(60)
        played = playbooks.run("site.yml")
    finally:
        podman("start", victim)
    assert f"{victim}: cannot be reached, and stays as it is" in " ".join(played.output.split())
    assert {host: counts["failed"] for host, counts in played.recap.items() if counts["failed"]} == {}
    others = [name for name in servers.names if name != victim]
    assert {servers.identity} == {servers.etcd(name, "cluster/member/list")["header"]["cluster_id"] for name in others}
    cluster.wait_for_ssh(victim)
    servers.wait_until_whole()
    check(writing)


class Network:
    """Takes the way to other nodes from a server, and gives it back; the controller still reaches it."""

    def __init__(self, cluster, server: str) -> None:
        self.cluster = cluster
        self.server = server

    def cut(self, ways: str, nodes: list[str]) -> None:
        addresses = ", ".join(self.cluster.addresses[node] for node in nodes if node != self.server)
        incoming = f"ip saddr {{ {addresses} }} drop;" if "in" in ways else ""
        outgoing = f"ip daddr {{ {addresses} }} drop;" if "out" in ways else ""
        self.cluster.feed(self.server, CUT.format(incoming=incoming, outgoing=outgoing), "nft", "-f", "-")

    def mend(self) -> None:
        self.cluster.feed(self.server, f"table {TABLE} {{}}\ndelete table {TABLE}\n", "nft", "-f", "-")


@pytest.fixture
def network(cluster, victim):
    found = Network(cluster, victim)
    yield found
    found.mend()


@pytest.mark.parametrize(
    "ways, group",
    [("out", "nodes"), ("in", "nodes"), ("in and out", "servers")],
    ids=["outgoing", "incoming", "both-ways-from-servers"],
)
def test_a_server_that_is_cut_off(cluster, servers, wait, writing, victim, network, ways, group):
    # Not a wait for something: this is how long the fault lasts.
    mended = time.monotonic() + CUT_OFF
    network.cut(ways, getattr(cluster, group))
    writing.go_on(40)
    wait(lambda: (servers.answers(victim), "ready"), "the server that is cut off says that it is not ready", 60)
    time.sleep(max(0, mended - time.monotonic()))
    network.mend()
    servers.wait_until_whole()
    check(writing)


def test_no_run_makes_two_clusters_of_a_partition(cluster, servers, playbooks, writing, victim, network):
    """The controller reaches the server that no other reaches, both ways: it waits for it, and says for what."""
    before = cluster.main_pids(victim)["k3a-etcd.service"]
    network.cut("in and out", cluster.nodes)
    writing.go_on()
    played = playbooks.run("site.yml", "-e", "k3a_wait_timeout=15")
    assert cluster.main_pids(victim)["k3a-etcd.service"] == before
    members = servers.etcd(victim, "cluster/member/list", linearizable=False)
    assert members["header"]["cluster_id"] == servers.identity
    assert len(members["members"]) == len(servers.names)
    network.mend()
    assert played.changed == {}
    assert f"{victim}: its etcd runs, but " in " ".join(played.output.split())
    assert played.status != 0 and "k3a-apiserver is not healthy" in played.message, played.output[-3000:]
    assert [host for host, counts in played.recap.items() if counts["failed"]] == [victim]
    servers.wait_until_whole()
    check(writing)


def test_too_few_servers_are_left_alone(cluster, servers, playbooks):
    """Two of three are away: nothing is changed, whatever there would be to do."""
    away = servers.names[:2]
    servers.wait_until_whole()
    try:
        for name in away:
            podman("pause", name)
        changed = json.dumps({"k3a_kube_apiserver_arg": ["max-requests-inflight=401"]})
        played = playbooks.run("site.yml", "-e", changed)
    finally:
        for name in away:
            podman("unpause", name)
    assert played.changed == {}
    sentence = f"{', '.join(away)}: cannot be reached, and with 2 of 3 servers away nothing is changed"
    assert sentence in " ".join(played.output.split()), played.output[-3000:]
    servers.wait_until_whole()
