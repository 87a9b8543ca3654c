# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_keeper as keeper
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_status

PATIENCE = 20.0


@pytest.fixture
def playbook():
    """A process that stands for ansible-playbook."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def of(process):
    return keeper.Process(keeper.controller(), process.pid, keeper.start_time(process.pid))


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Book:
    """A command that writes down what it was asked, across processes."""

    def __init__(self, path, statuses=()):
        self.path, self.statuses = path, statuses
        path.touch()

    @property
    def told(self):
        return self.path.read_text().split()

    def __call__(self, verb):
        before = len(self.told)
        with self.path.open("a") as stream:
            stream.write(f"{verb}\n")
        return self.statuses[before] if before < len(self.statuses) else 0


# --- processes -----------------------------------------------------------------------------------------------------


def test_the_playbook_is_the_process_that_forked_the_worker():
    context = keeper.multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    worker = context.Process(target=lambda: queue.put(keeper.playbook()))
    worker.start()
    assert queue.get() == keeper.playbook() == keeper.Process(keeper.controller(), os.getpid(), keeper.start_time(os.getpid()))
    worker.join()


def test_an_identity_is_the_same_as_long_as_the_process_lives(playbook):
    assert of(playbook).identity == of(playbook).identity
    assert not keeper.is_dead(of(playbook).identity)


def test_a_process_that_nobody_has_waited_for_is_dead_too(playbook):
    identity = of(playbook).identity
    playbook.kill()
    os.waitid(os.P_PID, playbook.pid, os.WEXITED | os.WNOWAIT)
    assert keeper.is_dead(identity)


def test_a_process_that_ends_while_it_is_looked_at_is_dead(playbook, monkeypatch):
    """The kernel has another error for a file of /proc that is open when its process ends; it stopped the keeper."""
    identity = of(playbook).identity

    class Slow(type(keeper.Path())):
        def read_text(self):
            with self.open() as stream:
                playbook.kill()
                playbook.wait()
                return stream.read()

    monkeypatch.setattr(keeper, "Path", lambda name: Slow(name) if str(playbook.pid) in name else Path(name))
    assert keeper.is_dead(identity)


def test_a_number_that_another_process_has_now_is_not_the_holder(playbook):
    assert keeper.is_dead(of(playbook)._replace(started="1").identity)


@pytest.mark.parametrize("identity", ["", "x", "other:1/1/1", "other:1/999999999/5"])
def test_of_other_controllers_nothing_is_known(identity):
    assert not keeper.is_dead(identity)


def test_a_number_that_is_none_is_nobodys():
    """Anybody who writes Leases can name this controller."""
    assert not keeper.is_dead(f"{keeper.controller()}/\N{SUPERSCRIPT TWO}/1")


def test_a_process_that_proc_hides_lives(monkeypatch):
    """Another user's, with hidepid=2, of which nothing but that it is there can be known."""
    monkeypatch.setattr(keeper, "start_time", lambda pid: "")
    monkeypatch.setattr(keeper.os, "access", lambda path, mode: False)
    monkeypatch.setattr(keeper.os, "kill", lambda pid, signal: refuse(PermissionError()))
    assert not keeper.is_dead(f"{keeper.controller()}/4711/5")
    monkeypatch.setattr(keeper.os, "kill", lambda pid, signal: refuse(ProcessLookupError()))
    assert keeper.is_dead(f"{keeper.controller()}/4711/5")


def test_a_number_that_no_process_can_have_is_nobodys():
    assert keeper.is_dead(f"{keeper.controller()}/{10**30}/5")


def refuse(error):
    raise error


def test_another_pid_namespace_is_another_controller(playbook):
    where, pid, since = of(playbook).identity.split("/")
    playbook.kill()
    playbook.wait()
    assert keeper.is_dead(f"{where}/{pid}/{since}")
    assert not keeper.is_dead(f"{where}0/{pid}/{since}")


def test_where_there_is_no_proc_ps_is_asked(playbook, monkeypatch):
    def elsewhere(path):
        return Path("/nonexistent") if str(path).startswith("/proc") else Path(path)

    monkeypatch.setattr(keeper, "Path", elsewhere)
    monkeypatch.setattr(keeper.os.path, "exists", lambda path: False)
    begun = keeper.start_time(playbook.pid)
    assert begun.count(":") == 2 and begun == keeper.start_time(playbook.pid)
    playbook.kill()
    playbook.wait()
    assert keeper.start_time(playbook.pid) == ""


