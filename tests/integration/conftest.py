# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes and the cluster under test: a set of test nodes whose directory K3A_TEST_SET names."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import testinfra
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from kubernetes import client, config

# Modules of the tests are loaded by their paths, so those that share something have to be told where it is.
sys.path.append(str(Path(__file__).parent))

from servers import HERE, IMPATIENT, PATIENT, Outsider, Playbooks, Servers, Writing, begun

SNAPSHOT = Path(__file__).with_name("snapshot_host.py").read_text()
LOOK_AROUND = Path(__file__).with_name("look_around.py").read_text()
READ_SECRETS = """
import json, os

found = {}
for root in ("/var/lib/k3a/server", "/var/lib/k3a/agent/tls"):
    for directory, _names, files in os.walk(root):
        for path in (os.path.join(directory, name) for name in files):
            if path.endswith((".key", "encryption-config.json", "token")):
                with open(path) as stream:
                    found[path] = stream.read()
print(json.dumps(found))
"""


class Cluster:
    """A set of test nodes, and the API of the cluster on them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inventory = directory / "hosts"
        manager = InventoryManager(DataLoader(), sources=[str(self.inventory)])
        groups = manager.get_groups_dict()
        self.servers, self.agents = groups["server"], groups["agent"]
        self.addresses = {host.name: host.vars["ansible_host"] for host in manager.get_hosts()}
        # Seconds that a login may take: those that are emulated say so.
        self._login = manager.groups["all"].vars.get("ansible_timeout", 5)

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
        ssh = self.ssh(node, f"sudo {command} {shlex.join(arguments)}")
        return subprocess.run(ssh, input=given, capture_output=True, text=True, check=True).stdout

    def ssh(self, node: str, command: str) -> list[str]:
        """What runs a command on a node, as the user that Ansible logs in as."""
        directory = self.directory.resolve()
        options = [f"-oUserKnownHostsFile={directory}/known_hosts", "-oIdentitiesOnly=yes", f"-i{directory}/id_ed25519"]
        return ["ssh", *options, f"-oConnectTimeout={self._login}", f"k3a@{self.addresses[node]}", command]

    def secrets(self, node: str) -> list[str]:
        """What would give the secrets on a node away, wherever it is found."""
        files = json.loads(self.feed(node, "", "python3", "-c", READ_SECRETS))
        found = [needles_in(path, content) for path, content in files.items()]
        return sorted({needle for needles in found for needle in needles})

    def places_of(self, needles: Iterable[str], node: str) -> list[str]:
        """Where any of these is on a node, other than in a file of its own."""
        return json.loads(self.feed(node, json.dumps(sorted(needles)), "python3", "-c", LOOK_AROUND))

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

    def units(self, node: str, *properties: str) -> dict[str, dict[str, str]]:
        """The services of ours that go on, by their names, with properties; what a timer starts ends by itself."""
        asked = ",".join(("Id", "Type", *properties))
        shown = self.run(node, "systemctl", "show", f"--property={asked}", "k3a-*.service")
        units = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
        return {unit["Id"]: unit for unit in units if unit and unit["Type"] != "oneshot"}

    def main_pids(self, node: str) -> dict[str, str]:
        """Main process of each unit, with its start time, which tells a reused PID apart."""
        pid, since = "MainPID", "ExecMainStartTimestampMonotonic"
        return {name: f"{unit[pid]} since {unit[since]}" for name, unit in self.units(node, pid, since).items()}

    def remember(self, name: str, value: object) -> None:
        """Keep a value for a later step of the scenario."""
        (self.directory / f"{name}.json").write_text(json.dumps(value))

    def remembered(self, name: str) -> dict:
        return json.loads((self.directory / f"{name}.json").read_text())


def needles_in(path: str, content: str) -> list[str]:
    """What would give a secret away."""
    if "PRIVATE KEY" in content:
        # The first line has the private number; later ones have the public key, which certificates show to everybody.
        return [content.split("PRIVATE KEY-----")[1].split(maxsplit=1)[0]]
    if path.endswith("encryption-config.json"):
        key = json.loads(content)["resources"][0]["providers"][0]["secretbox"]["keys"][0]["secret"]
        return [key, base64.b64encode(base64.b64decode(key)).decode()]
    return [content.strip().split(":")[-1]]


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


@pytest.fixture(scope="session")
def servers(cluster, wait) -> Servers:
    return Servers(cluster, wait)


@pytest.fixture(scope="session")
def playbooks(cluster) -> Playbooks:
    return Playbooks(cluster)


@pytest.fixture
def tell(capfd) -> Callable[[str], None]:
    """Say something that is of interest even when the test passes."""

    def say(text: str) -> None:
        with capfd.disabled():
            print(f"\n    {text}", flush=True)

    return say


@pytest.fixture
def writing_from_here(cluster, servers, wait, tell) -> Iterator[Writing]:
    """A client that has begun to write, and outlives every node."""
    with begun(cluster, servers, wait, tell, {HERE: 10.0}) as clients:
        yield clients


@pytest.fixture
def writing(cluster, servers, wait, tell) -> Iterator[Writing]:
    """Clients that have begun to write."""
    with begun(cluster, servers, wait, tell, dict(zip(cluster.agents, (IMPATIENT, PATIENT), strict=True))) as clients:
        yield clients


@pytest.fixture(scope="module")
def outsider(cluster, servers, playbooks, tmp_path_factory):
    """The last agent, which is taken out of the cluster, and in the end put back by its inventory."""
    servers.wait_until_whole()
    found = Outsider(cluster, playbooks, tmp_path_factory.mktemp("outsider"))
    playbooks.succeed("remove_node.yml", "-e", f"k3a_remove_node={found.name}", "-e", "k3a_release_names=true")
    assert found.running() == ""
    yield found
    found.leave()
    cluster.feed(cluster.servers[0], "", "kubectl", "delete", "node", found.name, "--ignore-not-found")


@pytest.fixture(scope="module")
def token(playbooks, tmp_path_factory):
    path = tmp_path_factory.mktemp("token") / "token"
    played = playbooks.succeed("token_create.yml", "-e", f"k3a_token_file={path}", "-e", "k3a_token_ttl=1h")
    text = path.read_text().strip()
    assert text.startswith("K10") and text not in played.output
    return text
