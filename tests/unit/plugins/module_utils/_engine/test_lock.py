# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import lock

HOLDER = """
import sys, time
sys.path[:0] = {path!r}
from ansible_collections.k3a.cluster.plugins.module_utils._engine import lock
with lock.host_lock(5, {file!r}):
    print("held", flush=True)
    time.sleep({seconds})
"""


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "k3a.lock")


@pytest.fixture
def hold(file):
    """Another process that has the lock for some seconds."""
    holders = []

    def start(seconds):
        program = HOLDER.format(path=sys.path, file=file, seconds=seconds)
        holders.append(subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE))
        assert holders[-1].stdout.readline() == b"held\n"
        return holders[-1]

    yield start
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_the_lock_names_its_holder(file):
    with lock.host_lock(0, file):
        assert open(file, encoding="ascii").read() == str(os.getpid())


def test_the_lock_can_be_taken_again_and_again(file):
    for _time in range(3):
        with lock.host_lock(0, file):
            assert os.path.exists(file)


def test_a_host_that_stays_taken_is_an_error_that_names_the_other_process(file, hold):
    other = hold(60)
    started = time.monotonic()
    with pytest.raises(lock.Busy, match=rf"process {other.pid}\).*more than 0 s.*stop that process"):
        with lock.host_lock(0.2, file):
            pytest.fail("two processes hold the lock")
    assert time.monotonic() - started >= 0.2


def test_a_host_that_becomes_free_is_waited_for(file, hold):
    hold(0.3)
    with lock.host_lock(20, file):
        assert open(file, encoding="ascii").read() == str(os.getpid())


def test_a_killed_holder_leaves_nothing_behind(file, hold):
    other = hold(60)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with lock.host_lock(0, file):
        assert open(file, encoding="ascii").read() == str(os.getpid())


def test_a_failure_inside_releases_the_lock(file):
    with pytest.raises(ZeroDivisionError), lock.host_lock(0, file):
        raise ZeroDivisionError
    with lock.host_lock(0, file):
        pass


def test_a_shorter_holder_leaves_no_digits_of_a_longer_one(file):
    with open(file, "w", encoding="ascii") as stream:
        stream.write("123456789012345")
    with lock.host_lock(0, file):
        assert open(file, encoding="ascii").read() == str(os.getpid())


def test_processes_that_a_holder_starts_do_not_inherit_the_lock(file):
    with lock.host_lock(0, file):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert child.poll() is None
        with lock.host_lock(0, file):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_one_who_waited_for_a_lock_that_was_removed_takes_the_new_one(file):
    waiter = HOLDER.format(path=sys.path, file=file, seconds=60)
    with lock.host_lock(0, file):
        waiting = subprocess.Popen([sys.executable, "-c", waiter], stdout=subprocess.PIPE)
        while file not in [
            os.path.realpath(f"/proc/{waiting.pid}/fd/{n}") for n in os.listdir(f"/proc/{waiting.pid}/fd")
        ]:
            time.sleep(0.01)
        lock.remove_lock(file)
    try:
        assert waiting.stdout.readline() == b"held\n"
        with pytest.raises(lock.Busy, match=f"process {waiting.pid}"), lock.host_lock(0, file):
            pytest.fail("two processes hold the lock")
    finally:
        waiting.kill()
        waiting.communicate()


def test_the_lock_is_where_only_root_can_make_anything():
    status = os.stat(os.path.dirname(lock.LOCK))
    assert (status.st_uid, status.st_mode & 0o022) == (0, 0)


def test_a_planted_link_is_not_followed(tmp_path, file):
    precious = tmp_path / "precious"
    precious.write_text("data\n")
    os.symlink(precious, file)
    with pytest.raises(lock.NotOurs, match=f"^{file} is a link or belongs to another user.*remove it$"):
        with lock.host_lock(0, file):
            pytest.fail("a link was taken for the lock")
    assert precious.read_text() == "data\n"


def test_a_planted_hard_link_is_not_written_to(tmp_path, file):
    precious = tmp_path / "precious"
    precious.write_text("data\n")
    os.link(precious, file)
    with pytest.raises(lock.NotOurs), lock.host_lock(0, file):
        pytest.fail("a link was taken for the lock")
    assert precious.read_text() == "data\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="a file is given to another user")
def test_a_file_of_another_user_is_neither_truncated_nor_waited_for(file, hold):
    other = hold(60)
    os.chown(file, 65534, 65534)
    started = time.monotonic()
    with pytest.raises(lock.NotOurs), lock.host_lock(30, file):
        pytest.fail("a file of another user was taken for the lock")
    assert time.monotonic() - started < 5
    assert open(file, encoding="ascii").read() == str(other.pid)
