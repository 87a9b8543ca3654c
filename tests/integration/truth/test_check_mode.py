# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode announces what the real run then does: the same tasks on the same hosts, files, units and objects."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

# Test nodes share one kernel: which of them is first to change such a setting is a matter of luck.
OF_THE_KERNEL = ("fs.", "kernel.", "vm.")
PLAYBOOKS = Path(__file__).parents[3] / "playbooks"


def play(cluster, name: str, *options: str) -> str:
    command = ["ansible-playbook", str(PLAYBOOKS / name), "-i", str(cluster.inventory), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.fixture
def changes(changes):
    """What changed, less the settings of the kernel."""
    return lambda output: {(task, name) for task, name in changes(output) if not name.startswith(OF_THE_KERNEL)}


@pytest.fixture
def one_agent_differs(cluster):
    """An edit of the inventory: one agent gets an argument for its kubelet."""
    variables = cluster.directory / "host_vars" / f"{cluster.agents[0]}.yml"
    variables.parent.mkdir(exist_ok=True)
    variables.write_text("k3a_kubelet_arg: [max-pods=77]\n")
    yield
    variables.unlink()
    variables.parent.rmdir()


def test_on_empty_hosts(cluster, changes):
    play(cluster, "reset.yml", "-e", "k3a_reset=yes")
    before = {node: cluster.snapshot(node) for node in cluster.nodes}
    announced = changes(play(cluster, "site.yml", "--check", "--diff"))
    assert {node: cluster.snapshot(node) for node in cluster.nodes} == before
    done = changes(play(cluster, "site.yml", "--diff"))
    assert announced == done
    assert len(done) > 100


def test_after_an_edit(cluster, changes, one_agent_differs):
    before = {node: cluster.main_pids(node) for node in cluster.nodes}
    announced = changes(play(cluster, "site.yml", "--check", "--diff"))
    assert {node: cluster.main_pids(node) for node in cluster.nodes} == before
    done = changes(play(cluster, "site.yml", "--diff"))
    agent = cluster.agents[0]
    wanted = {
        "k3a.cluster.agent : Run the kubelet": {
            *(agent, "/etc/systemd/system/k3a-kubelet.service", "k3a-kubelet.service")
        },
        # The Node tells how it was made; that is done once, for the first host.
        "k3a.cluster.addons : Set the nodes' labels, annotations and taints, and wait for Ready": {
            cluster.servers[0],
            f"Node {agent}",
        },
    }
    assert announced == done == {(task, name) for task, names in wanted.items() for name in names}
    after = {node: cluster.main_pids(node) for node in cluster.nodes}
    changed = {(node, unit) for node, units in after.items() for unit in units if units[unit] != before[node][unit]}
    assert changed == {(cluster.agents[0], "k3a-kubelet.service")}


def test_back_again(cluster, changes):
    announced = changes(play(cluster, "site.yml", "--check", "--diff"))
    assert announced == changes(play(cluster, "site.yml", "--diff"))
    assert changes(play(cluster, "site.yml", "--diff")) == set()
