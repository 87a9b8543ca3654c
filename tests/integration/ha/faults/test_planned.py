# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restarts on purpose, a server after the other: clients go on, and lose nothing they were promised."""

from __future__ import annotations

import json

CHANGE = {"k3a_etcd_arg": ["snapshot-count=9999"], "k3a_kube_apiserver_arg": ["max-requests-inflight=401"]}
# They end when they cannot renew their lease, and systemd starts them anew.
ELECTED = {"k3a-controller-manager.service", "k3a-scheduler.service", "k3a-approver.service"}
# What is wanted is 2 s; the machine under the nodes may be busy, so what was measured is told.
LIMIT = 20


def test_all_servers_restart_one_by_one(cluster, servers, playbooks, writing):
    before = {server: cluster.main_pids(server) for server in cluster.servers}
    for options in (["-e", json.dumps(CHANGE)], []):
        assert set(playbooks.succeed("site.yml", *options).changed) == set(cluster.servers)
    servers.wait_until_whole()
    writing.go_on()
    writing.stop()
    for server in cluster.servers:
        after = cluster.main_pids(server)
        restarted = {unit for unit, process in after.items() if process != before[server][unit]}
        assert {"k3a-etcd.service", "k3a-apiserver.service"} <= restarted
        assert restarted - ELECTED <= {"k3a-etcd.service", "k3a-apiserver.service"}
    assert {node: found.gap for node, found in writing.result.items() if found.gap > LIMIT} == {}
