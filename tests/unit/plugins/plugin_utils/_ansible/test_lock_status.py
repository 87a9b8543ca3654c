# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_status
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.lock_status import Book, Status

NOW = 10_000.0


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_status.shipping, "run_directory", lambda: str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.mark.parametrize(
    "found",
    [
        [Status(NOW - 40)],
        [Status(NOW - 40), Status(NOW - 1)],
        # An API that restarts cannot renew for a while, and nobody can take meanwhile.
        [Status(NOW - 1, leased=NOW - 150)],
        # The Lease is enough, whatever became of another server.
        [Status(NOW - 1, leased=NOW - 1), Status(NOW - 5000)],
    ],
)
def test_the_cluster_is_held(found):
    assert lock_status.trouble(found, NOW) == ""


@pytest.mark.parametrize(
    "found, told",
    [
        ([], "this playbook does not hold the cluster's lock (lock.yml)"),
        ([Status(NOW - 1, leased=NOW - 1, lost=True)], "another playbook holds the cluster's lock by now"),
        # Its keeper died, or the controller slept.
        ([Status(NOW - 50)], "the cluster's lock was not renewed for 50 s, so that another playbook may hold it by now"),
        ([Status(NOW - 1), Status(NOW - 61)], "the cluster's lock was not renewed for 61 s"),
        ([Status(NOW - 1, leased=NOW - 170)], "the cluster's lock was not renewed for 170 s"),
    ],
)
def test_the_cluster_may_be_anothers(found, told):
    assert lock_status.trouble(found, NOW).startswith(told)


def test_what_one_process_writes_another_one_reads(directory):
    assert Book("server-1").read() == Status(0.0)
    Book("server-1").write(Status(1.0))
    Book("server-1").write(Status(2.0, leased=3.0))
    Book("../server 2").write(Status(4.0))
    assert Book("server-1").read() == Status(2.0, leased=3.0)
    assert sorted(status.renewed for status in lock_status.statuses()) == [2.0, 4.0]
    assert len(list(directory.iterdir())) == 2


def test_when_the_run_has_ended_nothing_is_written(directory):
    directory.rmdir()
    Book("server-1").write(Status(1.0))
    assert not directory.exists()


def test_a_step_without_the_lock_is_refused_by_host():
    with pytest.raises(lock_status.LockLost, match="nothing was done on s2: this playbook does not hold .*; run the playbook"):
        lock_status.require("s2")
    Book("s1").write(Status(lock_status.now()))
    lock_status.require("s2")