@pytest.mark.parametrize("pidfd", [True, False, "refused"])
def test_the_end_of_a_process_is_seen(playbook, monkeypatch, pidfd):
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif pidfd == "refused":
        monkeypatch.setattr(os, "pidfd_open", lambda pid: refuse(OSError(errno.ENOSYS, "Function not implemented")))
    watch = keeper.Watch(of(playbook))
    assert not watch.ended() and not watch.ended(0.05)
    playbook.kill()
    assert watch.ended(PATIENCE)


PLAYBOOK = """
import multiprocessing, os, sys, time
context = multiprocessing.get_context("fork")
answers = context.SimpleQueue()
def work():
    os.setsid()
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
worker = context.Process(target=work)
worker.start()
print(os.fstat(answers._writer.fileno()).st_ino, flush=True)
worker.join()
"""


@pytest.mark.parametrize("pidfd", [True, False])
def test_a_playbook_that_was_killed_ends_with_its_workers(tmp_path, monkeypatch, pidfd):
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    enough = tmp_path / "enough"
    words = [sys.executable, "-c", PLAYBOOK, str(enough)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        killed = of(process)._replace(queue=process.stdout.readline().strip())
        watch = keeper.Watch(killed)
        assert not watch.ended(0.05) and watch.left_behind == 0
        process.kill()
        process.wait()
        assert keeper.start_time(process.pid) == "" and keeper.is_dead(killed._replace(queue="").identity)
        assert not keeper.is_dead(killed.identity)
        assert not watch.ended(2.0) and watch.left_behind > 0
        enough.touch()
        assert watch.ended(PATIENCE)
        assert keeper.is_dead(killed.identity)


def test_workers_are_known_by_the_pipe_of_their_answers(monkeypatch):
    assert keeper.queue() == ""
    answers = keeper.multiprocessing.get_context("fork").SimpleQueue()
    monkeypatch.setattr(keeper.displays.Display(), "_final_q", answers, raising=False)
    assert keeper.playbook().identity.endswith(f"/{keeper.queue()}")
    assert keeper.has_workers(keeper.queue()) and not keeper.has_workers("1")


def test_a_worker_that_asks_a_playbook_that_has_ended_is_none():
    """As ansible-core's do: it is connected to a socket at which only itself listens, and reads for ever."""
    code = (
        "import os, socket, tempfile; path = tempfile.mkdtemp() + '/s'; at = socket.socket(socket.AF_UNIX);"
        "at.bind(path); at.listen(); asks = socket.socket(socket.AF_UNIX); asks.connect(path); os.write(1, b'.');"
        "asks.recv(4)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout.read(1) == b"."
            deadline = time.monotonic() + PATIENCE
            while not keeper.asks_in_vain(str(worker.pid)) and time.monotonic() < deadline:
                time.sleep(0.01)
            pipe = str(os.fstat(worker.stdout.fileno()).st_ino)
            if "unix" not in Path(f"/proc/{worker.pid}/wchan").read_text():
                pytest.skip("this kernel does not say what a process waits for")
            assert os.readlink(f"/proc/{worker.pid}/fd/1") == f"pipe:[{pipe}]"
            assert keeper.asks_in_vain(str(worker.pid)) and not keeper.asks_in_vain(str(os.getpid()))
        finally:
            worker.kill()


def test_a_process_that_ended_before_anybody_watched_has_ended(playbook):
    process = of(playbook)
    playbook.kill()
    playbook.wait()
    assert keeper.Watch(process).ended(PATIENCE)


# --- keeping -------------------------------------------------------------------------------------------------------


class Records:
    """A book in memory of what became of the lock."""

    def __init__(self):
        self.written = [lock_status.Status(0.0)]

    def read(self):
        return self.written[-1]

    def write(self, status):
        self.written.append(status)


class Turns:
    """A watch under which the playbook lives for so many waits."""

    def __init__(self, turns, left_behind=0.0):
        self.turns, self.waits, self.left_behind = turns, [], left_behind

    def ended(self, timeout=0.0):
        if timeout:
            self.waits.append(timeout)
        return len(self.waits) > self.turns


def test_it_renews_until_the_playbook_ends_and_then_releases(tmp_path):
    book, turns = Book(tmp_path / "book"), Turns(2)
    keeper.keep(turns, book, Records())
    assert book.told == ["renew", "renew", "release"]
    assert turns.waits == [keeper.PERIOD] * 3


def test_a_renewal_that_failed_is_tried_again_sooner(tmp_path):
    book, turns = Book(tmp_path / "book", [255, 0]), Turns(2)
    keeper.keep(turns, book, Records())
    assert turns.waits == [keeper.PERIOD, keeper.RETRY, keeper.PERIOD]
    assert keeper.PERIOD + keeper.RENEW_LIMIT + 2 * keeper.RETRY < keeper.TTL


def test_what_workers_hold_that_hang_expires(tmp_path):
    book = Book(tmp_path / "book")
    keeper.keep(Turns(9, left_behind=keeper.WORKERS_LIMIT), book, Records())
    assert book.told == ["renew"] * 9 + ["release"]
    book = Book(tmp_path / "hang")
    keeper.keep(Turns(9, left_behind=keeper.WORKERS_LIMIT + 1), book, Records())
    assert book.told == []


def test_a_lost_lock_is_let_go(tmp_path):
    book, records = Book(tmp_path / "book", [0, keeper.LOST]), Records()
    keeper.keep(Turns(9), book, records)
    assert book.told == ["renew", "renew", "release"]
    assert [status.lost for status in records.written] == [False, False, True]


def test_when_it_was_renewed_is_written_down(tmp_path):
    book, records = Book(tmp_path / "book", [keeper.UNLEASED, keeper.KEPT, keeper.UNLEASED, keeper.FAILED]), Records()
    keeper.keep(Turns(4), book, records)
    _before, by_file, by_lease, again = records.written
    assert (by_file.leased, by_lease.leased, again.leased) == (None, by_lease.renewed, by_lease.renewed)
    assert 0 < by_file.renewed <= by_lease.renewed <= again.renewed <= lock_status.now()


def test_a_command_that_raises_has_failed(tmp_path):
    def command(_verb):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # no traceback between the results of the tests
        raise OSError("no connection")

    assert keeper.exchange(command, "renew", PATIENCE) == keeper.FAILED


def test_a_command_that_hangs_is_given_up_with_its_children(tmp_path):
    def command(_verb):
        child = subprocess.Popen(["sleep", "60"])
        (tmp_path / "pid").write_text(str(child.pid))
        return child.wait()

    class Ended:
        def ended(self, timeout=0.0):
            return (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text())

    assert keeper.exchange(command, "renew", 0.5, Ended()) == keeper.FAILED
    until(lambda: not keeper.start_time(int((tmp_path / "pid").read_text())))


def test_the_keeper_outlives_its_task_and_ends_with_the_playbook(tmp_path, playbook):
    book = Book(tmp_path / "book")

    def command(verb):
        book(f"{verb}:{os.getsid(0)}:{os.getppid()}")
        return 0

    keeper.start(of(playbook), command, Records())
    assert book.told == []
    playbook.kill()
    until(lambda: book.told)
    verb, session, parent = book.told[0].split(":")
    assert verb == "release" and int(session) != os.getsid(0)
    until(lambda: not keeper.start_time(int(parent)))


STARTER = """
import contextlib, os, subprocess, sys, time
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_keeper as keeper, lock_status
playbook, report = int(sys.argv[1]), sys.argv[2]
extra = os.open(report, os.O_RDONLY)
def links():
    found = set()
    for number in os.listdir(f"/proc/{os.getppid()}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{os.getppid()}/fd/{number}"))
    return found
def command(verb):
    # What it has open at each look is what it keeps; it also looks at the playbook's process now and then.
    kept = links()
    for pause in (0.03, 0.05, 0.08):
        time.sleep(pause)
        kept &= links()
    with open(report, "w") as stream:
        stream.write(" ".join(sorted(kept)))
    return 0
keeper.start(keeper.Process(keeper.controller(), playbook, keeper.start_time(playbook)), command, lock_status.Book("s1"))
print("begun")
"""


def test_whoever_reads_the_output_of_the_playbook_sees_its_end(tmp_path, playbook):
    report = tmp_path / "report"
    report.touch()
    words = [sys.executable, "-c", STARTER, str(playbook.pid), str(report)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        # The keeper lives on, as the playbook does; its caller's pipes do not wait for it.
        assert process.communicate(timeout=PATIENCE) == ("begun\n", "")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(playbook.pid, signal.SIGKILL)
    until(report.read_text)
    assert set(report.read_text().split()) <= {"/dev/null", "anon_inode:[pidfd]"}
