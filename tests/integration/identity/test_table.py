# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each cell of the table (table.py), while a client writes and counts: carried through, or refused before any change.

By default those that CI runs; with K3A_TEST_CELLS=all every one that the set of nodes has the hosts for.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from servers import HERE, Playbooks, Played, begun

_SPEC = importlib.util.spec_from_file_location("table", Path(__file__).with_name("table.py"))
table = importlib.util.module_from_spec(_SPEC)
sys.modules["table"] = table
_SPEC.loader.exec_module(table)

EVERY = os.environ.get("K3A_TEST_CELLS") == "all"
FINGERPRINT = Path(__file__).with_name("fingerprint.py").read_text()
IN_THE_WAY = "One thing is in the way, and nothing has been changed. "
# Seconds from write to write: there are many runs, and what is written is counted after each.
PERIOD = 0.2


def pytest_generate_tests(metafunc):
    """The cells for which the set of nodes has the hosts."""
    if "cell" in metafunc.fixturenames:
        inventory = str(Path(os.environ["K3A_TEST_SET"]) / "hosts")
        groups = InventoryManager(DataLoader(), sources=[inventory]).get_groups_dict()
        columns = {table.THREE} if len(groups["server"]) > 1 else {table.ONE, table.AGENT}
        if len(groups["server"]) == 1 and len(groups["agent"]) > 1:
            columns.add(table.JOINED)
        chosen = [cell for cell in table.cells() if cell.column in columns and (EVERY or cell.case.in_ci)]
        metafunc.parametrize("cell", chosen, ids=str)


