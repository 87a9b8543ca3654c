# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible.errors import AnsibleActionFail
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.action.normal import ActionModule
from ansible.plugins.loader import connection_loader
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import shipping


@pytest.fixture
def action():
    context = PlayContext()
    return ActionModule(Task(), connection_loader.get("local", context), context, None, None, None)


def test_the_login_user_is_asked_of_the_host_whoever_tasks_become(action, monkeypatch):
    asked = []

    def execute(command, sudoable):
        asked.append((command, sudoable))
        return {"rc": 0, "stdout": "1000\n", "stderr": ""}

    monkeypatch.setattr(action, "_low_level_execute_command", execute)
    assert shipping.login_user(action) == 1000
    assert asked == [("id -u", False)]


def test_a_host_that_does_not_say_is_no_user(action, monkeypatch):
    answer = {"rc": 127, "stdout": "", "stderr": "id: not found"}
    monkeypatch.setattr(action, "_low_level_execute_command", lambda *_, **__: answer)
    with pytest.raises(AnsibleActionFail, match="who Ansible logs in as: id: not found"):
        shipping.login_user(action)


def test_a_file_gets_there(action, tmp_path):
    (tmp_path / "here").write_bytes(b"a stream")
    shipping.put(action, str(tmp_path / "here"), str(tmp_path / "there"))
    assert (tmp_path / "there").read_bytes() == b"a stream"


def test_processes_of_a_run_share_a_directory():
    assert os.path.isdir(shipping.run_directory())
