# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Keeps the lock of a cluster for as long as ansible-playbook lives, and gives it back when that has ended.

A task ends long before its playbook, and a playbook that fails or is killed runs no further task. So a process is
forked off the task, with its connection, into a session of its own. It watches ansible-playbook itself, holds none of
the files that were open, and prints nothing.
"""

from __future__ import annotations

import contextlib
import gc
import glob
import multiprocessing
import os
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ansible import context
from ansible.utils import display as displays
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lock import KEPT, LOST, UNLEASED
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lock_file import TTL
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.lock_status import Book, Status, now

PERIOD = TTL / 4
RETRY = TTL / 12
# An exchange that takes longer is given up; at the end there is nobody left to wait for it.
RENEW_LIMIT = 15.0
RELEASE_LIMIT = 5.0
ENDED_LIMIT = 2.0
# Workers of a playbook that was killed go on with their step; one that has not ended after so long hangs.
WORKERS_LIMIT = 900.0
FAILED = 100

# Runs "renew" or "release" on the server, and returns its exit status.
Command = Callable[[str], int]


class Process(NamedTuple):
    """A process of this or another controller; its number alone may be another's later.

    C(queue) is the pipe by which workers answer it, which it has in common with them alone: where there is /proc, a
    playbook that was killed has ended when none of them is left.
    """

    controller: str
    pid: int
    started: str
    queue: str = ""

    @property
    def identity(self) -> str:
        return "/".join((self.controller, str(self.pid), self.started, *([self.queue] if self.queue else [])))


def playbook() -> Process:
    """The ansible-playbook that this task belongs to: it forks a worker for each task."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid else os.getpid()
    return Process(controller(), pid, start_time(pid), queue())


def queue() -> str:
    """The number of the pipe by which this worker answers ansible-playbook, or nothing."""
    answers = displays.Display()._final_q
    return str(os.fstat(answers._writer.fileno()).st_ino) if answers is not None else ""


def has_workers(pipe: str) -> bool:
    """Whether a process has such a pipe open, as workers have that outlive the playbook, and can still do something."""
    link = f"pipe:[{pipe}]"
    for descriptor in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if os.readlink(descriptor) == link and not asks_in_vain(descriptor.split("/")[2]):
                return True
    return False


def asks_in_vain(pid: str) -> bool:
    """Whether a worker of a playbook that has ended waits for ever for an answer of that.

    ansible-core's workers ask their playbook by a socket of the Unix domain, at which they listen themselves, so that
    they do not notice that nobody answers. With hosts they speak by pipes and terminals.
    """
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/wchan").read_text() in ("unix_stream_read_generic", "unix_stream_data_wait")
    return False


def playbooks() -> Sequence[str]:
    """The playbooks of the command line."""
    return context.CLIARGS.get("args") or ()


def controller() -> str:
    """This controller since its boot; containers are controllers of their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{uuid.getnode():x}"


def start_time(pid: int) -> str:
    """When a process began, in whatever unit; empty when it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else fields[18]
    except (FileNotFoundError, ProcessLookupError):  # the latter when it ends between the opening and the reading
        if os.path.exists("/proc/self/stat"):
            return ""
    words = ["ps", "-o", "lstart=", "-p", str(pid)]
    answer = subprocess.run(words, check=False, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return "-".join(answer.stdout.split())


def is_hidden(pid: int) -> bool:
    """Whether there is such a process, and no more can be known: another user's, where /proc shows only one's own."""
    if not os.path.exists("/proc/self/stat") or os.access(f"/proc/{pid}/stat", os.R_OK):
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):  # there is none, or can be none
        return False
    return False


def is_dead(identity: str) -> bool:
    """Whether this was a process of this controller, and has ended with all of its workers."""
    where, _slash, process = identity.partition("/")
    if where != controller() or not _has_ended(process):
        return False
    pipe = process.split("/")[2:]
    return not (pipe and has_workers(pipe[0]))


def _has_ended(process: str) -> bool:
    pid, since = (*process.split("/"), "")[:2]
    return pid.isascii() and pid.isdigit() and not is_hidden(int(pid)) and start_time(int(pid)) != since


class Watch:
    """Waits for the end of a process that is no child, and of its workers."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._killed: float | None = None
        self._poll: select.poll | None = None
        # A kernel or a sandbox may know none, and a process that has ended has none: time is waited for then.
        with contextlib.suppress(OSError, AttributeError):
            poll = select.poll()
            poll.register(os.pidfd_open(process.pid), select.POLLIN)
            self._poll = poll

    def ended(self, timeout: float = 0.0) -> bool:
        """Whether the process has ended, at the latest after so many seconds."""
        deadline = time.monotonic() + timeout
        while not is_dead(self._process.identity):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._wait(left)
        return True

    @property
    def left_behind(self) -> float:
        """The seconds since workers are known to be all that is left."""
        return time.monotonic() - self._killed if self._killed is not None else 0.0

    def _wait(self, left: float) -> None:
        if self._poll is None:
            time.sleep(min(left, 1.0))
        elif self._poll.poll(left * 1000):
            self._poll = None
        if self._killed is None and start_time(self._process.pid) != self._process.started:
            self._killed = time.monotonic()


def start(process: Process, command: Command, book: Book) -> None:
    """Keep the lock from now on, in a process that is nobody's child."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            isolate()
            keep(Watch(process), command, book)
    finally:
        os._exit(0)  # nothing of what the task or ansible-playbook do at their ends is to happen here


def isolate() -> None:
    """Let go of everything that ansible-playbook, its worker or their callers would miss."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    # Objects that believe a descriptor to be theirs may close it some day: it must not have become another's by then.
    gc.freeze()
    null = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/dev/fd"):
        if int(name) != null:
            with contextlib.suppress(OSError):  # the one that listed the directory
                os.fstat(int(name))
                os.dup2(null, int(name), inheritable=int(name) <= 2)
    quiet = displays.Display()
    quiet.verbosity = 0
    quiet._final_q = None
    displays.logger = None


def keep(watch: Watch, command: Command, book: Book) -> None:
    """Renew the lock until the process has ended or the lock is another's, then release what is left of it.

    What workers hold that do not end expires by itself.

    What became of it is written into the book.
    """
    pause = PERIOD
    while not watch.ended(pause):
        if watch.left_behind > WORKERS_LIMIT:
            return
        asked = now()
        status = exchange(command, "renew", RENEW_LIMIT, watch)
        if status in (KEPT, UNLEASED):
            book.write(Status(asked, asked if status == KEPT else book.read().leased))
        elif status == LOST:
            book.write(replace(book.read(), lost=True))
            break
        pause = PERIOD if status in (KEPT, UNLEASED) else RETRY
    exchange(command, "release", RELEASE_LIMIT)


def exchange(command: Command, verb: str, limit: float, watch: Watch | None = None) -> int:
    """One run of a command on the server, in a process that can be given up: a connection may hang."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            os.setpgid(0, 0)
            status = command(verb)
        finally:
            os._exit(status)
    deadline = time.monotonic() + limit
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if watch is not None and watch.ended():
            deadline, watch = min(deadline, time.monotonic() + ENDED_LIMIT), None
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return FAILED
        time.sleep(0.05)
