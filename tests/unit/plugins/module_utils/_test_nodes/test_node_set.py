# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import containers, node_set
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import nodes as sets
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.image import image_name

READS = (
    ["podman", "ps"],
    ["podman", "network", "inspect"],
    ["podman", "images"],
    ["podman", "exec"],
    ["podman", "logs"],
)


@pytest.fixture(autouse=True)
def _no_shared_limits(monkeypatch):
    """What this machine's limits are must not matter."""
    monkeypatch.setattr(containers, "SHARED_LIMITS", {})


class Machine:
    """Stands in for AnsibleModule on a machine whose podman has these containers, this network and the image."""

    def __init__(self, directory, states, subnet="10.89.0.0/24", check_mode=True):
        self.directory = str(directory)
        self.check_mode = check_mode
        self.states = states
        self.subnet = subnet
        self.written = []
        self.warnings = []
        self.image = image_name()

    def warn(self, text):
        self.warnings.append(text)

    def run_command(self, argv, data=None, handle_exceptions=True):
        if not any(argv[: len(read)] == read for read in READS):
            self.written.append(argv)
        if argv[1] == "ps":
            listing = [{"Names": [n], "State": s, "Image": self.image} for n, s in self.states.items()]
            return 0, json.dumps(listing), ""
        if argv[1:3] == ["network", "inspect"]:
            network = {"network_interface": "podman7", "subnets": [{"subnet": self.subnet, "gateway": "10.89.0.1"}]}
            return (0, json.dumps([network]), "") if self.subnet else (125, "", "none")
        if argv[1] == "exec" and "list-units" in argv:
            return 0, "ssh.service loaded failed failed OpenBSD Secure Shell server\n", ""
        if argv[1] == "exec":
            return 0, "state=degraded\nhost_key=ssh-ed25519 AAAA\nauthorized_key=\n", ""
        if argv[0] == "ssh-keygen":
            with open(argv[-1] + ".pub", "w") as key:
                key.write("ssh-ed25519 BBBB\n")
        return 0, "0123456789ab\n", ""


def present(machine, servers, agents, others=()):
    host = Host(machine)
    kind = containers.Containers(host, "t")
    made = node_set.NodeSet(host, "t", machine.directory)
    return made.present(kind, list(others), servers, agents, mirror=None, timeout=1)


def absent(machine):
    host = Host(machine)
    return node_set.NodeSet(host, "t", machine.directory).absent([containers.Containers(host, "t")])


def test_check_mode_announces_a_first_set_and_touches_nothing(tmp_path):
    machine = Machine(tmp_path / "build", {}, subnet=None)
    result = present(machine, servers=1, agents=1)
    assert machine.written == []
    assert not (tmp_path / "build").exists()
    assert result["changed"] is True
    assert result["diff"]["after"].splitlines() == [
        "id_ed25519: present",
        "t-server-1: running",
        "t-agent-1: running",
        "network: present",
        "bridge: an address of its own",
        "hosts: written",
    ]
    assert result["nodes"] == [
        {"name": "t-server-1", "group": "server", "address": ""},
        {"name": "t-agent-1", "group": "agent", "address": ""},
    ]


def test_check_mode_announces_a_start_and_a_removal(tmp_path):
    machine = Machine(tmp_path, {"t-server-1": "exited", "t-agent-1": "running"})
    result = present(machine, servers=1, agents=0)
    assert machine.written == []
    assert "t-agent-1: running\nt-server-1: exited\n" in result["diff"]["before"]
    assert "t-agent-1: absent\nt-server-1: running\n" in result["diff"]["after"]


def test_a_node_of_an_older_image_is_kept_and_named(tmp_path):
    machine = Machine(tmp_path, {"t-server-1": "exited"})
    machine.image = "localhost/k3a-node:old"
    present(machine, servers=1, agents=0)
    assert machine.warnings == ["node t-server-1 is kept as it is, made from an older image or with other options"]


def test_a_new_node_that_does_not_come_up_is_named_with_its_reason(tmp_path):
    machine = Machine(tmp_path, {}, check_mode=False)
    with pytest.raises(sets.NodesError) as failure:
        present(machine, servers=1, agents=0)
    assert "node t-server-1 did not come up: its systemd: degraded" in str(failure.value)
    assert "ssh.service loaded failed" in str(failure.value)


def test_a_set_of_another_kind_is_not_mixed_with(tmp_path):
    machine = Machine(tmp_path, {}, check_mode=False)
    other = containers.Containers(Host(Machine(tmp_path, {"t-server-1": "running"})), "t")
    with pytest.raises(node_set.NodesError, match="set t has nodes of another kind, such as t-server-1: remove it"):
        present(machine, servers=1, agents=0, others=[other])
    assert machine.written == []


def test_a_node_in_use_may_have_a_failed_unit(tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "answers_ssh", lambda address: True)
    monkeypatch.setattr(containers, "effective_capabilities", lambda status: -1)
    result = present(Machine(tmp_path, {"t-server-1": "running"}), servers=1, agents=0)
    assert [node["name"] for node in result["nodes"]] == ["t-server-1"]


def test_absent_removes_containers_network_and_directory(tmp_path):
    directory = tmp_path / "t"
    directory.mkdir()
    (directory / "hosts").write_text(sets.HEADER)
    machine = Machine(directory, {"t-server-1": "running"}, check_mode=False)
    result = absent(machine)
    assert machine.written == [
        ["podman", "rm", "--force", "--time", "0", "--volumes", "t-server-1"],
        ["podman", "network", "rm", "k3a-nodes-t"],
    ]
    assert not os.path.exists(directory)
    assert result["changed"] is True


def test_absent_again_changes_nothing(tmp_path):
    machine = Machine(tmp_path / "t", {}, subnet=None, check_mode=False)
    assert absent(machine)["changed"] is False
    assert machine.written == []


def test_absent_leaves_a_directory_of_somebody_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    machine = Machine(tmp_path, {"t-server-1": "running"}, check_mode=False)
    with pytest.raises(sets.NodesError, match="no inventory of test nodes"):
        absent(machine)
    assert machine.written == []
    assert (tmp_path / "thesis.txt").exists()
