# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the step after the next run of the play compares with."""

from __future__ import annotations


def test_every_unit_runs(cluster):
    processes = {node: cluster.main_pids(node) for node in cluster.nodes}
    for node, units in processes.items():
        assert "k3a-kubelet.service" in units, node
        assert not [unit for unit, process in units.items() if process.startswith("0 ")], node
    cluster.remember("main_pids", processes)


def test_remember_the_pods(cluster, core):
    pods = core.list_namespaced_pod("kube-system").items
    assert pods
    cluster.remember("pods", {p.metadata.uid: [s.restart_count for s in p.status.container_statuses] for p in pods})
