# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml on hosts that are as they should be, of which only the answers exist."""

from __future__ import annotations

from collections import Counter

from ansible_collections.k3a.cluster.tests.unit import recording
from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import RecordedCluster

SITE = recording.COLLECTION / "playbooks/site.yml"
# Each is a worker's fork, even if only to find that a condition is not met; bench/scale.py says what that costs.
VISITS = {"server-2": 3, "agent-1": 3}


def test_a_host_that_does_not_differ_is_asked_twice_and_not_changed(tmp_path):
    inventory = RecordedCluster(servers=3, agents=1).write(tmp_path, log=tmp_path / "log")
    output = recording.play(tmp_path, SITE, "--inventory", inventory)
    assert output.count("changed=0") == 5, output
    runs = Counter((run.host, run.module) for run in recording.runs(tmp_path / "log"))
    asked = {(host, module): 1 for host in VISITS for module in ("check_config", "drift")}
    assert {run: count for run, count in runs.items() if run[0] in VISITS} == asked
    visits = recording.visits(output)
    assert {host: visits[host] for host in VISITS} == VISITS
