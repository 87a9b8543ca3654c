# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server loses its power or its network, and a playbook runs: clients go on, and lose nothing they were promised.

It is always the server that the clients use, and that leads etcd. What happens without a playbook is in ../outages.
"""

from __future__ import annotations


def test_a_server_without_power(cluster, servers, playbooks, writing, victim, podman, check):
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
    check()


def test_no_run_makes_two_clusters_of_a_partition(cluster, servers, playbooks, writing, victim, network, check):
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
    check()
