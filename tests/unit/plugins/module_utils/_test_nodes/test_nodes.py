# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import nodes as sets

SUBNET = "10.89.4.0/24"


def wanted(servers=1, agents=2):
    return sets.wanted_nodes("k3a", servers, agents, SUBNET)


def test_names_groups_and_addresses():
    assert wanted() == [
        sets.Node("k3a-server-1", "server", "10.89.4.11"),
        sets.Node("k3a-agent-1", "agent", "10.89.4.101"),
        sets.Node("k3a-agent-2", "agent", "10.89.4.102"),
    ]


def test_a_node_keeps_its_address_when_the_set_grows():
    assert set(wanted(1, 1)) < set(wanted(3, 5))


@pytest.mark.parametrize("name", ["", "K3a", "1st", "a-", "a_b", "x" * 41, "a/../b"])
def test_a_name_that_no_host_can_have_is_refused(name):
    with pytest.raises(sets.NodesError, match="host name"):
        sets.check_request(name, 1, 0)


@pytest.mark.parametrize(("servers", "agents", "what"), [(-1, 0, "servers is -1"), (1, 151, "agents is 151")])
def test_a_number_of_nodes_without_addresses_is_refused(servers, agents, what):
    with pytest.raises(sets.NodesError, match=what):
        sets.check_request("k3a", servers, agents)


def test_the_largest_set_fits_its_network():
    nodes = sets.wanted_nodes("k3a", sets.MOST["server"], sets.MOST["agent"], SUBNET)
    assert len({node.address for node in nodes}) == len(nodes) == 239


def test_plan_of_nothing_there():
    assert sets.plan_nodes(wanted(), {}) == sets.Plan(create=wanted())


def test_plan_of_all_running_is_empty():
    assert not sets.plan_nodes(wanted(), {node.name: "running" for node in wanted()})


def test_plan_brings_back_what_stands_still_and_removes_what_is_too_much():
    existing = {"k3a-server-1": "paused", "k3a-agent-1": "exited", "k3a-agent-2": "running", "k3a-agent-3": "running"}
    assert sets.plan_nodes(wanted(), existing) == sets.Plan(
        remove=["k3a-agent-3"], start={"k3a-server-1": "unpause", "k3a-agent-1": "start"}
    )


def test_plan_makes_anew_what_is_lost():
    existing = {"k3a-server-1": "lost", "k3a-agent-1": "running", "k3a-agent-2": "running", "k3a-agent-3": "lost"}
    assert sets.plan_nodes(wanted(), existing) == sets.Plan(
        remove=["k3a-agent-3", "k3a-server-1"], create=[wanted()[0]]
    )


def test_a_node_is_asked_once_for_the_end_of_its_boot():
    assert "systemctl is-system-running --wait" in sets.PROBE


def test_probe():
    probe = sets.parse_probe("state=running\nconntrack=writable\nhost_key=ssh-ed25519 AAAA=\nauthorized_key=\n")
    assert probe == {
        "state": "running",
        "conntrack": "writable",
        "host_key": "ssh-ed25519 AAAA=",
        "authorized_key": "",
    }


@pytest.mark.parametrize("variables, seconds", [({}, 5), ({"ansible_timeout": 60}, 20)])
def test_a_connection_lives_as_long_as_a_login_may_take(variables, seconds):
    """SSH gives it up after three unanswered questions."""
    assert f" -o ServerAliveInterval={seconds}\n" in sets.inventory([], variables, "/tmp/m")


def test_known_hosts():
    assert sets.known_hosts({"10.0.0.2": "ssh-ed25519 B", "10.0.0.1": "ssh-ed25519 A"}) == (
        "10.0.0.1 ssh-ed25519 A\n10.0.0.2 ssh-ed25519 B\n"
    )


@pytest.mark.parametrize(("banner", "expected"), [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"HTTP/1.1 400\r\n", False)])
def test_only_an_ssh_server_answers_ssh(banner, expected):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            connection, unused = server.accept()
            with connection:
                connection.sendall(banner)

        thread = threading.Thread(target=greet)
        thread.start()
        assert sets.answers_ssh("127.0.0.1", server.getsockname()[1]) is expected
        thread.join()


def test_a_closed_port_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert sets.answers_ssh("127.0.0.1", port) is False


def test_a_directory_is_ours_only_with_our_inventory(tmp_path):
    assert sets.is_ours(str(tmp_path), "k3a")
    (tmp_path / "thesis.txt").write_text("years of work")
    assert not sets.is_ours(str(tmp_path), "k3a")
    (tmp_path / "hosts").write_text("[server]\n")
    assert not sets.is_ours(str(tmp_path), "k3a")
    (tmp_path / "hosts").write_text(sets.inventory([], {}, str(tmp_path)))
    assert sets.is_ours(str(tmp_path), "k3a")


def test_a_directory_of_a_set_that_never_came_up_is_ours(tmp_path):
    (tmp_path / "machines").mkdir()
    (tmp_path / "id_ed25519").write_text("secret")
    (tmp_path / "id_ed25519.pub").write_text("ssh-ed25519 AAAA me@home\n")
    assert not sets.is_ours(str(tmp_path), "k3a")
    (tmp_path / "id_ed25519.pub").write_text("ssh-ed25519 AAAA test nodes k3a\n")
    assert sets.is_ours(str(tmp_path), "k3a")
