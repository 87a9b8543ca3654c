# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.action import step as action


@pytest.fixture
def run(monkeypatch):
    """Run the action of a task, with a host that answers what it is told to."""

    def run(answer, name="k3a.cluster.etcd_member", **arguments):
        seen = {}

        def execute(self, module_name=None, module_args=None, task_vars=None):
            seen.update(name=module_name, args=module_args, variables=task_vars)
            return answer

        monkeypatch.setattr(ActionBase, "run", lambda *_: {})
        monkeypatch.setattr(ActionBase, "_execute_module", execute)
        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._task = type("Task", (), {"action": name, "args": arguments})()
        return plugin.run(task_vars={"variable": 1}), seen

    return run


def test_the_tasks_module_runs_with_its_arguments(run):
    _result, seen = run({"changed": False}, names=["s1"])
    assert seen == {"name": "k3a.cluster.etcd_member", "args": {"names": ["s1"]}, "variables": {"variable": 1}}


@pytest.mark.parametrize("strange", ["ansible_facts", "add_host", "unreachable", "_k3a", "colour"])
def test_its_answer_is_data(run, strange):
    assert run({"changed": True, strange: {"k3a_data_dir": "/tmp"}})[0] == {"changed": True}


def test_what_fails_stays_failed(run):
    failed = {"failed": True, "msg": "why", "changed": False}
    assert run(failed)[0] == failed
