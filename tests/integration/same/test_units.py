# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the same play again: nothing was restarted."""

from __future__ import annotations


def test_every_unit_still_runs_in_the_same_process(cluster):
    before = cluster.remembered("main_pids")
    assert {node: cluster.main_pids(node) for node in cluster.nodes} == before


def test_no_pod_was_restarted(cluster, core):
    pods = core.list_namespaced_pod("kube-system").items
    now = {p.metadata.uid: [s.restart_count for s in p.status.container_statuses] for p in pods}
    assert now == cluster.remembered("pods")
