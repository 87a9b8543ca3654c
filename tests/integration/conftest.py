# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes and the cluster under test: a set of test nodes whose directory K3A_TEST_SET names."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
import testinfra
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from kubernetes import client, config

SNAPSHOT = Path(__file__).with_name("snapshot_host.py").read_text()


class Cluster:
    """A set of test nodes, and the API of the cluster on them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inventory = directory / "hosts"
        manager = InventoryManager(DataLoader(), sources=[str(self.inventory)])
        groups = manager.get_groups_dict()
        self.servers, self.agents = groups["server"], groups["agent"]
        self.addresses = {host.name: host.vars["ansible_host"] for host in manager.get_hosts()}

    @property
    def nodes(self) -> list[str]:
        return self.servers + self.agents

    def run(self, node: str, command: str, *arguments: str) -> str:
        """Standard output of a command on a node, as root by sudo; arguments are quoted."""
        host = testinfra.get_host(f"ansible://{node}?ansible_inventory={self.inventory}", sudo=True)
        result = host.run(command + "".join(" " + shlex.quote(a) for a in arguments))
        assert result.rc == 0, f"{node}: {command} {shlex.join(arguments)[:200]}: {result.stderr}{result.stdout}"
        return result.stdout

    def feed(self, node: str, given: str, command: str, *arguments: str) -> str:
        """Like run, with something on standard input, so that it is in no command line and in no log of sudo."""
        directory = self.directory.resolve()
        options = [f"-oUserKnownHostsFile={directory}/known_hosts", "-oIdentitiesOnly=yes", f"-i{directory}/id_ed25519"]
        remote = f"sudo {command} {shlex.join(arguments)}"
        ssh = ["ssh", *options, f"k3a@{self.addresses[node]}", remote]
        return subprocess.run(ssh, input=given, capture_output=True, text=True, check=True).stdout

    def wait_for_ssh(self, node: str, timeout: float = 60) -> None:
        """Until a node that had no power takes commands again."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.feed(node, "", "true")
                return
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline, f"{node} takes no commands {timeout} s after its start"
                time.sleep(0.5)

    def kubectl(self, *arguments: str) -> str:
        """kubectl on a server, as an operator calls it there: without any configuration."""
        return self.run(self.servers[0], "kubectl", *arguments)

    def snapshot(self, node: str) -> dict:
        return json.loads(self.run(node, "python3", "-c", SNAPSHOT))

    def main_pids(self, node: str) -> dict[str, str]:
        """Main process of each unit of ours with its start time, which tells a reused PID apart."""
        properties = "--property=Id,MainPID,ExecMainStartTimestampMonotonic"
        shown = self.run(node, "systemctl", "show", properties, "k3a-*.service")
        units = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
        return {u["Id"]: f"{u['MainPID']} since {u['ExecMainStartTimestampMonotonic']}" for u in units if u}

    def remember(self, name: str, value: object) -> None:
        """Keep a value for a later step of the scenario."""
        (self.directory / f"{name}.json").write_text(json.dumps(value))

    def remembered(self, name: str) -> dict:
        return json.loads((self.directory / f"{name}.json").read_text())


def wait_until(condition, what: str, timeout: float = 120):
    """The first true value of a condition; when the deadline passes, the assertion says what it was last."""
    deadline = time.monotonic() + timeout
    while True:
        value, seen = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not after {timeout} s: {seen}"
        time.sleep(0.5)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return Cluster(Path(os.environ["K3A_TEST_SET"]))


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> client.ApiClient:
    return config.new_client_from_config(str(cluster.directory / "kubeconfig"))


@pytest.fixture(scope="session")
def core(api: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(api)


@pytest.fixture(scope="session")
def wait():
    return wait_until
