# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what really runs on each host, and the tasks that visit it, and what each task costs.

A task is not a module run: an action plugin may run several modules, or none. Every one of them, facts included, goes
through ActionBase._execute_module in a worker that is forked from this process, so that is where they are counted.
A task visits a host when a worker is forked for it, even if only to find that its condition is not met.
A task costs the CPU-seconds of this process and of the workers that have ended, from its start to that of the next.
"""

from __future__ import annotations

import functools
import json
import os
import resource
from collections import Counter
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: module_runs
type: aggregate
short_description: Counts module runs and tasks by host, and CPU-seconds by task
description: Writes them, with the numbers of changes, to the file that the environment variable K3A_BENCH_REPORT names.
"""


class CallbackModule(CallbackBase):
    """Writes the report when the play ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_runs"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.report = Path(os.environ["K3A_BENCH_REPORT"])
        self.runs = self.report.with_suffix(".runs")
        self.runs.write_text("")
        self.visits: Counter[str] = Counter()
        self.starts: list[tuple[str, float]] = []
        count_into(self.runs)

    def v2_runner_on_start(self, host, task) -> None:
        self.visits[host.name] += 1

    def v2_playbook_on_task_start(self, task, is_conditional) -> None:
        self.starts.append((task.name or task.action, cpu_seconds()))

    def v2_playbook_on_stats(self, stats) -> None:
        ends = [*(cpu for _name, cpu in self.starts[1:]), cpu_seconds()]
        tasks = [(name, end - cpu) for (name, cpu), end in zip(self.starts, ends, strict=True)]
        runs: dict[str, list[str]] = {}
        for line in self.runs.read_text().splitlines():
            host, module = line.split("\t")
            runs.setdefault(host, []).append(module)
        changed = {host: stats.summarize(host)["changed"] for host in stats.processed}
        failed = [host for host in stats.processed if stats.summarize(host)["failures"] or host in stats.dark]
        found = {"runs": runs, "visits": self.visits, "changed": changed, "failed": failed, "tasks": tasks}
        self.report.write_text(json.dumps(found))


def cpu_seconds() -> float:
    """What this process and its workers have used so far."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def count_into(path: Path) -> None:
    """Have every module run add a line to a file: one write a line, so that workers do not disturb each other."""
    execute = ActionBase._execute_module

    @functools.wraps(execute)
    def counted(self, module_name=None, module_args=None, tmp=None, task_vars=None, **more):
        local = self._connection.transport == "local"
        host = "controller" if local else self._task.delegate_to or (task_vars or {})["inventory_hostname"]
        with open(path, "a", buffering=1) as lines:
            lines.write(f"{host}\t{module_name or self._task.action}\n")
        return execute(self, module_name, module_args, tmp, task_vars, **more)

    ActionBase._execute_module = counted
