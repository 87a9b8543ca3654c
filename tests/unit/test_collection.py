# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several files of the collection have to agree on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from ansible._internal._templating._jinja_plugins import JinjaPluginIntercept
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.k3a.cluster.plugins.filter import cluster_hosts, cluster_servers
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import nodes as sets

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))


def documentation(module: Path) -> dict:
    for statement in ast.parse(module.read_text()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(statement.value))
    raise LookupError(f"{module} has no DOCUMENTATION")


def test_the_action_group_holds_every_module_that_says_it_is_in_it():
    members = [m.stem for m in MODULES if "k3a.cluster.attributes.node" in str(documentation(m))]
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["k3a"]) == members


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_is_called_as_its_file(module):
    assert documentation(module)["module"] == module.stem


@pytest.mark.parametrize("action", sorted((ROOT / "plugins/action").glob("*.py")), ids=lambda path: path.stem)
def test_an_action_has_the_one_reporter_of_errors(action):
    """What is raised for the operator anywhere below is the task's message, and no traceback."""
    (plugin,) = [each for each in ast.parse(action.read_text()).body if getattr(each, "name", "") == "ActionModule"]
    (run,) = [each for each in plugin.body if getattr(each, "name", "") == "run"]
    assert [ast.unparse(each) for each in run.decorator_list] == ["reports_errors"]


def test_every_file_of_plugins_has_a_file_of_tests():
    plugins = [p.relative_to(ROOT / "plugins") for p in (ROOT / "plugins").rglob("*.py") if p.name != "__init__.py"]
    tested = [path for path in plugins if path.parts[0] != "doc_fragments"]
    assert [str(p) for p in tested if not (ROOT / "tests/unit/plugins" / p.parent / f"test_{p.name}").exists()] == []


def test_galaxy_and_changelog_know_the_same_collection():
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert yaml.safe_load((ROOT / "changelogs/config.yaml").read_text())["title"] == (
        f"{galaxy['namespace']}.{galaxy['name']}"
    )


def play(name: str) -> dict:
    """The play of a playbook that has but one, and may import others before it."""
    plays = yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text())
    (own,) = [play for play in plays if "hosts" in play]
    return own


def variables_of(name: str) -> dict:
    """A play's own variables, as templates, over the groups of an inventory."""
    own = {key: trust_as_template(value) if isinstance(value, str) else value for key, value in play(name)["vars"].items()}
    return {"groups": {"server": ["s1"], "agent": ["a1"]}, **own}


@pytest.fixture(autouse=True)
def filters(monkeypatch):
    """The filters of the collection, which no loader finds outside of a playbook."""
    monkeypatch.setattr(cluster_hosts.inheritance, "prepare", lambda: None)
    own = {f"k3a.cluster.{name}": found for module in (cluster_hosts, cluster_servers) for name, found in module.FilterModule().filters().items()}
    found = JinjaPluginIntercept.__getitem__
    monkeypatch.setattr(JinjaPluginIntercept, "__getitem__", lambda self, key: own[key] if key in own else found(self, key))
    known = JinjaPluginIntercept.__contains__
    monkeypatch.setattr(JinjaPluginIntercept, "__contains__", lambda self, key: key in own or known(self, key))


@pytest.mark.parametrize("name, nobody_named", [("join", "localhost"), ("reset", "server:agent")])
def test_a_machine_leaves_by_the_name_by_which_it_joined_and_never_by_mistake(name, nobody_named):
    hosts, own = trust_as_template(play(name)["hosts"]), variables_of(name)
    meant = [Templar(DataLoader(), {**own, **given}).template(hosts) for given in ({}, {"join_hosts": "localhost"})]
    assert meant == [nobody_named, "localhost"]


@pytest.mark.parametrize(
    "groups, hosts, goes",
    [
        ({"server": ["s1", "s2"], "agent": ["a1"]}, ["s1", "s2", "a1"], True),
        ({"server": ["s1", "s2"], "agent": ["a1"]}, ["s1", "a1"], False),
        ({"server": ["s1"]}, ["localhost"], False),
        ({"server": []}, ["localhost"], False),
        ({}, ["localhost"], False),
    ],
)
def test_the_administrators_kubeconfig_goes_with_the_last_server(groups, hosts, goes):
    (task,) = [task for task in play("reset")["tasks"] if "k3a.cluster.admin_kubeconfig" in task]
    templar = Templar(DataLoader(), {**variables_of("reset"), "groups": groups, "ansible_play_hosts": hosts})
    assert templar.evaluate_conditional(trust_as_template(task["when"])) is goes


def test_the_inventory_of_test_nodes_is_read_as_it_was_meant(tmp_path):
    path = tmp_path / "hosts"
    nodes = sets.wanted_nodes("k3a", 1, 2, "10.89.4.0/24")
    path.write_text(sets.inventory(nodes, {"k3a_manage_conntrack": False}, str(tmp_path)))
    manager = InventoryManager(DataLoader(), sources=[str(path)])
    groups = manager.get_groups_dict()
    assert groups["server"] == ["k3a-server-1"]
    assert groups["agent"] == ["k3a-agent-1", "k3a-agent-2"]
    assert manager.get_host("k3a-agent-2").vars["ansible_host"] == "10.89.4.102"
    variables = manager.groups["all"].vars
    assert variables["k3a_manage_conntrack"] is False
    assert variables["ansible_user"] == "k3a"
    assert f"UserKnownHostsFile={tmp_path}/known_hosts" in variables["ansible_ssh_common_args"]


# What makes the bundle and the test nodes works for the controller itself.
FOR_THE_CONTROLLER = {"bundle.yml", "test_nodes.yml", "test_nodes_absent.yml"}


def test_nothing_that_looks_after_a_cluster_runs_on_the_controller_as_a_host():
    """Variables of the inventory would count there: ansible_become makes root of an operator's own tasks."""
    found = [path for folder in ("playbooks", "roles") for path in sorted((ROOT / folder).rglob("*.yml"))]
    tasks = [path for path in found if path.name not in FOR_THE_CONTROLLER and "meta" not in path.parts]
    assert len(tasks) > 20
    assert [path.name for path in tasks if "delegate_to: localhost" in path.read_text()] == []
