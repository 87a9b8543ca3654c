# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable has an effect on what runs: the table (rows.py), asked in rounds that have its values, and others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

# Modules of the tests are loaded by their paths, so those beside this one are found only if it says where they are.
sys.path.append(str(Path(__file__).parent))

import rows  # noqa: E402
from questions import AGENT, CONTROLLER, SERVER, Question  # noqa: E402

# Seconds until something that runs has to have heard of a value, and until it has to have forgotten one.
HEARD, FORGOTTEN = 60, 20
DEFAULTS = {
    "k3a_data_dir": "/var/lib/k3a",
    "k3a_https_listen_port": 6443,
    "k3a_cluster_dns": "10.43.0.10",
    "k3a_write_kubeconfig": "/etc/k3a/k3a.yaml",
    "k3a_kubeconfig": "<round>/kubeconfig",
}


class Bench:
    """The two hosts, brought from round to round."""

    def __init__(self, cluster, playbooks) -> None:
        self.cluster = cluster
        self.playbooks = playbooks
        self.hosts = {SERVER: cluster.servers[0], AGENT: cluster.agents[0]}
        self.facts: dict[str, str] = {}
        self._entered = ""
        self._failed: set[str] = set()

    def enter(self, name: str) -> None:
        """Have site.yml run with the values of a round, once."""
        if name in self._failed:
            pytest.fail(f"the run of the round {name} failed")
        if name == self._entered:
            return
        self._entered = name
        self._failed.add(name)
        self.facts = self._facts(name)
        for host, script in rows.PREPARED[name].items():
            self.cluster.feed(self.hosts[host], "", "sh", "-ec", self.filled(script))
        self._write_inventory(name)
        self.play("site.yml", {})
        self.facts |= self._nodes()
        self._failed.remove(name)

    def play(self, playbook: str, variables: dict[str, Any], succeeds: bool = True) -> str:
        """Run a playbook with the round's inventory; what it has shown, on one line."""
        given = Path(self.facts["round"]) / "variables.json"
        given.write_text(json.dumps(self.filled(variables)))
        inventory = Path(self.facts["round"]) / "hosts"
        played = self.playbooks.run(playbook, "-e", f"@{given}", inventory=inventory)
        assert (played.status == 0) == succeeds, played.output[-4000:]
        return " ".join(played.output.split())

    def ask(self, question) -> Any:
        """The answer to a question; one that cannot be asked is answered by what is in the way."""
        script = self.filled(question.script)
        if question.where == CONTROLLER:
            command = ["sh", "-c", script]
        else:
            command = self.cluster.ssh(self.hosts[question.where], "sudo sh -s")
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        try:
            return question.read(done.stdout)
        except (ValueError, LookupError, TypeError) as error:
            return f"no answer: {error!r} of {done.stdout[-500:]!r} {done.stderr[-500:]!r}"

    def filled(self, value: Any) -> Any:
        """A value of the table with what is known of the hosts."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if not isinstance(value, str):
            return value
        return re.sub(r"<(\w+)>", lambda name: self.facts.get(name[1], name[0]), value)

    def _facts(self, name: str) -> dict[str, str]:
        """What the names in angle brackets stand for in a round, but for the names of its nodes."""
        directory = self.cluster.directory.resolve() / f"round-{name}"
        facts = {"name": name, "round": str(directory)}
        for host, inventory_name in self.hosts.items():
            address = self.cluster.addresses[inventory_name]
            network, _dot, number = address.rpartition(".")
            facts |= {host: address, f"{host}_number": number}
            facts[f"{host}_second"] = f"{network}.{int(number) + 100}"
            facts[f"{host}_third"] = f"{network}.{int(number) + 150}"
        values = {**DEFAULTS, **in_force(name)}
        facts |= {
            "data_dir": values["k3a_data_dir"],
            "port": str(values["k3a_https_listen_port"]),
            "dns": values["k3a_cluster_dns"],
            "server_file": values["k3a_write_kubeconfig"],
            "kubectl": f"kubectl --kubeconfig={values['k3a_write_kubeconfig']}",
            "kubeconfig": values["k3a_kubeconfig"].replace("<round>", str(directory)),
            "server_ip": facts["server_third" if name == rows.OTHERS else "server_second"],
        }
        return facts

    def _nodes(self) -> dict[str, str]:
        """The names that the hosts have as nodes."""
        given = in_force(self.facts["name"]).get("k3a_node_name")
        if given:
            return {"server_node": given.server, "agent_node": given.agent}
        listed = Question(SERVER, "<kubectl> get nodes --output=name", None, str.split)
        (agent,) = self.ask(listed)
        return {"agent_node": agent.removeprefix("node/")}

    def _write_inventory(self, name: str) -> None:
        """The inventory of a round, with the values of its variables beside it."""
        directory = Path(self.facts["round"])
        (directory / "group_vars").mkdir(parents=True, exist_ok=True)
        (directory / "host_vars").mkdir(exist_ok=True)
        (directory / "hosts").write_text(self.cluster.inventory.read_text())
        values = in_force(name)
        common = {variable: value for variable, value in values.items() if not isinstance(value, rows.On)}
        (directory / "group_vars/all.json").write_text(json.dumps(self.filled(common)))
        for host in self.hosts:
            own = {v: getattr(value, host) for v, value in values.items() if isinstance(value, rows.On)}
            (directory / f"host_vars/{self.hosts[host]}.json").write_text(json.dumps(self.filled(own)))
        for path, content in rows.FILES.items():
            (directory / path).parent.mkdir(exist_ok=True)
            (directory / path).write_text(self.filled(content))


def in_force(name: str) -> dict[str, Any]:
    """The variables of a round with their values."""
    return {row.variable: row.value for row in rows.ROWS if name in row.rounds}


@pytest.fixture(scope="session")
def bench(cluster, playbooks) -> Bench:
    return Bench(cluster, playbooks)


def cases():
    """Round by round what is asked, and then what is run."""
    for name in rows.ROUNDS:
        for row in rows.ROWS:
            what = "has" if name in row.rounds else "without"
            yield pytest.param(name, row, id=f"{name}:{what}:{row.variable}:{row.rounds[0]}")
        for number, run in enumerate([run for run in rows.RUNS if run.round == name], 1):
            yield pytest.param(name, run, id=f"{name}:run:{number}:{run.playbook}")


@pytest.mark.parametrize("name, case", cases())
def test_options(bench, name, case):
    bench.enter(name)
    if isinstance(case, rows.Run):
        carry_out(bench, case)
    elif name in case.rounds:
        for question in case.questions:
            answered(bench, question, True, HEARD)
    else:
        for question in case.questions:
            answered(bench, question, False, FORGOTTEN)


def carry_out(bench: Bench, run) -> None:
    if run.before:
        bench.ask(Question(SERVER, run.before, None))
    shown = bench.play(run.playbook, run.variables, run.succeeds)
    assert run.says in shown, shown[-3000:]
    for question in run.questions:
        answered(bench, question, True, HEARD)


def answered(bench: Bench, question, as_expected: bool, timeout: float) -> None:
    """A question is answered as its value wants, or otherwise where the variable has another value."""
    expected = bench.filled(question.expected)
    deadline = time.monotonic() + timeout
    while True:
        found = bench.ask(question)
        if (found == expected) == as_expected:
            return
        wanted = repr(expected) if as_expected else f"anything but {expected!r}"
        assert time.monotonic() < deadline, f"{bench.filled(question.script)}\nsays {found!r}, and was to say {wanted}"
        time.sleep(1)