class Bench:
    """The cluster, the clients that write to it, and what the cells are tried with."""

    def __init__(self, cluster, servers, playbooks: Playbooks, writing, wait, directory: Path) -> None:
        self.cluster = cluster
        self.servers = servers
        self.playbooks = playbooks
        self.writing = writing
        self._wait = wait
        self._directory = directory
        # It lies where the inventory does: the operator's kubeconfig is looked for beside it.
        self._inventory = cluster.directory.resolve() / "hosts-of-the-cell"

    # ---- the state

    def host(self, cell) -> str:
        """The host of a cell; of three servers the first, which founded the cluster."""
        if cell.column == table.AGENT:
            return self.cluster.agents[0]
        return self.cluster.agents[-1] if cell.column == table.JOINED else self.cluster.servers[0]

    def names(self, host: str) -> dict[str, str]:
        """What stands in braces in the table."""
        address = self.cluster.addresses[host]
        network, _dot, number = address.rpartition(".")
        return {
            "host": host,
            "servers": ", ".join(self.cluster.servers),
            "ip": address,
            "other_ip": f"{network}.{int(number) + 100}",
            "kubeconfig": str(self.cluster.directory.resolve() / "kubeconfig"),
        }

    def enter(self, cell, host: str) -> None:
        for number, command in enumerate(cell.case.state.enter):
            if number:
                self.wait_until_whole()
                self.writing.go_on(10)
            self.cluster.feed(host, "", "sh", "-ec", self.filled(command, host))

    def leave(self, cell, host: str) -> None:
        """Put back what was done to the host, until the cluster is as it was."""
        if cell.case.state.leave:
            self.cluster.feed(host, "", "sh", "-c", self.filled(cell.case.state.leave, host))

    def filled(self, text: str, host: str) -> str:
        for name, value in self.names(host).items():
            text = text.replace(f"{{{name}}}", value)
        return text

    # ---- the run

    def inventory(self, cell, host: str) -> Path:
        """The inventory of a cell, with the state's variables of its host, without it, or the other way round."""
        state = cell.case.state
        groups = {"server": list(self.cluster.servers), "agent": list(self.cluster.agents)}
        if cell.column == table.JOINED:
            groups = {"ungrouped": [host]}
        given = "".join(f" {name}={self.filled(value, host)}" for name, value in state.host_variables.items())
        lines = []
        for group, hosts in groups.items():
            lines.append(f"[{group}]")
            for name in reversed(hosts) if state.reversed else hosts:
                if not (state.dropped and name == host):
                    lines.append(f"{name} ansible_host={self.cluster.addresses[name]}{given if name == host else ''}")
        keep = self.cluster.inventory.read_text().partition("[all:vars]")
        self._inventory.write_text("\n".join(lines) + f"\n\n{keep[1]}{keep[2]}")
        return self._inventory

    def started(self, cell, host: str):
        """The run of a cell, which has begun."""
        given = dict(cell.case.state.variables)
        if cell.column == table.JOINED:
            given |= {"join_hosts": "all", "k3a_server_url": self.url()}
        playbook = "join.yml" if cell.column == table.JOINED else "site.yml"
        return self.playbooks.start(playbook, "-e", json.dumps(given), inventory=self.inventory(cell, host))

    def url(self) -> str:
        return f"https://{self.cluster.addresses[self.cluster.servers[0]]}:6443"

    def played(self, cell, host: str) -> Played:
        """What became of the run of a cell."""
        with contextlib.ExitStack() as meanwhile:
            if cell.case.state.foreign_kubeconfig:
                meanwhile.enter_context(self.foreign_kubeconfig())
            if cell.case.state.second:
                meanwhile.enter_context(self.holding_the_lock())
            played = self.started(cell, host).end()
        assert "Traceback (most recent call last)" not in played.output, played.output[-4000:]
        return played

    @contextlib.contextmanager
    def foreign_kubeconfig(self) -> Iterator[None]:
        """Another cluster's kubeconfig is where the operator's is."""
        path = self.cluster.directory / "kubeconfig"
        ours = path.read_text()
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"]
        made = subprocess.run(
            ["openssl", "req", "-x509", *key, "-subj", "/CN=another"], check=True, capture_output=True
        ).stdout
        content = yaml.safe_load(ours)
        content["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(made).decode()
        path.write_text(yaml.safe_dump(content))
        foreign = path.read_text()
        try:
            yield
            assert path.read_text() == foreign, "the other cluster's kubeconfig was written over"
        finally:
            path.write_text(ours)

    @contextlib.contextmanager
    def holding_the_lock(self) -> Iterator[None]:
        """Another controller's run is under way, stopped as soon as it holds the lock; it ends well afterwards."""
        first = self.playbooks.start("site.yml")
        try:

            def holds():
                said = first.said()
                return "[Preflight: check each host]" in said, said[-1000:]

            self._wait(holds, "the first run holds the lock", 60)
            first.signal(signal.SIGSTOP)
            yield
            first.signal(signal.SIGCONT)
            played = first.end()
            assert (played.status, played.changed) == (0, {}), played.output[-4000:]
        finally:
            first.kill()

    def put_back(self, cell, host: str) -> None:
        """Have what was carried through carried back, by a run that says so where it has to be said."""
        back = cell.case.state.back
        for variables in [back, {}] if back else [{}]:
            played = self.run_with(cell, host, variables)
            assert played.status == 0, played.output[-4000:]

    def change_nothing(self, cell, host: str) -> None:
        """The run as it was before the state finds nothing to do."""
        played = self.run_with(cell, host, {})
        assert (played.status, played.changed) == (0, {}), played.output[-4000:]

    def run_with(self, cell, host: str, host_variables: Mapping[str, str]) -> Played:
        """The run without the state, with other variables of the host."""
        state = table.State(host_variables=host_variables)
        return self.played(replace(cell, case=replace(cell.case, state=state)), host)

    # ---- what to compare

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """What a run could change, node by node."""
        nodes = self.cluster.nodes
        with ThreadPoolExecutor() as threads:
            found = threads.map(lambda node: self.cluster.feed(node, "", "python3", "-c", FINGERPRINT), nodes)
        return dict(zip(nodes, map(json.loads, found), strict=True))

    def wait_until_whole(self) -> None:
        self.servers.wait_until_whole()


@pytest.fixture(scope="module")
def bench(cluster, servers, playbooks, wait, tmp_path_factory):
    """One client writes through all cells: by a load balancer where there is one, so that it leaves ill servers."""
    servers.wait_until_whole()
    balanced = [*cluster.agents[:1], *cluster.servers[1:]]
    with begun(cluster, servers, wait, print, {next(iter(balanced), HERE): 10.0}, period=PERIOD) as writing:
        yield Bench(cluster, servers, playbooks, writing, wait, tmp_path_factory.mktemp("identity"))
        writing.stop()


@pytest.fixture
def joined(request, cell):
    """The machine that joins by a token is one, once its column begins."""
    if cell.column == table.JOINED:
        outsider = request.getfixturevalue("outsider")
        if not outsider.running():
            played = outsider.join(request.getfixturevalue("token"))
            assert played.status == 0, played.output[-4000:]


def difference(before: dict, after: dict) -> dict:
    """What is not as it was, node by node."""
    return {
        node: {
            path: (old.get(path), after[node].get(path))
            for path in old.keys() | after[node].keys()
            if old.get(path) != after[node].get(path)
        }
        for node, old in before.items()
        if old != after[node]
    }


def check_refused(outcome, host: str, bench: Bench, played: Played) -> None:
    """One sentence, and nothing changed."""
    assert played.changed == {}, played.output[-4000:]
    assert played.status != 0, played.output[-4000:]
    told = bench.filled(outcome.sentence, host)
    begins = IN_THE_WAY
    if outcome.leaves_out:
        told, begins = told.removeprefix(f"{host}: "), f"{host} is left out of this run: "
    sentence = ".+".join(re.escape(part) for part in re.split("<[^>]+>", told))
    message = " ".join(played.message.split())
    assert re.fullmatch(rf"(?:{re.escape(begins)})?{sentence}", message), message


def test_cell(cell, joined, bench, tell):
    host, outcome = bench.host(cell), cell.case.outcome
    start = time.monotonic()
    bench.enter(cell, host)
    before = bench.fingerprints()
    began = time.monotonic()
    try:
        played = bench.played(cell, host)
        took = time.monotonic() - began
        after = bench.fingerprints()
        if isinstance(outcome, table.Refused):
            check_refused(outcome, host, bench, played)
            assert difference(before, after) == {}
        else:
            assert played.status == 0, played.output[-4000:]
            assert bool(played.changed) == outcome.changes, played.output[-4000:]
            bench.writing.count()
            bench.put_back(cell, host)
    finally:
        bench.leave(cell, host)
    if cell.case.state.stops or isinstance(outcome, table.Carried):
        bench.wait_until_whole()
    bench.writing.go_on(5)
    bench.writing.count()
    tell(f"{cell}: {type(outcome).__name__.lower()} in {took:.0f} s, {time.monotonic() - start:.0f} s in all")
    if EVERY:
        bench.change_nothing(cell, host)


def test_afterwards_nothing_differs(bench, playbooks):
    if EVERY:
        pytest.skip("each cell ends so")
    playbooks.change_nothing()
