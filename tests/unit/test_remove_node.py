# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""remove_node.yml on hosts of which only the answers exist."""

from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.tests.unit import recording
from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import RecordedCluster, documented, write_answers

REMOVE = recording.COLLECTION / "playbooks/remove_node.yml"
STEPS = ("drain", "etcd_member", "node_removal", "reset")


@pytest.fixture
def remove(tmp_path):
    """Remove a node of three servers and an agent; what was run on a host, for itself or for others."""
    cluster = RecordedCluster(servers=3, agents=1)
    inventory = cluster.write(tmp_path)
    for step in STEPS:
        write_answers(tmp_path / f"answers/{step}.json", [({}, {**documented(step), "changed": True})])
    text = inventory.read_text()
    for host in cluster.hosts:
        (tmp_path / host.name).touch()
        text = text.replace(f"{host.name} ansible", f"{host.name} ansible_recording_log={tmp_path / host.name} ansible")
    inventory.write_text(text)

    def play(node):
        recording.play(tmp_path, REMOVE, "--inventory", inventory, "-e", f"k3a_remove_node={node}")
        return {host.name: [run.module for run in recording.runs(tmp_path / host.name)] for host in cluster.hosts}

    return play


def test_a_server_that_stays_takes_the_lock_where_one_goes(remove):
    """The keeper of the other cannot give the Lease back: its API is gone."""
    ran = remove("server-1")
    assert ran["server-1"] == ["cluster_lock", "check_config", "server_info", "reset"]
    own = [name for name in ran["server-2"] if name not in ("check_config", "server_info", "load_balancer")]
    assert own == ["cluster_lock", "drain", "etcd_member", "node_removal"]


def test_an_agent_that_goes_takes_no_lock_along(remove):
    ran = remove("agent-1")
    assert ran["agent-1"][-1] == "reset"
    assert [host for host, modules in ran.items() if "cluster_lock" in modules] == ["server-1"]


def test_the_kubeconfig_of_a_cluster_that_is_not_taken_over_stays(remove, tmp_path):
    """That of its administrators opens nothing before site.yml has bound them."""
    for answers in (tmp_path / "answers").rglob("server_info.json"):
        told = json.loads(answers.read_text())
        for _asked, answer in told:
            del answer["ca_certificates"]["kubelet-serving"]
        answers.write_text(json.dumps(told))
    former = RecordedCluster(servers=3, agents=1)
    config = tmp_path / "kubeconfig"
    known = json.loads(next((tmp_path / "answers").rglob("server_info.json")).read_text())[0][1]["ca_certificates"]
    former.ca_certificates["server"] = (known["server"], "")
    config.write_text(former.admin_kubeconfig())
    before = config.read_text()
    assert "node_removal" in remove("agent-1")["server-1"]
    assert config.read_text() == before
