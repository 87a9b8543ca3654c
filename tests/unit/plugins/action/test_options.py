# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.connection.local import Connection
from ansible.template import Templar, trust_as_template
from ansible_collections.k3a.cluster.plugins.action import options as action
from ansible_collections.k3a.cluster.plugins.modules import options as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

PLAYBOOKS = spec.PLAYBOOKS


def tasks(playbook: Path) -> list[dict[str, Any]]:
    return [task for play in yaml.safe_load(playbook.read_text()) for task in play.get("tasks", [])]


ASKED = {
    path.stem: task["k3a.cluster.options"] or {}
    for path in sorted(PLAYBOOKS.glob("*.yml"))
    for task in tasks(path)
    if "k3a.cluster.options" in task
}


@pytest.fixture
def ask() -> Any:
    def run(playbook: str, *names: str, **variables: Any) -> dict[str, Any]:
        task = Task()
        task.action, task.args = "k3a.cluster.options", {"playbook": playbook, "names": list(names)}
        context = PlayContext()
        templar = Templar(DataLoader())
        plugin = action.ActionModule(task, Connection(context), context, None, templar, None)
        return plugin.run(task_vars=variables)

    return run


def values_of(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "changed"}


def test_values_are_typed_and_what_is_not_given_is_the_default(ask: Any) -> None:
    given = {"k3a_remove_node": "a1,a2", "k3a_drain_timeout": "0", "inventory_dir": "/inventory"}
    assert values_of(ask("remove_node", "k3a_kubeconfig", **given)) == {
        "remove_node": ["a1", "a2"],
        "drain_timeout": 0,
        "drain_grace_period": -1,
        "drain_force": False,
        "drain_delete_emptydir_data": True,
        "release_names": False,
        "drain_task_timeout": 120,
        "kubeconfig": "/inventory/kubeconfig",
    }


def test_a_variable_may_be_a_template_over_others_and_their_defaults(ask: Any) -> None:
    path = trust_as_template("{{ k3a_data_dir }}/admin")
    assert ask("", "k3a_write_kubeconfig", k3a_write_kubeconfig=path)["write_kubeconfig"] == "/var/lib/k3a/admin"


# What Ansible says of a host that is implied, and of one named by -i host,.
@pytest.mark.parametrize("given", [{}, {"inventory_dir": "None"}, {"inventory_dir": None}])
def test_without_an_inventory_file_the_kubeconfig_is_in_the_current_directory(
    ask: Any, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask("", "k3a_kubeconfig", **given)["kubeconfig"] == f"{tmp_path}/kubeconfig"


def test_all_that_is_wrong_is_told_at_once(ask: Any) -> None:
    with pytest.raises(AnsibleActionFail) as raised:
        ask("remove_node", "k3a_data_dir", k3a_drain_force="maybe", k3a_drain_timeot=3, k3a_data_dir="here")
    assert str(raised.value).splitlines() == [
        "Nothing has been changed: there is no variable k3a_drain_timeot; did you mean k3a_drain_timeout?",
        'k3a_drain_force must be true or false, and is "maybe"; correct it',
        "k3a_data_dir 'here' is not an absolute path; start it with '/', and use no blanks",
    ]


def test_a_result_with_a_secret_is_not_shown_and_another_is(ask: Any) -> None:
    assert ask("rotate_token", k3a_new_token="s3cr3t-0123456789")["_ansible_no_log"] is True
    assert "_ansible_no_log" not in ask("rotate_token")


def known_secret(name: str) -> bool:
    return bool({**spec.specification(), **spec.of_playbooks()}.get(name, {}).get("no_log"))


@pytest.mark.parametrize("playbook", ASKED)
def test_a_playbook_asks_for_the_variables_that_it_uses(playbook: str) -> None:
    asked = ASKED[playbook]
    text = (PLAYBOOKS / f"{playbook}.yml").read_text()
    own = spec.of_playbook(asked.get("playbook", "")).keys()
    assert asked.get("playbook", playbook) == playbook
    for name in asked.get("names", []):
        assert name in spec.specification()
    # A secret's file is read where the secret is.
    files = {name for name in own if name.endswith("_file") and known_secret(name.removesuffix("_file"))}
    for name in {*asked.get("names", []), *own} - {"join_hosts"} - files:
        used = rf"_k3a\w*(\.|', '){name.removeprefix('k3a_')}\b|k3a.cluster.variable', '{name}'"
        assert re.search(used, text), f"{playbook}.yml does not use {name}"
    assert tasks(PLAYBOOKS / f"{playbook}.yml")[0].get("k3a.cluster.options") == asked


@pytest.mark.parametrize("playbook", ASKED)
def test_a_playbook_uses_no_variable_as_it_was_given(playbook: str) -> None:
    for task in tasks(PLAYBOOKS / f"{playbook}.yml"):
        assert spec.specification().keys().isdisjoint(words_of(task)), task["name"]


def words_of(task: dict[str, Any]) -> set[str]:
    """The words of a task, less what it asks the action for, and the variables that it sets itself."""
    own = {key: value for key, value in task.items() if key not in ("k3a.cluster.options", "vars")}
    return set(re.findall(r"\w+", yaml.safe_dump([own, list(task.get("vars", {}).values())])))


def test_the_documentation_stands_for_the_action() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    told = {key: {k: v for k, v in option.items() if k != "description"} for key, option in documented.items()}
    assert told == action.OPTIONS
