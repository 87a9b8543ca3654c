# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reset.yml on hosts of which only the answers exist: who has not said yes loses nothing."""

from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.tests.unit import recording
from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import RecordedCluster, documented, write_answers

RESET = recording.COLLECTION / "playbooks/reset.yml"
HOSTS = ("server-1", "agent-1", "agent-2")


@pytest.fixture
def cluster(tmp_path):
    """Run the playbook with variables of hosts; what it says, and the modules that it ran under the cluster's lock."""
    inventory = RecordedCluster(servers=1, agents=2).write(tmp_path, log=tmp_path / "log")
    (tmp_path / "log").touch()

    def play(variables):
        text = inventory.read_text()
        for host, own in variables.items():
            text = text.replace(f"{host} ansible_host", f"{host} {own} ansible_host")
        inventory.write_text(text)
        with pytest.raises(AssertionError) as told:
            recording.play(tmp_path, RESET, "--inventory", inventory)
        lock, *others = recording.runs(tmp_path / "log")
        assert lock.module == "cluster_lock"
        return str(told.value), others

    return play


@pytest.mark.parametrize("host", HOSTS)
def test_one_host_that_says_no_stops_it(cluster, host):
    """The first host was asked for all: one whose own variable said no was reset."""
    output, runs = cluster({**dict.fromkeys(HOSTS, "k3a_reset=yes"), host: "k3a_reset=no"})
    assert "Nothing was removed" in output
    assert runs == []


def test_a_variable_of_one_host_that_cannot_be_used_stops_it(cluster):
    said = dict.fromkeys(HOSTS, "k3a_reset=yes")
    output, runs = cluster({**said, "agent-2": "k3a_reset=yes k3a_wait_timeout=soon"})
    assert "k3a_wait_timeout" in output
    assert runs == []


def test_a_server_that_stays_takes_the_lock_where_one_goes(tmp_path):
    """The keeper of the other cannot give the Lease back: its API is gone."""
    three = RecordedCluster(servers=3, agents=0)
    inventory = three.write(tmp_path)
    answer = {**documented("reset"), "changed": True}
    write_answers(tmp_path / "answers/reset.json", [({}, answer)])
    text = inventory.read_text()
    for host in three.hosts:
        (tmp_path / host.name).touch()
        text = text.replace(f"{host.name} ansible", f"{host.name} ansible_recording_log={tmp_path / host.name} ansible")
    inventory.write_text(text)
    recording.play(tmp_path, RESET, "--inventory", inventory, "--limit", "server-1", "-e", "k3a_reset=yes")
    ran = {host.name: [run.module for run in recording.runs(tmp_path / host.name)] for host in three.hosts}
    assert ran == {"server-1": ["cluster_lock", "reset"], "server-2": ["cluster_lock"], "server-3": []}
