# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several servers: what etcd and the API say of themselves, playbooks, and clients that never stop writing."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).with_name("writer.py").read_text()
TLS = "/var/lib/k3a/server/tls/etcd"
ASK_ETCD = (
    f"curl --silent --show-error --fail-with-body --max-time 5 --cacert {TLS}/server-ca.crt --cert {TLS}/client.crt"
    f" --key {TLS}/client.key --data @- https://127.0.0.1:2379/v3/"
)
# How long a cluster may take to be whole again after a fault.
WHOLE = 180
# A client that waits for its answer, as most do, hears of a dead server from the load balancer or not at all.
PATIENT, IMPATIENT = 60.0, 1.0
# Where a client is that outlives every node.
HERE = "the controller"
# Seconds from one write to the next.
PERIOD = 0.05


# ---- the cluster, server by server


class Servers:
    """The control plane as each of its servers sees it: whichever of them are there."""

    def __init__(self, cluster, wait: Callable) -> None:
        self.cluster = cluster
        self._wait = wait
        self.names = cluster.servers
        self.identity = self.etcd(self.names[0], "cluster/member/list")["header"]["cluster_id"]

    def etcd(self, server: str, method: str, **body: object) -> dict:
        """An answer of the etcd on a server."""
        return json.loads(self.cluster.feed(server, json.dumps(body), "sh", "-c", ASK_ETCD + method))

    def get(self, server: str, *arguments: str) -> dict:
        """An object, or a list of them, as the API on a server has it."""
        return json.loads(self.cluster.feed(server, "", "kubectl", "get", *arguments, "--output=json"))

    def members(self, server: str) -> dict[str, str]:
        """The members of etcd by name, and what they are, as a majority knows them."""
        answer = self.etcd(server, "cluster/member/list", linearizable=True)
        assert answer["header"]["cluster_id"] == self.identity, "this is another cluster"
        return {m.get("name", ""): "learner" if m.get("isLearner") else "voter" for m in answer["members"]}

    def ids(self, server: str) -> dict[str, str]:
        return {m["name"]: m["ID"] for m in self.etcd(server, "cluster/member/list")["members"]}

    def lead(self, server: str) -> None:
        """Have a server's etcd lead, so that what happens to the server is the worst that can happen to etcd."""
        wanted = self.ids(server)[server]

        def leads():
            leader = self.etcd(server, "maintenance/status")["leader"]
            if leader != wanted:
                name = next(name for name, ident in self.ids(server).items() if ident == leader)
                self.etcd(name, "maintenance/transfer-leadership", targetID=wanted)
            return leader == wanted, leader

        self._wait(leads, f"{server} leads etcd", 30)

    def answers(self, server: str) -> str:
        """Empty when a server's API is ready, or what is in the way."""
        return ready(f"https://{self.cluster.addresses[server]}:6443/readyz")

    def behind(self, node: str) -> str:
        """The server to which a node's load balancer brings its connections."""
        report = json.loads(self.cluster.feed(node, "", "curl", "--silent", "http://127.0.0.1:6445/healthz"))
        address = report["current"].rpartition(":")[0]
        return next(name for name in self.names if self.cluster.addresses[name] == address)

    def wait_until_whole(self, nodes: list[str] | None = None, timeout: float = WHOLE) -> None:
        """Every server a voting member of the cluster it was of, every API ready, every node alive."""
        since = time.time()
        self._wait(lambda: self._whole(since, nodes or self.cluster.nodes), "the cluster is whole", timeout)

    def _whole(self, since: float, nodes: list[str]) -> tuple[bool, object]:
        try:
            for server in self.names:
                members = self.members(server)
                if members != dict.fromkeys(self.names, "voter"):
                    return False, (server, members)
                unready = self.answers(server)
                if unready:
                    return False, (server, unready)
            return self._alive(since, nodes)
        except subprocess.CalledProcessError as error:
            return False, error.stderr

    def _alive(self, since: float, nodes: list[str]) -> tuple[bool, object]:
        states = {
            node["metadata"]["name"]: next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready")
            for node in self.get(self.names[0], "nodes")["items"]
        }
        leases = {
            lease["metadata"]["name"]: datetime.fromisoformat(lease["spec"]["renewTime"]).timestamp()
            for lease in self.get(self.names[0], "leases", "--namespace=kube-node-lease")["items"]
        }
        dead = [node for node in nodes if states.get(node) != "True" or leases.get(node, 0) < since]
        return not dead, (dead, states)


