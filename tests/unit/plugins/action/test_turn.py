# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.action import turn as action
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_status


@pytest.fixture
def take(monkeypatch, tmp_path):
    """A host's turn of a task, as one process of a run has it; others of the run share its directory."""
    monkeypatch.setattr(action.shipping, "run_directory", lambda: str(tmp_path))
    lock_status.Book("s1").write(lock_status.Status(lock_status.now()))
    told = []

    def take(host, answer, task="1", check_mode=False, throttle=1, module="k3a.cluster.etcd"):
        def execute(self, module_name=None, module_args=None, task_vars=None):
            told.append(host)
            take.given = module_args
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(ActionBase, "run", lambda *_: {})
        monkeypatch.setattr(ActionBase, "_execute_module", execute)
        plugin = action.ActionModule.__new__(action.ActionModule)
        about = {"_uuid": task, "action": module, "args": {}, "delegate_to": None, "name": "Run etcd"}
        plugin._task = type("Task", (), {**about, "check_mode": check_mode, "throttle": throttle})()
        return plugin.run(task_vars={"inventory_hostname": host})

    take.told = told
    return take


WELL, FAILED = {"changed": True}, {"failed": True, "msg": "why", "changed": False}


def test_one_after_the_other_has_its_turn(take):
    assert [take(host, WELL) for host in ("s1", "s2", "s3")] == [WELL] * 3


@pytest.mark.parametrize("failure", [FAILED, AnsibleConnectionFailure("gone"), KeyboardInterrupt()])
def test_the_first_that_fails_ends_the_turn(take, failure):
    """Ansible has queued the others by then; one that was interrupted may have done half of it."""
    take("s1", WELL)
    if failure is FAILED:
        assert take("s2", failure) == FAILED
    else:
        with pytest.raises(type(failure)):
            take("s2", failure)
    for host in ("s3", "s4"):
        refused = take(host, WELL)
        assert refused["failed"]
        assert refused["msg"] == f"nothing was done on {host}, since s2 failed in its turn: see there why"
    assert take.told == ["s1", "s2"]


def test_what_changes_members_is_told_who_has_the_lock(take):
    take("s1", WELL)
    assert take.given == {"lock_id": action.lock_keeper.playbook().identity}
    take("s1", WELL, throttle=0, module="k3a.cluster.etcd_member")
    assert take.given == {"lock_id": action.lock_keeper.playbook().identity}
    take("s1", WELL, module="k3a.cluster.apiserver")
    assert take.given == {}


def test_who_failed_may_try_again(take):
    take("s1", FAILED)
    assert take("s1", WELL) == WELL
    assert take("s2", WELL) == WELL


def test_another_task_has_its_own_turn(take):
    take("s1", FAILED)
    assert take("s2", WELL, task="2") == WELL


@pytest.mark.parametrize("otherwise", [{"check_mode": True}, {"throttle": 0}], ids=["check mode", "all at once"])
def test_where_there_are_no_turns_everybody_is_asked(take, otherwise):
    take("s1", FAILED, **otherwise)
    assert take("s2", WELL, **otherwise) == WELL


@pytest.mark.parametrize("throttle", [0, 1])
def test_nothing_is_done_without_the_lock_of_the_cluster(take, throttle):
    lock_status.Book("s1").write(lock_status.Status(lock_status.now(), lost=True))
    refused = take("s1", WELL, throttle=throttle)
    assert refused["failed"] and "nothing was done on s1: another playbook holds" in refused["msg"]
    assert take("s1", WELL, check_mode=True, throttle=throttle) == WELL
    assert take.told == ["s1"]
