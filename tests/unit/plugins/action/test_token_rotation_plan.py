# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.connection.local import Connection
from ansible_collections.k3a.cluster.plugins.action import token_rotation_plan as action
from ansible_collections.k3a.cluster.plugins.modules import token_rotation_plan as module

SEEN = {"fingerprint": "a", "pending_fingerprint": "", "bootstrap_record": "current", "has_other_records": False}


@pytest.fixture
def plan() -> Any:
    def run(**arguments: Any) -> dict[str, Any]:
        task = Task()
        task.action, task.args = "k3a.cluster.token_rotation_plan", arguments
        context = PlayContext()
        return action.ActionModule(task, Connection(context), context, None, None, None).run(task_vars={})

    return run


def test_what_servers_say_becomes_a_plan(plan: Any) -> None:
    found = plan(observations=[{**SEEN, "host": host} for host in ("s1", "s2")], servers=["s1", "s2"])
    assert found["changed"] is False
    assert (found["holder"], found["receivers"], found["reason"]) == ("s1", ("s2",), "a new token")
    assert found.keys() - {"changed"} == yaml.safe_load(module.RETURN).keys()


def test_a_refusal_is_one_sentence(plan: Any) -> None:
    found = plan(observations=[{**SEEN, "host": "s1"}], servers=["s1", "s2"])
    assert found["failed"] and found["msg"] == (
        "Server token: s2 did not answer or is left out of this run; all servers have to get the new token"
    )


def test_options_are_those_that_are_documented() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {name: {k: v for k, v in option.items() if k != "description"} for name, option in documented.items()} == (
        action.OPTIONS
    )
