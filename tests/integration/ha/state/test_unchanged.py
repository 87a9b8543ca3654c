# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same play again: it changes nothing, restarts nothing, and costs little on each host."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

COUNTER = Path(__file__).parents[4] / "bench/callback_plugins"
# One server also is the one through which the API is asked: its own four, and three of the cluster.
MOST_RUNS = {"servers": 7, "agents": 3}


def test_nothing_changes_in_few_module_runs(cluster, playbooks, tmp_path, tell):
    report = tmp_path / "report.json"
    counting = {
        "ANSIBLE_CALLBACK_PLUGINS": str(COUNTER),
        "ANSIBLE_CALLBACKS_ENABLED": "module_runs",
        "K3A_BENCH_REPORT": str(report),
    }
    assert playbooks.succeed("site.yml", **counting).changed == {}
    runs = json.loads(report.read_text())["runs"]
    counts = {host: len(modules) for host, modules in sorted(runs.items())}
    tell(f"module runs: {counts}")
    for group, most in MOST_RUNS.items():
        for node in getattr(cluster, group):
            assert len(runs[node]) <= most, (node, Counter(runs[node]))


def test_every_unit_still_runs_in_the_same_process(cluster):
    before = cluster.remembered("main_pids")
    assert {node: cluster.main_pids(node) for node in cluster.nodes} == before
