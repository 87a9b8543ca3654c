# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The processes of a node: which of them are pods or programs of ours, which units run, and how both end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._engine import process as programs
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

POLL = 0.05
# What a unit gets to end by itself. Its data is about to go, so nothing is lost when it has to be killed.
GRACE = 3


class ResetError(K3aError):
    """Something does not go; the message says what, where and what to do."""


@dataclass(frozen=True)
class Process:
    """A process, its parent, its program and its network namespace."""

    pid: int
    parent: int
    program: str
    network: int


@dataclass(frozen=True)
class Unit:
    """A unit that systemd knows."""

    name: str
    active: str
    main_pid: int = 0
    slice: str = ""
    has_job: bool = False

    @property
    def running(self) -> bool:
        """Whether there is something to stop: an inactive unit that waits for another one starts when that one ends."""
        return self.active not in ("inactive", "failed") or self.has_job

    @property
    def of_pods(self) -> bool:
        """Whether it is a slice of pods, or the scope of a container in one."""
        return self.name.startswith("kubepods") or self.slice.startswith("kubepods")


def processes(proc: str = "/proc") -> list[Process]:
    """Every process of this host, less those that end while we look, and kernel threads."""
    found = []
    for name in filter(str.isdigit, os.listdir(proc)):
        with contextlib.suppress(OSError):
            with open(f"{proc}/{name}/stat", encoding="utf-8", errors="replace") as stream:
                parent = int(stream.read().rpartition(")")[2].split()[1])
            program = os.readlink(f"{proc}/{name}/exe")
            found.append(Process(int(name), parent, program, os.stat(f"{proc}/{name}/ns/net").st_ino))
    return found


def of_bundles(table: Iterable[Process], bundles: str, keep: Collection[int] = ()) -> list[Process]:
    """The processes that run a program of a bundle and all that they started: shims, and with them the pods.

    The main processes of units (keep) are systemd's to stop.
    """
    known = {process.pid: process for process in table}
    own_program = re.compile(rf"{re.escape(bundles)}/(files/)?[0-9a-f]{{64}}/")

    def ours(process: Process) -> bool:
        seen = set()
        while process.pid not in seen:
            seen.add(process.pid)
            if own_program.match(process.program) and process.pid not in keep:
                return True
            if process.parent not in known:
                return False
            process = known[process.parent]
        return False

    return [process for process in known.values() if process.pid not in keep and ours(process)]


def parse_units(shown: str) -> list[Unit]:
    """The units in the output of C(systemctl show), which has a block of properties for each."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in shown.split("\n\n")]
    return [
        Unit(
            block["Id"],
            block["ActiveState"],
            int(block.get("MainPID") or 0),
            block.get("Slice", ""),
            block.get("Job", "") not in ("", "0"),
        )
        for block in blocks
        if block.get("Id") and (block["LoadState"] != "not-found" or block["ActiveState"] != "inactive")
    ]


def units(*patterns: str) -> list[Unit]:
    """The units that systemd knows by these patterns, loaded or still running without a file."""
    properties = "--property=Id,LoadState,ActiveState,MainPID,Slice,Job"
    return parse_units(run("systemctl", "show", "--all", properties, *patterns, check=False))


def stop(wanted: Collection[str], timeout: float) -> None:
    """Stop units and keep them from coming back; kill what does not end by itself."""
    if not wanted:
        return
    run("systemctl", "disable", "--quiet", *wanted, check=False)
    run("systemctl", "stop", "--no-block", *wanted, check=False)
    begin = time.monotonic()
    killed = False
    while running := [unit.name for unit in units(*wanted) if unit.running]:
        waited = time.monotonic() - begin
        if waited >= timeout:
            raise ResetError(f"{running[0]} does not stop; see journalctl --unit={running[0]}, end it and run again")
        if waited >= GRACE and not killed:
            run("systemctl", "kill", "--signal=SIGKILL", *running, check=False)
            killed = True
        time.sleep(POLL)


def kill(bundles: str, keep: Collection[int], timeout: float) -> None:
    """Kill the pods, their shims and all else that runs a program of a bundle."""
    deadline = time.monotonic() + timeout
    while doomed := of_bundles(processes(), bundles, keep):
        if time.monotonic() >= deadline:
            last = doomed[0]
            raise ResetError(
                f"process {last.pid} ({last.program}) does not end, which a storage that does not answer can cause; "
                "mend that or reboot the host, and run again"
            )
        for process in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(POLL)


def run(*command: str, check: bool = True, text: str = "") -> str:
    """The output of a command of the host."""
    try:
        done = programs.run(command, given=text.encode())
    except FileNotFoundError:
        if check:
            raise ResetError(f"the host has no command {command[0]}; install it and run again") from None
        return ""
    if check and done.code != 0:
        raise ResetError(f"{' '.join(command)} failed: {done.complaint}")
    return done.text


def do(*command: str, text: str = "") -> None:
    """Run a command of the host for what it does."""
    run(*command, text=text)
