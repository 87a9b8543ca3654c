# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.connection.local import Connection
from ansible_collections.k3a.cluster.plugins.action import healthy_server as action
from ansible_collections.k3a.cluster.plugins.modules import healthy_server as module

VARIABLES = {"hostvars": {"s1": {}, "s2": {"k3a_data_dir": "/data", "k3a_https_listen_port": "7443"}}}


def chosen(*asked):
    task = Task()
    task.args = {"server_reports": list(asked)}
    context = PlayContext()
    return action.ActionModule(task, Connection(context), context, None, None, None).run(task_vars=VARIABLES)


@pytest.mark.parametrize(
    "name, data_dir, port", [("s1", "/var/lib/k3a", 6443), ("s2", "/data", 7443)], ids=["defaults", "own"]
)
def test_the_first_that_is_healthy_is_asked_as_it_is_installed(name, data_dir, port):
    found = chosen(
        {"item": "s0", "unreachable": True}, {"host": name, "healthy": True}, {"host": "s9", "healthy": True}
    )
    assert (found["server"], found["data_dir"], found["https_listen_port"]) == (name, data_dir, port)
    assert not found.get("failed") and not found["changed"]


def test_without_one_each_says_why():
    found = chosen(
        {"host": "s1", "healthy": False, "reason": "the server is not installed yet"},
        {"item": "s2", "unreachable": True, "msg": "Failed to connect"},
        {"host": "s3", "failed": True, "msg": "set k3a_node_ip"},
    )
    assert found["failed"] and found["msg"].splitlines() == [
        "No server of the cluster answers; nothing was changed",
        "s1: the server is not installed yet",
        "s2: Failed to connect",
        "s3: set k3a_node_ip",
    ]


def test_a_report_of_another_form_is_refused():
    result = chosen({"host": "s1", "healthy": "yes"})
    assert result["failed"] and "cannot be used: its healthy is 'yes', which is no bool" in result["msg"]


def test_the_documentation_stands_for_the_action():
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    told = {key: {k: v for k, v in option.items() if k != "description"} for key, option in documented.items()}
    assert told == action.OPTIONS
