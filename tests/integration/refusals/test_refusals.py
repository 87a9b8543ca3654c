# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people get wrong is refused by the playbook that would install: all at once, each in a sentence of its own.

What they type and what hosts are like is data (inputs.yml). A run of site.yml gets many of these, on several hosts.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
SNAPSHOT = Path(__file__).parents[1].joinpath("snapshot_host.py").read_text()
LOCK = "/run/k3a-cluster.lock"

RUNS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("inputs.yml").read_text())
NAMES = ("first", "second", "third")
GROUPS = {"server": ["first"], "agent": ["second", "third"]}
FEWEST = 60
# How fast a disk is differs from one machine to the other, and from one minute to the next.
OF_THE_MACHINE = re.compile(r" to keep a small write, and etcd waits for each of its writes;")
# Where the bundle is, which the home of an operator has otherwise.
CACHE = {"K3A_CACHE": os.environ.get("K3A_CACHE") or str(Path.home() / ".cache/k3a")}
# A second name of a machine.
TWINS = {"twin": "third"}
FIRST_LINE = re.compile(r"(?:One thing is|(\d+) things are) in the way, and nothing has been changed\.")
SENTENCE = re.compile(r"[^:;]+: \S.*; \S.*[^.]|[^:]+: there is no variable \w+; .*\?")


class Told(NamedTuple):
    """A sentence that has to be told."""

    pattern: str
    is_warning: bool


