# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml on hosts that are as they should be, of which only the answers exist."""

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.k3a.cluster.tests.unit import recording
from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import RecordedCluster, write_answers

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


def test_what_fails_on_all_hosts_that_differ_is_no_end_for_the_others(tmp_path):
    """Ansible ends a playbook when all hosts of a play have failed: here the only agent that had to be changed."""
    cluster = RecordedCluster(servers=1, agents=2)
    inventory = cluster.write(tmp_path)
    answers = tmp_path / "answers/agent-1"
    certificates = cluster.found_certificates(cluster.hosts[1])
    differs = {"changed": True, "reason": "a file differs", "certificates": certificates}
    write_answers(answers / "drift.json", [({}, differs)])
    write_answers(answers / "host.json", [({}, {"failed": True, "msg": "its disk is full"})])
    with pytest.raises(AssertionError) as failure:
        recording.play(tmp_path, SITE, "--inventory", inventory)
    output = str(failure.value)
    assert "its disk is full" in output
    assert "Wait for nodes and addons" in output and "Show the cluster's summary" in output
    recap = recording.recap(output)
    assert {host for host, counts in recap.items() if counts["failed"]} == {"agent-1"}
    assert recap["server-1"]["changed"] == 0
