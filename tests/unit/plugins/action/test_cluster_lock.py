# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex
import subprocess

import pytest
from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.action import cluster_lock as action
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lock, lock_file
from ansible_collections.k3a.cluster.plugins.module_utils._engine import own_units
from ansible_collections.k3a.cluster.plugins.modules import cluster_lock as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_keeper as keeper
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_status


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_file, "LOCK", str(tmp_path / "cluster.lock"))
    monkeypatch.setattr(lock, "PROGRAM", str(tmp_path / "lock.pyz"))
    monkeypatch.setattr(own_units, "installed", dict)
    monkeypatch.setattr(action.shipping, "run_directory", lambda: str(tmp_path))
    return str(tmp_path / "cluster.lock")


@pytest.fixture
def started(monkeypatch):
    """The keepers that were started: for which process, with which command."""
    started = []
    monkeypatch.setattr(keeper, "start", lambda process, command, book: started.append((process, command)))
    return started


@pytest.fixture
def warned(monkeypatch):
    warned = []
    monkeypatch.setattr(Display(), "warning", warned.append)
    return warned


@pytest.fixture
def dead():
    process = subprocess.Popen(["sleep", "60"])
    identity = keeper.Process(keeper.controller(), process.pid, keeper.start_time(process.pid)).identity
    process.kill()
    process.wait()
    return identity


def test_one_keeper_however_often_a_playbook_takes_its_lock(run_action, path, started):
    first = run_action(action, module)
    assert first["was_holder"] is False and "interpreter" not in first
    assert run_action(action, module)["was_holder"] is True
    ((process, _command),) = started
    assert process == keeper.playbook()
    held = lock_file.holder_of(path)
    assert held["id"] == process.identity and f"process {process.pid}" in held["holder"]


def test_the_keeper_speaks_over_the_connection_of_the_task(run_action, path, started, monkeypatch):
    asked = []
    monkeypatch.setattr(
        action.ActionModule, "_low_level_execute_command", lambda self, command: asked.append(command) or {"rc": 7}
    )
    run_action(action, module)
    ((process, command),) = started
    assert command("renew") == 7
    words = shlex.split(asked[0])
    assert words[1:] == ["-IS", lock.PROGRAM, "lock", "renew", process.identity]


def test_what_became_of_it_is_known_to_all_of_the_run(run_action, path, started):
    assert lock_status.statuses() == []
    result = run_action(action, module)
    assert (result["is_leased"], result["unleased_reason"]) == (False, "this host has no API server yet")
    (status,) = lock_status.statuses()
    assert status.leased is None and lock_status.trouble([status], lock_status.now()) == ""


def test_a_lease_is_told(run_action, path, started, monkeypatch):
    monkeypatch.setattr(lock, "take", lambda *_: lock.Lock(was_holder=False, unleased=""))
    assert run_action(action, module)["is_leased"] is True
    (status,) = lock_status.statuses()
    assert status.leased == status.renewed and len(started) == 1


def test_a_cluster_that_is_held_fails_and_nothing_is_kept(run_action, path, started):
    lock_file.take("elsewhere/1/1", "ann@ctl", path=path)
    result = run_action(action, module)
    assert result["failed"] and "holds this cluster: ann@ctl" in result["msg"]
    assert started == []


def test_a_holder_of_this_controller_that_is_dead_is_replaced_at_once(run_action, path, started, dead):
    lock_file.take(dead, "ann@ctl", path=path)
    assert not run_action(action, module).get("failed")
    assert len(started) == 1 and lock_file.holder_of(path)["id"] == keeper.playbook().identity


def test_check_mode_warns_of_a_holder_that_lives(run_action, path, started, warned, dead):
    run_action(action, module, check=True)
    lock_file.take(dead, "ann@ctl", path=path)
    run_action(action, module, check=True)
    assert warned == []
    lock_file.take("elsewhere/1/1", "bob@ctl", replaces=dead, path=path)
    assert not run_action(action, module, check=True).get("failed")
    assert len(warned) == 1 and "bob@ctl" in warned[0]
    assert started == []


def test_a_lock_can_be_given_back_early(run_action, path, started):
    run_action(action, module)
    run_action(action, module, state="absent")
    assert lock_file.holder_of(path) is None and len(started) == 1


@pytest.fixture
def without_python(monkeypatch):
    """A host on which no module can run."""

    def refuse(*_arguments, **_more):
        raise AnsibleError("The module interpreter '/usr/bin/python3' was not found.")

    return lambda: monkeypatch.setattr(module, "main", refuse)


def test_a_host_that_cannot_keep_a_lock_fails(run_action, path, started, without_python):
    without_python()
    result = run_action(action, module)
    assert result["failed"] and "was not found" in result["msg"]
    assert (result["is_holder"], started) == (False, [])


def test_unless_checks_are_to_say_why(run_action, path, started, without_python):
    assert run_action(action, module, required="false")["is_holder"] is True
    without_python()
    result = run_action(action, module, required="false")
    assert not result.get("failed") and result["is_holder"] is False
    assert "was not found" in result["msg"] and len(started) == 1


def test_a_cluster_that_is_held_is_a_failure_in_any_case(run_action, path, started):
    lock_file.take("elsewhere/1/1", "ann@ctl", path=path)
    result = run_action(action, module, required=False)
    assert result["failed"] and result["is_holder"] is False and "ann@ctl" in result["msg"]


def test_what_others_are_told(monkeypatch):
    monkeypatch.setattr(action.getpass, "getuser", lambda: "ann")
    monkeypatch.setattr(action.socket, "gethostname", lambda: "ctl")
    assert action.holder(7, ["/srv/site.yml", "k3a.cluster.site"]) == "ann@ctl, process 7, site.yml, k3a.cluster.site"

    def nameless():
        raise OSError("no username set in the environment")

    monkeypatch.setattr(action.getpass, "getuser", nameless)
    assert action.holder(7, []) == "somebody@ctl, process 7"