def ready(url: str) -> str:
    """Empty when the API at a URL is ready, or what is in the way."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=ssl._create_unverified_context()):
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode()[-1000:]
    except OSError as error:
        return str(error)


# ---- playbooks


@dataclass
class Played:
    """A playbook that has ended."""

    status: int
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        lines = self.output.rpartition("PLAY RECAP")[2].splitlines()[1:]
        split = [line.split(":", 1) for line in lines if " ok=" in line]
        return {host.strip(): {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in split}

    @property
    def changed(self) -> dict[str, int]:
        return {host: counts["changed"] for host, counts in self.recap.items() if counts["changed"]}

    @property
    def message(self) -> str:
        """What it failed with."""
        found = re.findall(r"\[ERROR\]: (?:Task failed: (?:Action|Module) failed: )?(.*?)\nOrigin:", self.output, re.S)
        return "\n".join(found)


# Seconds within which the workers of a playbook that was killed end by themselves.
WORKERS_END = 120


class Playing:
    """A playbook that runs, in a session of its own, so that it can be killed with all that it has started."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._said = Spool()
        # Open for as long as the playbook or a worker of it lives.
        self._alive, alive = os.pipe()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._said.file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(alive,),
        )
        os.close(alive)

    def said(self) -> str:
        return self._said.read()

    def runs(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Stop it, or let it go on, with all that it has started."""
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self._process.wait()
        # Its workers are in sessions of their own. The cluster is theirs until they end.
        assert select.select([self._alive], [], [], WORKERS_END)[0], "a worker of a killed playbook does not end"

    def end(self) -> Played:
        """Wait for its end."""
        self._process.wait()
        return Played(self._process.returncode, self.said())


class Spool:
    """What a process says, to be read at any time, and however much it is."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile("w+")  # noqa: SIM115

    def read(self) -> str:
        with open(f"/proc/self/fd/{self.file.fileno()}") as stream:
            return stream.read()


class Playbooks:
    """The collection's playbooks on the nodes under test."""

    def __init__(self, cluster) -> None:
        self.cluster = cluster

    def start(self, name: str, *options: str, inventory: Path | None = None, **environment: str) -> Playing:
        playbook = str(Path(sys.executable).with_name("ansible-playbook"))
        where = str(inventory or self.cluster.inventory.resolve())
        return Playing([playbook, f"playbooks/{name}", "-i", where, *options], environment)

    def run(self, name: str, *options: str, **more) -> Played:
        played = self.start(name, *options, **more).end()
        assert "Traceback (most recent call last)" not in played.output, played.output[-4000:]
        return played

    def succeed(self, name: str, *options: str, **more) -> Played:
        played = self.run(name, *options, **more)
        assert played.status == 0, played.output[-4000:]
        return played

    def change_nothing(self) -> None:
        """A run of site.yml that finds nothing to do."""
        assert self.succeed("site.yml").changed == {}


# ---- a machine that joins by a token


RUNNING = "systemctl list-units --plain --no-legend 'k3a-*'; pgrep --list-full --full '[/]var/lib/k3a/' || true"


class Outsider:
    """A machine that no inventory of the cluster names."""

    def __init__(self, cluster, playbooks, directory) -> None:
        self.cluster = cluster
        self.playbooks = playbooks
        self.name = cluster.agents[-1]
        self.url = f"https://{cluster.addresses[cluster.servers[-1]]}:6443"
        self._directory = directory
        self._inventory = directory / "hosts"
        keep = cluster.inventory.read_text().partition("[all:vars]")
        self._inventory.write_text(f"{self.name} ansible_host={cluster.addresses[self.name]}\n\n{keep[1]}{keep[2]}")

    def join(self, token: str, *options: str, **variables: object):
        """Run the playbook as on a machine of its own; the token is in a file, as it should be."""
        path = self._directory / "variables.json"
        path.touch(0o600)
        path.write_text(json.dumps({"join_hosts": "all", "k3a_server_url": self.url, "k3a_token": token, **variables}))
        return self.playbooks.run("join.yml", "-e", f"@{path}", *options, inventory=self._inventory)

    def leave(self) -> None:
        """Become a machine with nothing of ours on it."""
        self.playbooks.succeed("reset.yml", "-e", "join_hosts=all", "-e", "k3a_reset=yes", inventory=self._inventory)
        assert self.running() == ""

    def running(self) -> str:
        return self.cluster.feed(self.name, "", "sh", "-c", RUNNING)


# ---- clients that write


@dataclass
class Writings:
    """What a writer has said."""

    acknowledged: dict[int, int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def gap(self) -> float:
        """Seconds between two acknowledged writes, at most; its begin and its end count as such."""
        return max((after - before for before, after in zip(self.times, self.times[1:], strict=False)), default=0.0)

    def __str__(self) -> str:
        reasons = Counter(re.sub(r"\d+", "N", failure) for failure in self.failures).most_common(3)
        return f"{len(self.acknowledged)} writes, longest gap {self.gap:.2f} s, {len(self.failures)} failed {reasons}"


class Writer:
    """A client that writes all the time: on a node, through the node's load balancer, or here, to a server."""

    def __init__(self, cluster, node: str, namespace: str, timeout: float, period: float) -> None:
        if node == HERE:
            command, host, port = [sys.executable, "-c", WRITER], cluster.addresses[cluster.servers[0]], 6443
        else:
            command, host, port = cluster.ssh(node, f"sudo python3 -c {shlex.quote(WRITER)}"), "127.0.0.1", 6444
        self.node = node
        self.timeout = timeout
        self.namespace = namespace
        self._said = Spool()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._said.file,
            stderr=subprocess.PIPE,
            text=True,
        )
        given = {"namespace": namespace, "timeout": timeout, "period": period, "host": host, "port": port}
        given |= administrator(cluster)
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()

    def writings(self) -> Writings:
        """What became of its writes so far."""
        found = Writings()
        for line in self._said.read().splitlines(keepends=True):
            if line.endswith("\n"):
                what, number, at, detail = json.loads(line)
                if what == "failed":
                    found.failures.append(detail)
                    continue
                found.times.append(at)
                if what == "written":
                    found.acknowledged[number] = detail
        return found

    def stop(self) -> Writings:
        """End it; what it has said in all."""
        _output, errors = self._process.communicate(timeout=self.timeout + 30)
        assert self._process.returncode == 0, errors
        return self.writings()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def administrator(cluster) -> dict[str, str]:
    """What proves an administrator, from the kubeconfig on the controller."""
    config = yaml.safe_load((cluster.directory / "kubeconfig").read_text())
    user, server = config["users"][0]["user"], config["clusters"][0]["cluster"]
    encoded = {
        "authority": server["certificate-authority-data"],
        "certificate": user["client-certificate-data"],
        "key": user["client-key-data"],
    }
    return {name: base64.b64decode(value).decode() for name, value in encoded.items()}


class Writing:
    """Clients that write at once, each on a node of its own and with a patience of its own."""

    def __init__(
        self,
        cluster,
        servers: Servers,
        wait: Callable,
        tell: Callable[[str], None],
        clients: dict[str, float],
        period: float = PERIOD,
    ) -> None:
        self._servers = servers
        self._wait = wait
        self._tell = tell
        self.result: dict[str, Writings] = {}
        self._namespaces = [f"writer-{int(time.time())}-{number}" for number, _client in enumerate(clients, 1)]
        for namespace in self._namespaces:
            cluster.kubectl("create", "namespace", namespace)
        pairs = zip(clients.items(), self._namespaces, strict=True)
        self._writers = [Writer(cluster, node, namespace, timeout, period) for (node, timeout), namespace in pairs]

    def go_on(self, writes: int = 20, timeout: float = 60) -> None:
        """Until each has written so much more."""
        before = {writer: len(writer.writings().acknowledged) for writer in self._writers}

        def written():
            now = {writer: writer.writings() for writer in self._writers}
            enough = all(len(now[writer].acknowledged) >= before[writer] + writes for writer in self._writers)
            return enough, [str(found) for found in now.values()]

        self._wait(written, f"{writes} more writes", timeout)

    def stop(self) -> None:
        """End them, and check that nothing they were promised is lost."""
        self.result = {writer.node: writer.stop() for writer in self._writers}
        for writer in self._writers:
            found = self.result[writer.node]
            self._tell(f"{writer.node}, gives up after {writer.timeout:.0f} s: {found}")
            self._count(writer, found)

    def count(self) -> None:
        """Check that nothing they were promised until now is lost, while they go on."""
        for writer in self._writers:
            self._count(writer, writer.writings())

    def _count(self, writer: Writer, found: Writings) -> None:
        """Compare what a client was promised with what there is."""
        listed = self._servers.get(
            self._servers.names[0], "configmaps", "--selector=k3a-test=writer", "-n", writer.namespace
        )
        versions = {int(c["data"]["i"]): int(c["metadata"]["resourceVersion"]) for c in listed["items"]}
        lost = {i: rv for i, rv in found.acknowledged.items() if versions.get(i) != rv}
        assert lost == {}, f"{writer.node}: acknowledged and lost"
        order = list(found.acknowledged.values())
        assert order == sorted(set(order)), f"{writer.node}: a resourceVersion went back"

    def clean(self) -> None:
        for writer in self._writers:
            writer.kill()
        server = next(name for name in self._servers.names if not self._servers.answers(name))
        self._servers.cluster.feed(
            server, "", "kubectl", "delete", "namespace", "--wait=false", "--ignore-not-found", *self._namespaces
        )


@contextlib.contextmanager
def begun(cluster, servers: Servers, wait: Callable, tell: Callable[[str], None], clients: dict[str, float], **more):
    """Clients that have begun to write, of whom nothing is left."""
    writing = Writing(cluster, servers, wait, tell, clients, **more)
    try:
        writing.go_on()
        yield writing
    finally:
        writing.clean()
