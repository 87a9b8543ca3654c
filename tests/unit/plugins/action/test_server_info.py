# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.action import server_info as action
from ansible_collections.k3a.cluster.plugins.modules import server_info as module

ANSWER = {"changed": False, "healthy": True, "url": "https://10.0.0.2:7443"}


@pytest.fixture
def ask(monkeypatch):
    """Ask a server by the variables of the inventory, and see with what."""

    def ask(hostvars, answer=None, **arguments):
        seen = {}

        def execute(self, module_name=None, module_args=None, task_vars=None):
            seen.update(module_args, module=module_name)
            return ANSWER if answer is None else answer

        monkeypatch.setattr(ActionBase, "run", lambda *_: {})
        monkeypatch.setattr(ActionBase, "_execute_module", execute)
        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._task = type("Task", (), {"action": "k3a.cluster.server_info", "args": arguments})()
        return plugin.run(task_vars={"inventory_hostname": "node-1", "hostvars": hostvars}), seen

    return ask


def test_a_server_is_asked_by_its_own_variables_and_not_by_those_of_the_host_that_the_task_is_for(ask):
    """The task runs for any host, delegated to a server: an address in its options must be that server's."""
    own = {"k3a_node_ip": "10.0.0.2,fd00::2", "k3a_https_listen_port": "7443", "k3a_data_dir": "/srv/k3a"}
    result, seen = ask({"node-1": {"k3a_node_ip": "10.0.0.1"}, "node-2": own}, host="node-2")
    assert result == {**ANSWER, "host": "node-2"}
    assert (seen["node_ip"], seen["https_listen_port"], seen["data_dir"]) == (["10.0.0.2", "fd00::2"], 7443, "/srv/k3a")
    assert seen["module"] == "k3a.cluster.server_info"
    assert "host" not in seen


def test_what_is_not_set_has_the_default_of_its_variable(ask):
    result, seen = ask({"node-1": {}})
    assert result["host"] == "node-1"
    assert (seen["data_dir"], seen["https_listen_port"], seen["cluster_cidr"]) == ("/var/lib/k3a", 6443, ["10.42.0.0/16"])


def test_a_variable_that_cannot_be_used_is_left_out(ask):
    """It is a finding of its own as soon as that host is looked at."""
    seen = ask({"node-2": {"k3a_https_listen_port": "soon"}}, host="node-2")[1]
    assert "https_listen_port" not in seen


def test_the_task_has_the_last_word(ask):
    seen = ask({"node-2": {"k3a_data_dir": "/srv"}}, host="node-2", data_dir="/mnt", timeout=3)[1]
    assert (seen["data_dir"], seen["timeout"]) == ("/mnt", 3)


def test_options_of_the_server_are_options_of_the_module():
    assert set(action.OF_THE_SERVER) <= module.OPTIONS.keys()


def test_a_server_cannot_answer_in_anothers_name(ask):
    answer = {**ANSWER, "host": "node-1", "ansible_facts": {"a": 1}, "item": "node-1"}
    assert ask({"node-2": {}}, answer=answer, host="node-2")[0] == {**ANSWER, "host": "node-2"}


def test_one_that_fails_is_named(ask):
    assert ask({"node-2": {}}, answer={"failed": True, "msg": "why"}, host="node-2")[0]["host"] == "node-2"
