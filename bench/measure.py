#!/usr/bin/env python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What k3a costs, on test nodes that this script makes and removes (`make bench`, after `make bundle`).

For each way to use site.yml: wall time; CPU-seconds of the controller (ansible-playbook and all it starts) and of the
nodes (their control groups, the cluster's own work included); module runs on a server and on an agent, where everything
that executes on the host counts. Then the memory of every unit at rest: its control group's usage less inactive file.

Times depend on the machine and on what else it does, so nothing here judges them: compare the lines of one run with
each other. Counts and changes are exact; when a run that should be a no-op is none, the script says so and fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
CGROUPS = Path("/sys/fs/cgroup")
# What the project aims at, of a no-op run on a server and an agent.
AIM_RUNS = {"server": 18, "agent": 10}
AIM_MEMORY = {"server": 350, "agent": 100}
AIM_GROWTH = 1.5
SETTLED = 60
NO_OP, AGENT_MORE, SERVERS_MORE = "no-op run", "no-op run with an agent more", "no-op run with two servers more"


@dataclass(frozen=True)
class Measured:
    """One run of a playbook."""

    name: str
    wall: float
    controller: float
    nodes: float
    runs: dict[str, int]
    changed: int


@dataclass(frozen=True)
class NodeSet:
    """A set of test nodes, and the variables that playbooks are given."""

    name: str
    variables: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """Where its inventory is."""
        return ROOT / "build" / self.name

    def make(self, servers: int, agents: int) -> None:
        """Make the nodes, or the missing ones."""
        self._play("test_nodes.yml", f"nodes_servers={servers}", f"nodes_agents={agents}")

    def remove(self) -> None:
        """Remove the nodes and all they left."""
        self._play("test_nodes_absent.yml")

    def _play(self, playbook: str, *variables: str) -> None:
        every = (f"nodes_name={self.name}", f"nodes_directory={self.directory}", *variables)
        play(playbook, *extra(*every))

    def containers(self) -> list[str]:
        """The nodes' names."""
        listed = output("podman", "ps", "--format", "{{.Names}}").split()
        return sorted(name for name in listed if name.startswith((f"{self.name}-server-", f"{self.name}-agent-")))

    def cpu(self) -> float:
        """CPU-seconds of all nodes since they were made."""
        return sum(cpu_seconds(cgroup_of(name)) for name in self.containers())

    def measure(self, name: str, playbook: str = "site.yml") -> Measured:
        """Run a playbook on the nodes and say what it cost."""
        print(f"{name} …", file=sys.stderr, flush=True)
        before = self.cpu()
        with tempfile.TemporaryDirectory() as directory:
            report = Path(directory) / "report.json"
            inventory = ("--inventory", str(self.directory / "hosts"))
            wall, controller = play(playbook, *inventory, *extra(*self.variables), report=report)
            found = json.loads(report.read_text())
        runs = {role: max_runs(found["runs"], f"{self.name}-{role}-") for role in AIM_RUNS}
        return Measured(name, wall, controller, self.cpu() - before, runs, sum(found["changed"].values()))


def play(
    playbook: str, *arguments: str, report: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[float, float]:
    """Run a playbook of the collection, or by its path; its wall time and the CPU-seconds of all its processes."""
    environment = {**(environment or os.environ), "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    if report:
        environment |= {
            "ANSIBLE_CALLBACK_PLUGINS": f"{ROOT}/bench/callback_plugins",
            "ANSIBLE_CALLBACKS_ENABLED": "module_runs",
            "K3A_BENCH_REPORT": str(report),
        }
    with tempfile.TemporaryFile("w+") as log:
        begin = time.monotonic()
        command = ["ansible-playbook", str(ROOT / "playbooks" / playbook), *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.exit(f"{log.read()}\n{' '.join(command)} failed")
    return wall, usage.ru_utime + usage.ru_stime


def extra(*variables: str) -> list[str]:
    """Variables as arguments."""
    return [part for variable in variables for part in ("--extra-vars", variable)]


def max_runs(runs: dict[str, list[str]], prefix: str) -> int:
    """The module runs of the busiest host of a role."""
    return max((len(modules) for host, modules in runs.items() if host.startswith(prefix)), default=0)


def output(*command: str) -> str:
    """Standard output of a command."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# ---- control groups, version 2 and 1


def cgroup_of(container: str) -> str:
    """A container's control group."""
    return (
        output("podman", "inspect", "--format", "{{.State.CgroupPath}}", container).strip().removesuffix("/init.scope")
    )


def controller_root(controller: str) -> Path:
    """Where a controller's control groups are: in version 1 each has a hierarchy of its own."""
    return CGROUPS / controller if (CGROUPS / controller).is_dir() else CGROUPS


def cpu_seconds(cgroup: str) -> float:
    """CPU-seconds of a control group and all below it."""
    directory = Path(f"{controller_root('cpuacct')}{cgroup}")
    if (directory / "cpuacct.usage").exists():
        return int((directory / "cpuacct.usage").read_text()) / 1e9
    return statistics(directory / "cpu.stat")["usage_usec"] / 1e6


def memory(directory: Path) -> int:
    """Bytes in use that are not file pages which nobody has used for a while."""
    stat = statistics(directory / "memory.stat")
    version1 = directory / "memory.usage_in_bytes"
    used = version1 if version1.exists() else directory / "memory.current"
    return int(used.read_text()) - (stat["total_inactive_file"] if used == version1 else stat["inactive_file"])


def statistics(path: Path) -> dict[str, int]:
    """A file of names and numbers."""
    return {name: int(number) for name, number in (line.split() for line in path.read_text().splitlines())}


def unit_memory(container: str) -> dict[str, float]:
    """MiB of each of our units and of the pods."""
    root = Path(f"{controller_root('memory')}{cgroup_of(container)}")
    groups = {path.name: path for path in sorted(root.glob("system.slice/k3a-*.service"))}
    groups["pods"] = root / "kubepods.slice"
    return {name: memory(path) / MIB for name, path in groups.items() if path.is_dir()}


# ---- what is printed


def table(rows: list[list[str]]) -> Iterator[str]:
    """Rows with their columns under each other; the first is text, the others are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


def runs_table(measured: list[Measured]) -> Iterator[str]:
    """The cost of each run."""
    head = ["run", "wall s", "controller CPU s", "nodes CPU s", "runs/server", "runs/agent", "changed"]
    rows = [
        [
            found.name,
            f"{found.wall:.1f}",
            f"{found.controller:.1f}",
            f"{found.nodes:.1f}",
            *(str(found.runs[role]) for role in AIM_RUNS),
            str(found.changed),
        ]
        for found in measured
    ]
    return table([head, *rows])


def memory_table(units: dict[str, dict[str, float]]) -> Iterator[str]:
    """The memory of each unit, a column a node."""
    names = sorted({name for found in units.values() for name in found})
    rows = [[name, *(f"{found[name]:.1f}" if name in found else "-" for found in units.values())] for name in names]
    total = ["total", *(f"{sum(found.values()):.1f}" for found in units.values())]
    return table([["MiB at rest", *units], *rows, total])


def ratios(measured: dict[str, Measured], units: dict[str, dict[str, float]]) -> Iterator[str]:
    """What can be compared on any machine."""
    shipped, staged, no_op = (
        measured[name] for name in ("first run, bundle on the controller", "first run, bundle staged", NO_OP)
    )
    yield f"a first run with the bundle staged takes {staged.wall / shipped.wall:.0%} of the time of one that ships it"
    yield f"a no-op run takes {no_op.wall / staged.wall:.0%} of the time of a first run with the bundle staged"
    agent_more, servers_more = measured[AGENT_MORE].wall, measured[SERVERS_MORE].wall
    added = f"an agent adds {agent_more - no_op.wall:.1f} s and a server {(servers_more - agent_more) / 2:.1f} s"
    yield f"to a no-op run {added} (aim: less than {AIM_GROWTH} s a host)"
    for role, aim in AIM_RUNS.items():
        yield f"module runs of a no-op on a {role}: {no_op.runs[role]} (aim: at most {aim})"
    for role, aim in AIM_MEMORY.items():
        most = max((sum(found.values()) for name, found in units.items() if f"-{role}-" in name), default=0)
        yield f"memory at rest of the largest {role}: {most:.0f} MiB (aim: at most {aim})"


def measure_all(nodes: NodeSet, servers: int, agents: int, settle: float) -> tuple[list[Measured], dict]:
    """Every run, on fresh nodes where that matters."""

    def fresh() -> None:
        nodes.remove()
        nodes.make(servers, agents)

    fresh()
    measured = [nodes.measure("first run, bundle on the controller")]
    fresh()
    measured.append(nodes.measure("staging the bundle", "stage.yml"))
    measured.append(nodes.measure("first run, bundle staged"))
    measured.append(nodes.measure(NO_OP))
    print(f"{settle:.0f} s of rest …", file=sys.stderr, flush=True)
    time.sleep(settle)
    units = {name: unit_memory(name) for name in nodes.containers()}
    nodes.make(servers, agents + 1)
    measured.append(nodes.measure("adding an agent"))
    measured.append(nodes.measure(AGENT_MORE))
    nodes.make(servers + 2, agents + 1)
    measured.append(nodes.measure("adding two servers"))
    measured.append(nodes.measure(SERVERS_MORE))
    measured.append(nodes.measure("removing everything", "reset.yml"))
    return measured, units


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="bench", help="name of the set of nodes (%(default)s)")
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument("--settle", type=float, default=SETTLED, help="seconds before memory is read (%(default)s)")
    parser.add_argument("--bundle", help="an existing bundle; by default the one that `make bundle` built")
    options = parser.parse_args()
    nodes = NodeSet(options.name, (f"k3a_bundle={options.bundle}",) if options.bundle else ())
    try:
        measured, units = measure_all(nodes, options.servers, options.agents, options.settle)
    finally:
        nodes.remove()
    by_name = {found.name: found for found in measured}
    for lines in (runs_table(measured), memory_table(units), ratios(by_name, units)):
        print(*lines, sep="\n", end="\n\n")
    if any(by_name[name].changed for name in (NO_OP, AGENT_MORE, SERVERS_MORE)):
        sys.exit("a second run of site.yml changed something")


if __name__ == "__main__":
    main()
