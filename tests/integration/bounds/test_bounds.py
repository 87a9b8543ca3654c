# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far trouble goes: one agent's is its own, a server's is everybody's, and few nodes are away at once."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
UNITS = ("k3a-kubelet", "k3a-kube-proxy")


class Run(NamedTuple):
    """What a run of site.yml came to."""

    status: int
    output: str
    recap: dict[str, dict[str, int]]

    @property
    def closing(self) -> str:
        """The message that ends it, on one line."""
        return " ".join(self.output.rpartition("Show the cluster's summary")[2].partition("PLAY RECAP")[0].split())

    def changed(self, *hosts: str) -> bool:
        return any(self.recap[host]["changed"] for host in hosts)


def counts(output: str) -> dict[str, dict[str, int]]:
    """The recap, by host."""
    lines = [line.split(":", 1) for line in output.partition("PLAY RECAP")[2].splitlines() if " : ok=" in line]
    return {
        host.strip(): {name: int(count) for name, count in (entry.split("=") for entry in told.split())}
        for host, told in lines
    }


@pytest.fixture
def site(cluster, tmp_path):
    """Run site.yml; `of` gives single hosts variables of their own."""

    def command(*options: str, of: dict[str, dict[str, Any]] | None = None) -> list[str]:
        text = cluster.inventory.read_text()
        for host, variables in (of or {}).items():
            given = "".join(f" {name}='{json.dumps(value)}'" for name, value in variables.items())
            text = re.sub(rf"(?m)^({host} .*)$", lambda line, given=given: line[1] + given, text)
        path = tmp_path / "hosts"
        path.write_text(text)
        kubeconfig = f"k3a_kubeconfig={cluster.directory.resolve()}/kubeconfig"
        return ["ansible-playbook", str(PLAYBOOKS / "site.yml"), "-i", str(path), "-e", kubeconfig, *options]

    def run(*options: str, of: dict[str, dict[str, Any]] | None = None) -> Run:
        done = subprocess.run(command(*options, of=of), capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stdout + done.stderr
        return Run(done.returncode, done.stdout + done.stderr, counts(done.stdout))

    run.command = command
    return run


@pytest.fixture
def as_before(site, cluster):
    """Undo what a test has asked for, in one run that has to succeed."""
    yield
    done = site("-e", "k3a_max_unavailable=100%")
    assert done.status == 0, done.output[-3000:]


@contextlib.contextmanager
def undone(cluster, node: str, does: str, undoes: str) -> Iterator[None]:
    cluster.run(node, does)
    try:
        yield
    finally:
        cluster.run(node, undoes)


def labelled(cluster) -> set[str]:
    """The nodes that a run has given the label of these tests."""
    return set(cluster.kubectl("get", "nodes", "--selector=bounds", "--output=name").replace("node/", "").split())


MISTAKES = {
    "variable": {"k3a_node_label": ["no label"]},
    "bundle": {"k3a_bundle": "/nonexistent/bundle"},
    "template": {"k3a_node_taint": "{{ nowhere }}"},
}


class TestWhatIsInTheWay:
    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_of_an_agent_takes_it_out_of_the_run(self, site, cluster, as_before, mistake):
        bad, *others = cluster.agents
        before = cluster.main_pids(bad)
        label = {"k3a_node_label": [f"bounds={mistake}"]}
        done = site(of={bad: MISTAKES[mistake], **dict.fromkeys(others, label)})
        assert done.status == 2
        assert {host: done.recap[host]["failed"] for host in cluster.nodes} == {
            host: int(host == bad) for host in cluster.nodes
        }
        assert f"{bad} was left out of this run: " in done.closing
        assert labelled(cluster) == set(others)
        assert cluster.main_pids(bad) == before

    def test_that_is_on_the_host_itself(self, site, cluster):
        bad = cluster.agents[0]
        with undone(cluster, bad, "mv /usr/sbin/nft /usr/sbin/nft.away", "mv /usr/sbin/nft.away /usr/sbin/nft"):
            done = site()
        assert (done.status, done.recap[bad]["failed"], done.changed(*cluster.nodes)) == (2, 1, False)
        assert f"{bad} was left out of this run: " in done.closing and "nft" in done.closing

    @pytest.mark.parametrize("who, options", [("agents", ["-e", "k3a_strict=true"]), ("servers", [])])
    def test_of_a_server_ends_the_run_and_so_does_that_of_an_agent_when_strict(self, site, cluster, who, options):
        bad = getattr(cluster, who)[0]
        wanted = {host: {"k3a_node_label": ["bounds=never"]} for host in cluster.nodes}
        done = site(*options, of={**wanted, bad: MISTAKES["variable"]})
        assert done.status == 2
        assert "One thing is in the way, and nothing has been changed." in done.output
        assert not done.changed(*cluster.nodes)
        assert labelled(cluster) == set()

    def test_an_agent_that_cannot_be_reached(self, site, cluster, as_before):
        away, *others = cluster.agents
        label = {"k3a_node_label": ["bounds=reached"]}
        done = site(of={away: {"ansible_port": 1}, **dict.fromkeys(others, label)})
        assert done.recap[away]["unreachable"] == 1 and done.status != 0
        assert f"{away} left this run before its end" in done.closing
        assert labelled(cluster) == set(others)


class TestWindow:
    FLAG = "k3a_kubelet_arg=['max-pods=%d']"

    def away(self, cluster, node: str) -> tuple[int, int]:
        """From when to when a node's units were not active, by the clock that all test nodes share."""
        moments = []
        for name in ("ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"):
            shown = cluster.run(node, f"systemctl show --value --property={name} k3a-kubelet").split()
            moments.append(int(shown[0]))
        return moments[0], moments[1]

    def test_at_most_so_many_nodes_restart_at_once(self, site, cluster, as_before):
        done = site("-e", self.FLAG % 117, "-e", "k3a_max_unavailable=1")
        assert done.status == 0, done.output[-3000:]
        assert done.changed(*cluster.agents)
        turns = sorted(self.away(cluster, node) for node in cluster.agents)
        assert all(back > gone for gone, back in turns)
        assert all(later[0] > earlier[1] for earlier, later in zip(turns, turns[1:], strict=False)), turns

    def test_a_node_that_fails_is_the_last_to_be_changed(self, site, cluster, as_before):
        first, *others = cluster.agents
        before = {node: cluster.main_pids(node) for node in others}
        unit = "/etc/systemd/system/k3a-kubelet.service"
        with undone(cluster, first, f"mount --bind -o ro {unit} {unit}", f"umount {unit}"):
            done = site("-e", self.FLAG % 118, "-e", "k3a_max_unavailable=1")
        assert done.status == 2, done.output[-3000:]
        assert {host: done.recap[host]["failed"] for host in cluster.nodes} == {
            host: int(host in cluster.agents) for host in cluster.nodes
        }
        assert f"{first} left this run before its end" in done.closing
        assert all(f"{host} was left as it is" in done.closing for host in others)
        assert {node: cluster.main_pids(node) for node in others} == before


def test_a_node_that_was_not_ready_before_is_told_and_not_waited_for(site, cluster):
    sick, server = cluster.agents[0], cluster.servers[0]

    def network_is_unavailable(status: str) -> str:
        condition = {"type": "NetworkUnavailable", "status": status, "reason": "Test", "message": "a test"}
        patch = json.dumps({"status": {"conditions": [condition]}})
        return f"kubectl patch node {sick} --subresource=status --patch '{patch}'"

    with undone(cluster, server, network_is_unavailable("True"), network_is_unavailable("False")):
        done = site("-e", "k3a_wait_timeout=900")
    assert (done.status, done.changed(*cluster.nodes)) == (0, False)
    assert f"{sick} is not Ready" in done.closing


def test_a_host_that_dies_in_the_middle_of_a_wait_is_left_behind(site, cluster, as_before):
    """Its kubelet does not come up, so that the run waits for it; then nothing of the host answers any more."""
    dying, *others = cluster.agents
    drop_in = "/run/systemd/system/k3a-kubelet.service.d"
    cluster.run(dying, f"mkdir {drop_in} && printf '[Service]\\nExecStartPre=/bin/sleep 900\\n' >{drop_in}/late.conf")
    cluster.run(dying, "systemctl daemon-reload && systemctl stop k3a-kubelet")
    label = {"k3a_node_label": ["bounds=survivor"]}
    command = site.command("-e", "k3a_wait_timeout=60", of=dict.fromkeys(others, label))
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = []
        while not said or "Run flannel" not in said[-1]:
            said.append(run.stdout.readline())
            assert said[-1], "".join(said)
        time.sleep(2)
        subprocess.run(["podman", "pause", dying], check=True, capture_output=True)
        output = "".join(said) + run.communicate(timeout=300)[0]
    finally:
        run.kill()
        subprocess.run(["podman", "unpause", dying], check=False, capture_output=True)
        cluster.wait_for_ssh(dying)
        cluster.run(dying, f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart k3a-kubelet")
    recap = counts(output)
    assert recap[dying]["failed"] + recap[dying]["unreachable"] == 1, output[-3000:]
    assert f"{dying} left this run before its end" in Run(run.returncode, output, recap).closing
    assert labelled(cluster) == set(others)
