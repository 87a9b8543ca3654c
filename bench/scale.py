#!/usr/bin/env python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a no-op site.yml costs the controller over more and more hosts (`make bench-scale`).

The hosts exist as answers only (tests/unit/recorded_cluster.py, connection_plugins/recording.py): three servers, the
rest agents, all as they should be. So the CPU-seconds are those of ansible-playbook and its workers, without ssh, and
no root, node or bundle is needed. A play of two pings over the same hosts in the same run is the measure: ratios can be
compared between machines, CPU-seconds cannot. Tasks that visit a host and module runs on it are exact.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import ROOT, play, table

sys.path.insert(0, str(ROOT / ".venv/collections"))

from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import RecordedCluster
from ansible_collections.k3a.cluster.tests.unit.recording import environment

PINGS = str(ROOT / "bench/two_pings.yml")
SIZES = (10, 50, 200, 1000)
SERVERS = 3
FORKS = 20
COSTLIEST = 8
# What the project aims at: times the two pings at a size, times linear between two sizes, tasks that visit a host.
AIM_RATIO = (200, 4.0)
AIM_GROWTH = (200, 1000, 1.3)
AIM_VISITS = 4


@dataclass(frozen=True)
class Scaled:
    """The CPU-seconds of both plays over so many hosts, and what site.yml did on a server and on an agent at most.

    The server is not one of those that speak for all, which tasks that run once visit, too.
    """

    hosts: int
    pings: float
    site: float
    visits: Mapping[str, int]
    runs: Mapping[str, int]
    tasks: Sequence[tuple[str, float]]
    wall: float

    @property
    def ratio(self) -> float:
        return self.site / self.pings

    @property
    def per_host(self) -> float:
        return self.site / self.hosts


def measure(hosts: int, forks: int) -> Scaled:
    """Run both plays over so many hosts."""
    print(f"{hosts} hosts …", file=sys.stderr, flush=True)
    cluster = RecordedCluster(SERVERS, hosts - SERVERS)
    first = cluster.hosts[0].name
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        inventory = ("--inventory", str(cluster.write(directory)))
        report = directory / "report.json"
        given = environment(directory, forks=forks)
        _wall, pings = play(PINGS, *inventory, report=report, environment=given)
        wall, site = play("site.yml", *inventory, report=report, environment=given)
        found = json.loads(report.read_text())
    if any(found["changed"].values()):
        sys.exit(f"site.yml changed something on hosts that are as they should be: {found['changed']}")
    roles = {
        role: [host.name for host in cluster.hosts if host.server == (role == "server") and host.name != first]
        for role in ("server", "agent")
    }
    visits = {role: most(found["visits"].get(host, 0) for host in names) for role, names in roles.items()}
    runs = {role: most(len(found["runs"].get(host, [])) for host in names) for role, names in roles.items()}
    return Scaled(hosts, pings, site, visits, runs, found["tasks"], wall)


def most(counts: Iterable[int]) -> int:
    return max(counts, default=0)


def costs(measured: list[Scaled]) -> Iterator[str]:
    """A line a size."""
    head = ["hosts", "two pings CPU s", "site.yml CPU s", "ratio", "CPU s/host", "wall s"]
    head += ["visits/server", "visits/agent", "runs/server", "runs/agent"]
    rows = [
        [
            str(found.hosts),
            f"{found.pings:.1f}",
            f"{found.site:.1f}",
            f"{found.ratio:.2f}",
            f"{found.per_host:.3f}",
            f"{found.wall:.0f}",
            *map(str, (*found.visits.values(), *found.runs.values())),
        ]
        for found in measured
    ]
    return table([head, *rows])


def costliest(measured: list[Scaled]) -> Iterator[str]:
    """The tasks of site.yml that cost the most over the most hosts."""
    largest = max(measured, key=lambda found: found.hosts)
    rows = sorted(largest.tasks, key=lambda task: task[1], reverse=True)[:COSTLIEST]
    head = [f"task, over {largest.hosts} hosts", "CPU s", "of site.yml"]
    return table([head, *([name, f"{cpu:.1f}", f"{cpu / largest.site:.0%}"] for name, cpu in rows)])


def judgements(measured: list[Scaled]) -> Iterator[str]:
    """What was reached of the aims."""
    by_size = {found.hosts: found for found in measured}
    size, ratio = AIM_RATIO
    if size in by_size:
        yield f"over {size} hosts site.yml costs {by_size[size].ratio:.2f} times two pings (aim: at most {ratio:.0f})"
    small, large, growth = AIM_GROWTH
    if small in by_size and large in by_size:
        times = by_size[large].per_host / by_size[small].per_host
        yield f"from {small} to {large} hosts it grows {times:.2f} times linearly (aim: at most {growth})"
    visits = most(count for found in measured for count in found.visits.values())
    yield f"tasks that visit a host which does not differ: {visits} (aim: at most {AIM_VISITS})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES), help=f"numbers of hosts {SIZES}")
    parser.add_argument("--forks", type=int, default=FORKS, help="(%(default)s)")
    options = parser.parse_args()
    measured = [measure(hosts, options.forks) for hosts in options.sizes]
    for lines in (costs(measured), costliest(measured), judgements(measured)):
        print(*lines, sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
