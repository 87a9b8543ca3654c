# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import containers, image
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.nodes import Node

SERVER = Node("k3a-server-1", "server", "10.89.4.11")


@pytest.mark.parametrize(
    ("hard", "expected"),
    [((-1, -1), (1048576, 32768)), ((20000, 96365), (20000, 32768)), ((1 << 30, 100), (1048576, 100))],
)
def test_limits_are_never_above_those_of_the_caller(hard, expected):
    assert containers.limits(*hard) == {"nofile": expected[0], "nproc": expected[1]}


def test_run_arguments():
    command = containers.run_arguments("k3a", SERVER, {"nofile": 100}, modules=False)
    assert command[-2:] == [image.image_name(), image.INIT]
    text = " ".join(command)
    for part in (
        "--hostname k3a-server-1",
        "--label k3a.nodes=k3a",
        "--network k3a-nodes-k3a --ip 10.89.4.11 --mac-address 02:00:0a:59:04:0b",
        "--ulimit nofile=100:100",
        "destination=/var/lib/k3a,",
        "--stop-signal SIGRTMIN+3",
    ):
        assert part in text
    assert "/lib/modules" not in text
    assert "/lib/modules:/lib/modules:ro" in containers.run_arguments("k3a", SERVER, {}, modules=True)


def test_accommodations_are_only_for_what_the_machine_lacks():
    everything = containers.effective_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n")
    without = containers.effective_capabilities("CapEff:\t000001fffeffffff\n")
    assert containers.accommodations(True, everything, conntrack_writable=True) == {}
    assert containers.accommodations(False, without, conntrack_writable=False) == {
        "k3a_allow_cgroup_v1": True,
        "k3a_restrict_oom_score_adj": True,
        "k3a_manage_conntrack": False,
    }


class Podman:
    """Stands in for AnsibleModule on a machine whose podman has the network of a set and nothing else."""

    def __init__(self, check_mode):
        self.check_mode = check_mode
        self.warn = print
        self.written = []

    def run_command(self, argv, data=None, handle_exceptions=True):
        if argv[:3] == ["podman", "network", "inspect"]:
            subnets = [{"subnet": "10.89.0.0/24", "gateway": "10.89.0.1"}]
            return 0, json.dumps([{"network_interface": "podman7", "subnets": subnets}]), ""
        self.written.append(argv)
        return 0, "", ""


@pytest.fixture
def settled(monkeypatch):
    """What settling does, with limits of this machine that are at these paths."""

    def settle(check_mode, limits):
        monkeypatch.setattr(containers, "SHARED_LIMITS", dict.fromkeys(map(str, limits), 8192))
        podman = Podman(check_mode)
        host = Host(podman)
        containers.Containers(host, "t").settle()
        return podman.written, host.before, host.after

    return settle


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_bridge_gets_an_address_that_no_node_takes_with_it(settled, check_mode):
    written, _before, after = settled(check_mode, [])
    change = ["ip", "link", "set", "dev", "podman7", "address", "02:00:0a:59:00:01"]
    assert written == ([] if check_mode else [change])
    assert after == ["bridge: an address of its own\n"]


def test_a_bridge_that_has_one_is_left_alone(settled, monkeypatch):
    monkeypatch.setattr(containers, "has_own_address", lambda interface: interface == "podman7")
    assert settled(False, []) == ([], [], [])


def test_a_shared_limit_is_raised_and_never_lowered(settled, tmp_path):
    low, high = tmp_path / "low", tmp_path / "high"
    low.write_text("128\n")
    high.write_text("9000\n")
    _written, before, _after = settled(True, [low, high])
    assert before[0] == f"{low}: 128\n"
    assert low.read_text() == "128\n"
    settled(False, [low, high])
    assert (low.read_text(), high.read_text()) == ("8192", "9000\n")
