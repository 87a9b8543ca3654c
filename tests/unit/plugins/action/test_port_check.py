# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.action import port_check as action

ANSWER = {"changed": False, "outcomes": [], "heard": [], "opened": [], "host": "somebody else"}


class Action(action.ActionModule):
    """The action without the task and connection around it, of which the host's answer is known."""

    def __init__(self, answer):
        self.answer = answer
        self._task = type("Task", (), {"args": {"targets": []}})

    def _execute_module(self, name, options, task_vars):
        assert (name, options) == ("k3a.cluster.port_check", {"targets": []})
        return self.answer


@pytest.mark.parametrize("answer", [ANSWER, {"failed": True, "msg": "no"}])
def test_whose_outcomes_they_are_is_not_for_the_host_to_say(monkeypatch, answer):
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})
    assert Action(answer).run(task_vars={"inventory_hostname": "server-1"}) == {**answer, "host": "server-1"}