def several(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else given or []


def groups_of(run: Mapping[str, Any]) -> dict[str, list[str]]:
    return run.get("groups", GROUPS)


def hosts_of(run: Mapping[str, Any]) -> list[str]:
    """The hosts of a run in the inventory's order."""
    return list(dict.fromkeys(host for hosts in groups_of(run).values() for host in hosts))


def whom(run: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Whom the sentence about an input names."""
    hosts = hosts_of(run) if given["of"] == "all" else groups_of(run).get(given["of"], [given["of"]])
    return given.get("whom", ", ".join(hosts))


def sentences(run: Mapping[str, Any], inputs: Iterable[Mapping[str, Any]]) -> list[Told]:
    """All that a run has to tell of these inputs."""
    return [
        Told(f"{whom(run, given)}: {text}", key == "warned")
        for given in inputs
        for key in ("told", "warned")
        for text in several(given.get(key))
    ]


class Outcome(NamedTuple):
    """What a run of site.yml said, and was to say, and what was there before and after it."""

    status: int
    output: str
    before: dict[str, Any]
    after: dict[str, Any]
    places: dict[str, str]
    wanted: list[Told]

    @property
    def errors(self) -> list[str]:
        """What it calls an error."""
        return re.findall(r"^\[ERROR\]: (?:Task failed: Action failed: )?(.*?)\nOrigin:", self.output, re.S | re.M)

    @property
    def message(self) -> list[str]:
        """The lines of the message that it ends with."""
        return self.errors[-1].splitlines()

    @property
    def warnings(self) -> list[str]:
        told = re.findall(r"^\[WARNING\]: (.*)$", self.output, re.M)
        return [line for line in told if not OF_THE_MACHINE.search(line)]

    def said(self, told: Told) -> list[str]:
        """The lines that are what had to be told."""
        pattern = told.pattern
        for name, place in self.places.items():
            pattern = pattern.replace(name, place)
        wanted = re.compile(".*".join(map(re.escape, pattern.split("…"))))
        return [line for line in (self.warnings if told.is_warning else self.message[1:]) if wanted.fullmatch(line)]


class Site:
    """site.yml as an operator runs it, from a directory of his own, with an inventory that has all that is wrong."""

    def __init__(self, cluster: Any, directory: Path) -> None:
        self.cluster = cluster
        self.nodes = dict(zip(NAMES, cluster.nodes, strict=True))
        self.home, self.directory = directory / "home", directory
        self.home.mkdir()
        self.known: dict[str, Any] = {}
        self.outcomes: dict[str, Outcome | Exception] = {}

    def outcome(self, name: str) -> Outcome:
        """What a run came to, which is done once."""
        if name not in self.outcomes:
            try:
                self.outcomes[name] = self._run(RUNS[name], self.directory / str(len(self.outcomes)))
            except (AssertionError, subprocess.SubprocessError) as error:
                self.outcomes[name] = error
        outcome = self.outcomes[name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def snapshots(self) -> dict[str, Any]:
        """All hosts as they are, and the controller."""
        with ThreadPoolExecutor() as threads:
            told = threads.map(lambda node: self.cluster.feed(node, SNAPSHOT, "python3", "-"), self.nodes.values())
        return {**dict(zip(self.nodes, map(json.loads, told), strict=True)), "controller": dict(self._files_here())}

    def _files_here(self) -> Iterator[tuple[str, str]]:
        """Where a run could leave something on the controller: its directories, and the collection's own."""
        own = [ROOT / name for name in ("meta", "playbooks", "plugins", "roles")]
        for path in (path for place in (self.directory, *own) for path in place.rglob("*")):
            # Ansible keeps there what it executes, and its connections.
            if path.is_file() and not {"__pycache__", ".ansible"}.intersection(path.parts):
                yield str(path), hashlib.sha256(path.read_bytes()).hexdigest()

    def _run(self, run: Mapping[str, Any], work: Path) -> Outcome:
        inputs = [given for given in run["inputs"] if self._is_tried(given)]
        self._write(run, inputs, work)
        has_changed = any("do" in given for given in inputs)
        try:
            self._on_hosts(inputs, "do")
            before = self.snapshots() if has_changed or not self.known else self.known
            before = {**before, "controller": dict(self._files_here())}
            done = subprocess.run(
                [
                    BIN / "ansible-playbook",
                    ROOT / "playbooks/site.yml",
                    "--inventory=inventory/hosts",
                    *run.get("arguments", []),
                ],
                cwd=work,
                env={**os.environ, "HOME": str(self.home), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **CACHE},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            self._wait_until_unlocked()
            after = self.snapshots()
        finally:
            self._on_hosts(inputs[::-1], "undo")
        self.known = {} if has_changed else after
        places = {"$work": str(work), "$home": str(self.home)}
        return Outcome(done.returncode, done.stdout + done.stderr, before, after, places, sentences(run, inputs))

    def _is_tried(self, given: Mapping[str, Any]) -> bool:
        ssh = self.cluster.ssh(self.nodes["first"], given.get("only_on", "true"))
        return "only_on" not in given or subprocess.run(ssh, check=False).returncode == 0

    def _on_hosts(self, inputs: list[dict[str, Any]], kind: str) -> None:
        """Have the hosts changed, or put back."""
        commands = {host: [given[kind] for given in inputs if given["of"] == host and kind in given] for host in NAMES}
        # What was not done cannot be undone: how the hosts are in the end tells whether all was.
        begin = "set -e" if kind == "do" else "set +e"
        scripts = {self.nodes[host]: "\n".join([begin, *own, "true"]) for host, own in commands.items() if own}
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._do, scripts, scripts.values()))

    def _do(self, node: str, script: str) -> None:
        ssh = self.cluster.ssh(node, "sudo sh -x")
        done = subprocess.run(ssh, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{node}: {done.stderr}"

    def _wait_until_unlocked(self) -> None:
        """The keeper of the lock ends after the playbook."""
        deadline = time.monotonic() + 60
        for node in self.nodes.values():
            while self.cluster.feed(node, "", "sh", "-c", f"ls {LOCK} 2>/dev/null || true"):
                assert time.monotonic() < deadline, f"{node} is still locked"
                time.sleep(0.2)

    def _write(self, run: Mapping[str, Any], inputs: list[dict[str, Any]], work: Path) -> None:
        """The inventory, and what else lies on the controller."""
        variables: dict[str, dict[str, Any]] = {"group_vars/all": {"k3a_strict": True}}
        lines = dict.fromkeys(hosts_of(run), "")
        for given in inputs:
            kind = "host_vars" if given["of"] in lines else "group_vars"
            known = variables.setdefault(f"{kind}/{given['of']}", {})
            twice = known.keys() & given.get("set", {}).keys()
            assert not twice, f"another input sets {twice}, too"
            known.update(given.get("set", {}))
            if "line" in given:
                lines[given["of"]] += f" {given['line']}"
        files = {path: text for given in inputs for path, text in given.get("files", {}).items()}
        files |= {
            f"inventory/{path}.yml": yaml.safe_dump(own, allow_unicode=True, sort_keys=False)
            for path, own in variables.items()
        }
        files["inventory/hosts"] = self._inventory(groups_of(run), lines)
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)

    def _inventory(self, groups: Mapping[str, list[str]], lines: Mapping[str, str]) -> str:
        address = {host: self.cluster.addresses[self.nodes[TWINS.get(host, host)]] for host in lines}
        written = [
            f"[{name}]\n" + "".join(f"{host} ansible_host={address[host]}{lines[host]}\n" for host in hosts)
            for name, hosts in groups.items()
        ]
        _hosts, header, settings = self.cluster.inventory.read_text().partition("[all:vars]")
        return "\n".join([*written, header + settings])


@pytest.fixture(scope="session")
def site(cluster, tmp_path_factory):
    return Site(cluster, tmp_path_factory.mktemp("refusals"))


@pytest.fixture(scope="session")
def empty(site):
    site.known = site.snapshots()
    return site.known


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What differs between two snapshots, by its path."""
    found = {}
    for key in sorted({*before, *after}):
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found |= {f"{key}: {inner}": value for inner, value in changes(one, other).items()}
        elif one != other:
            found[key] = (one, other)
    return found


def test_there_are_enough_inputs():
    refused = [given for run in RUNS.values() for given in run["inputs"] if given.get("told")]
    assert len(refused) >= FEWEST


@pytest.mark.parametrize("name", RUNS)
class TestRun:
    def test_is_refused(self, site, empty, name):
        outcome = site.outcome(name)
        assert outcome.status, outcome.output
        assert "Traceback" not in outcome.output
        assert len(outcome.errors) == 1, outcome.errors
        count = FIRST_LINE.fullmatch(outcome.message[0])
        assert count, outcome.message[0]
        assert int(count[1] or 1) == len(outcome.message) - 1

    def test_changes_nothing(self, site, empty, name):
        outcome = site.outcome(name)
        assert not re.search(r"changed=[1-9]", outcome.output)
        assert changes(outcome.before, outcome.after) == {}

    def test_tells_all_that_is_wrong_once_and_nothing_else(self, site, empty, name):
        outcome = site.outcome(name)
        lines = {told: outcome.said(told) for told in outcome.wanted}
        missing = [told.pattern for told, found in lines.items() if len(found) != 1]
        answered = Counter(line for found in lines.values() for line in found)
        others = [line for line in [*outcome.message[1:], *outcome.warnings] if not answered.pop(line, 0)]
        assert (missing, others) == ([], [])

    def test_speaks_in_sentences_of_one_form(self, site, empty, name):
        assert [line for line in site.outcome(name).message[1:] if not SENTENCE.fullmatch(line)] == []


def test_no_secret_is_told(site, empty):
    for name in RUNS:
        assert not re.search("canary0815|p@ss#word|0123456789abcdef|12345\\b|user:secret", site.outcome(name).output)


def test_the_hosts_are_as_they_came(site, empty):
    for name in RUNS:
        site.outcome(name)
    now = site.snapshots()
    assert {host: changes(empty[host], now[host]) for host in NAMES} == dict.fromkeys(NAMES, {})
