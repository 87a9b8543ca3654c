# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import host_action

# What a host could answer with beyond what a module returns.
STRANGE = {
    "ansible_facts": {"k3a_data_dir": "/tmp", "ansible_python_interpreter": "/tmp/python"},
    "add_host": {"host_name": "mine", "host_vars": {}},
    "add_group": "server",
    "ansible_stats": {"data": {}},
    "item": "another",
    "results": [{"healthy": True}],
    "_k3a": {},
    "skipped": True,
    "unreachable": True,
    "stdout": "text",
}


class Action(host_action.HostAction):
    """The least that an action is."""

    def run(self, tmp=None, task_vars=None):
        return {}


@pytest.fixture
def answer(monkeypatch):
    """Have a host answer, and see what an action takes of it."""

    def ask(taken_of, module="k3a.cluster.kubelet", action="k3a.cluster.kubelet", answers=()):
        asked = []

        def execute(self, module_name=None, *_, **__):
            asked.append(module_name)
            return dict(taken_of)

        monkeypatch.setattr(ActionBase, "_execute_module", execute)
        plugin = Action.__new__(Action)
        plugin._task = type("Task", (), {"action": action})()
        plugin.answers = {key: {"type": "str"} for key in answers}
        return plugin._execute_module(module, module_args={}), asked

    return ask


def test_what_a_module_documents_is_taken(answer):
    module, own = "server_info", {"healthy": True, "url": "u", "ca_certificates": {}, "nodes": []}
    assert own.keys() < host_action.returned(module).keys()
    common = {"changed": False, "failed": True, "msg": "m", "diff": [], "warnings": ["w"], "invocation": {}, "rc": 1}
    assert answer({**own, **common}, module=f"k3a.cluster.{module}")[0] == {**own, **common}


def test_nothing_runs_while_ansible_shows_secrets(answer, monkeypatch):
    monkeypatch.setattr(host_action.C, "DEFAULT_DEBUG", True)
    with pytest.raises(AnsibleActionFail, match="ANSIBLE_DEBUG shows secrets; run without it"):
        answer({})


def test_everything_else_is_dropped(answer):
    assert answer({"changed": True, **STRANGE})[0] == {"changed": True}


@pytest.mark.parametrize("path", sorted(host_action.MODULES.glob("*.py")), ids=lambda path: path.stem)
def test_no_module_documents_what_ansible_would_act_on(path):
    assert host_action.returned(path.stem).keys().isdisjoint({*STRANGE, "ansible_facts", "add_host"} - {"item"})


def test_ansibles_own_notes_stay(answer):
    assert answer({"changed": True, "_ansible_parsed": True})[0] == {"changed": True, "_ansible_parsed": True}


def test_keys_that_an_action_alone_is_told_are_its_own(answer):
    told = {"changed": False, "material": "s"}
    assert answer(told)[0] == {"changed": False}
    assert answer(told, answers=["material"])[0] == told


@pytest.mark.parametrize(
    "value, told",
    [
        ({"healthy": "yes"}, "healthy is 'yes', which is no bool"),
        ({"etcd_members": "none"}, "etcd_members is 'none', which is no list"),
        ({"etcd_members": [{"id": 5}]}, "etcd_members[0].id is 5, which is no str"),
        ({"etcd_members": [{"id": "5"}, "6"]}, "etcd_members[1] is '6', which is no dict"),
        ({"etcd_members": [{"peer_urls": [True]}]}, "etcd_members[0].peer_urls[0] is True, which is no str"),
        ({"ca_certificates": ["server"]}, "ca_certificates is ['server'], which is no dict"),
    ],
)
def test_a_value_of_another_type_than_documented_is_refused(answer, value, told):
    with pytest.raises(host_action.AnswerError) as error:
        answer(value, module="k3a.cluster.server_info")
    assert str(error.value) == f"the host's answer to server_info cannot be used: {told}"


def test_no_value_is_of_any_type(answer):
    assert answer({"url": None}, module="k3a.cluster.server_info")[0] == {"url": None}


def test_a_key_that_is_lacking_is_told_as_the_hosts_fault(answer):
    found = answer({"changed": False}, module="k3a.cluster.bundle")[0]
    assert found.get("path") is None
    with pytest.raises(host_action.AnswerError, match="the host's answer to bundle cannot be used: it has no path"):
        found["path"]


def test_the_python_that_ansible_found_is_remembered_and_no_other_fact(answer, monkeypatch):
    """Without it every task would look for it again."""

    def execute(self, *_, **__):
        self._discovered_interpreter_key = "discovered_interpreter_python"
        self._discovered_interpreter = "/usr/bin/python3.11"
        return {"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.11", "k3a_data_dir": "/tmp"}}

    answer({})
    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    plugin = Action.__new__(Action)
    found = plugin._execute_module("k3a.cluster.kubelet", task_vars={})
    assert found == {"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.11"}}


@pytest.mark.parametrize(
    "module, action, expected",
    [
        (None, "k3a.cluster.etcd", "k3a.cluster.etcd"),
        ("k3a.cluster.drift", "k3a.cluster.etcd", "k3a.cluster.drift"),
        # One that calls itself otherwise is none of the collection's.
        ("ansible.legacy.command", "k3a.cluster.etcd", "k3a.cluster.command"),
        (None, "etcd", "k3a.cluster.etcd"),
    ],
)
def test_only_modules_of_the_collection_run(answer, module, action, expected, monkeypatch):
    monkeypatch.setattr(host_action, "returned", lambda name: {})
    assert answer({}, module=module, action=action)[1] == [expected]


@pytest.mark.parametrize("path", sorted(host_action.MODULES.glob("*.py")), ids=lambda path: path.stem)
def test_the_keys_of_a_module_are_those_of_its_documentation(path):
    _before, _name, text = path.read_text().partition('\nRETURN = r"""')
    documented = yaml.safe_load(text.partition('"""')[0]) or {}
    assert host_action.returned(path.stem) == documented


SHARED = ("step", "turn")


def test_every_module_runs_by_such_an_action():
    """An action of its own, or one of those that several share: what builds takes long, too, and has to say so."""
    root = Path(host_action.MODULES).parents[1]
    routed = yaml.safe_load((root / "meta/runtime.yml").read_text())["plugin_routing"]["modules"]
    own = {path.stem for path in (root / "plugins/action").glob("*.py")} - {"__init__", *SHARED}
    modules = {path.stem for path in host_action.MODULES.glob("*.py")} - {"__init__"}
    routes = [{"action_plugin": f"k3a.cluster.{action}"} for action in SHARED]
    shared = {name for name, route in routed.items() if route in routes}
    assert shared == routed.keys()
    assert not shared & own
    assert modules == own | shared
    for name in sorted({*own, *SHARED}):
        text = (root / f"plugins/action/{name}.py").read_text()
        runs_modules = "_execute_module" in text
        assert not runs_modules or "(HostAction)" in text, name


@pytest.mark.parametrize("rescued, raised", [(False, AnsibleConnectionFailure), (True, AnsibleActionFail)])
def test_a_host_that_cannot_be_reached_has_failed_where_failures_are_rescued(monkeypatch, rescued, raised):
    def execute(*_, **__):
        raise AnsibleConnectionFailure("Connection timed out")

    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    plugin = Action.__new__(Action)
    with pytest.raises(raised, match="Connection timed out"):
        plugin._execute_module("k3a.cluster.kubelet", task_vars={"_k3a_is_rescued": rescued})
