# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and playbooks say in which order things happen. What is decided or computed is in plugins, where it is tested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
TASKS = sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/tasks/*.yml")])
FILES = sorted([*PLAYBOOKS, *TASKS, *ROOT.glob("roles/*/vars/*.yml")])
EXPRESSION = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.S)
# What holds expressions without braces.
BARE = ("when", "changed_when", "failed_when", "until", "break_when", "that")
MOST_FILTERS = 2


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def expressions(value: Any, bare: bool = False) -> Iterator[str]:
    """Every Jinja expression of a YAML document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from expressions(key)
            yield from expressions(item, key in BARE)
    elif isinstance(value, list):
        for item in value:
            yield from expressions(item, bare)
    elif isinstance(value, str):
        yield from [value] if bare else ("".join(found) for found in EXPRESSION.findall(value))


def outside_of_texts(expression: str) -> str:
    """An expression less what stands in quotes."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", "''", expression)


def steps(entries: list[dict[str, Any]], once: bool = False) -> Iterator[tuple[dict[str, Any], bool]]:
    """The tasks of a file, those of blocks too, and whether each runs once."""
    for entry in entries:
        runs_once = once or bool(entry.get("run_once"))
        nested = [part for part in ("block", "rescue", "always") if part in entry]
        yield {key: value for key, value in entry.items() if key not in nested}, runs_once
        for part in nested:
            yield from steps(entry[part], runs_once)


def steps_of(path: Path) -> Iterator[tuple[dict[str, Any], bool]]:
    for entry in yaml.safe_load(path.read_text()):
        if path in TASKS:
            yield from steps([entry])
            continue
        for part in ("pre_tasks", "tasks", "post_tasks", "handlers"):
            yield from steps(entry.get(part, []))
        once = {key: entry[key] for key in ("hosts", "serial") if key in entry}
        yield once, True
        yield {key: value for key, value in entry.items() if key not in once and not key.endswith(("tasks", "handlers"))}, False


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_expression_is_a_line_with_few_filters(path: Path) -> None:
    for expression in expressions(yaml.safe_load(path.read_text())):
        assert "\n" not in expression.strip(), expression
        assert outside_of_texts(expression).count("|") <= MOST_FILTERS, expression


@pytest.mark.parametrize("path", [*FILES, *sorted(ROOT.glob("roles/*/templates/*"))], ids=name_of)
def test_no_expression_has_a_default_of_its_own(path: Path) -> None:
    """A variable's default is in argument_specs, and a result has all its keys: those of a host that did not answer come
    from the verdict, or from a filter that is tested. argument_specs have one: inventory_dir is Ansible's, and may be
    undefined, None or the text None."""
    found = re.findall(r".*\|\s*(?:default|d)\b.*", path.read_text())
    assert not found, f"{name_of(path)}: give the value a name in a result of ours instead: {found}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_expression_stands_on_the_line_on_which_it_begins(path: Path) -> None:
    """YAML folds lines into one; who reads it does not."""
    comments_aside = re.sub(r"(?m)^\s*#.*$", "", path.read_text())
    assert comments_aside.count("{{") == sum(line.count("{{") for line in comments_aside.splitlines() if "}}" in line)
    for line in comments_aside.splitlines():
        assert line.count("{{") == line.count("}}"), line
        assert line.count("{%") == line.count("%}"), line
    assert not re.findall(rf"(?m)^\s*(?:- )?(?:{'|'.join(BARE)}): *[>|]", comments_aside)


@pytest.mark.parametrize("path", [*PLAYBOOKS, *TASKS], ids=name_of)
def test_variables_of_all_hosts_are_read_once_for_all(path: Path) -> None:
    """Each host reading those of each other makes a run of n hosts cost n * n."""
    for step, once in steps_of(path):
        for expression in expressions(step):
            text = outside_of_texts(expression)
            if once or "hostvars" not in text:
                continue
            # One host's variables, by its name, are no more than one look.
            assert not re.search(r"map\(|(?<!\[)\bhostvars\b(?!\[)", text), f"{step.get('name')}: {expression}"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=name_of)
def test_every_play_pins_its_strategy(path: Path) -> None:
    """The order of steps across hosts is part of what a play does; an operator's ansible.cfg must not change it."""
    for play in yaml.safe_load(path.read_text()):
        if "ansible.builtin.import_playbook" not in play:
            assert play.get("strategy") in ("linear", "host_pinned"), play.get("name")


@pytest.mark.parametrize("path", PLAYBOOKS, ids=name_of)
def test_what_changes_what_all_servers_share_holds_the_cluster(path: Path) -> None:
    """Members of etcd, nodes and the bootstrap record: two playbooks at once would each see half of the other's work.

    And a reset would take away what another one is just making.
    """
    text = path.read_text()
    first, *_others = yaml.safe_load(text)
    shared = ("etcd_member", "node_removal", "token_rotation", "bootstrap_record", "reset")
    roles = ("server", "addons")
    if any(f"k3a.cluster.{name}:" in text for name in shared) or any(f"name: k3a.cluster.{role}\n" in text for role in roles):
        assert first.get("ansible.builtin.import_playbook") == "lock.yml"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=name_of)
def test_no_play_gathers_facts_and_each_is_named(path: Path) -> None:
    for play in yaml.safe_load(path.read_text()):
        assert play.get("name")
        if "ansible.builtin.import_playbook" not in play:
            assert play.get("gather_facts") is False, play["name"]


def test_every_variable_of_ours_comes_from_somewhere() -> None:
    texts = {path: path.read_text() for path in [*FILES, *ROOT.glob("roles/*/templates/*")]}
    everything = "\n".join(re.sub(r"(?m)^\s*#.*$", "", text) for text in texts.values())
    made = set(re.findall(r"register: (_k3a\w*)", everything)) | set(re.findall(r"(?m)^\s*(_k3a\w*):", everything))
    made |= set(re.findall(r"{%-? (?:set|for) (_k3a\w*)", everything))
    assert set(re.findall(r"(?<![\w.'])_k3a\w*", everything)) <= made


# Included by a play for the controller itself.
OF_THE_CONTROLLER = {"build_component.yml"}


def entries_of(path: Path) -> Iterator[dict[str, Any]]:
    """The tasks and blocks of a file; of plays only those that run on hosts, and so of what they include."""
    for entry in yaml.safe_load(path.read_text()):
        if path in TASKS:
            if path.name not in OF_THE_CONTROLLER:
                yield entry
        elif entry.get("connection") != "local":
            yield from entry.get("tasks", [])


def runs_on_a_host(module: str) -> bool:
    """Whether a module of ours is more than its action on the controller."""
    action = ROOT / f"plugins/action/{module}.py"
    return not action.exists() or "_requires_connection = False" not in action.read_text()


@pytest.mark.parametrize("path", [*PLAYBOOKS, *TASKS], ids=name_of)
def test_what_runs_on_hosts_has_a_deadline(path: Path) -> None:
    """A host that dies in the middle of a task answers nothing, and its connection may never notice."""
    for entry in entries_of(path):
        bounded = entry.get("timeout")
        for step, _once in steps([entry]):
            modules = [key.removeprefix("k3a.cluster.") for key in step if key.startswith("k3a.cluster.")]
            if any(runs_on_a_host(module) for module in modules):
                assert bounded or step.get("timeout"), step["name"]


HARMLESS = {f"ansible.builtin.{name}" for name in ("debug", "fail", "group_by", "include_role", "include_tasks", "meta")}


@pytest.mark.parametrize("path", [*PLAYBOOKS, *TASKS], ids=name_of)
def test_no_host_answers_a_module_of_others(path: Path) -> None:
    """Ansible takes any key of their answers, facts that set variables of the play too; ours take those that are known."""
    for entry in entries_of(path):
        for step, _once in steps([entry]):
            foreign = {key for key in step if key.startswith("ansible.")}
            assert foreign <= HARMLESS, step["name"]


@pytest.mark.parametrize("role", ["addons", "agent", "server"])
def test_a_role_by_itself_names_its_playbook_and_does_nothing_else(role: str) -> None:
    """ansible-doc offers the entry point main of every role; what they need is what site.yml has found."""
    (task,) = yaml.safe_load((ROOT / f"roles/{role}/tasks/main.yml").read_text())
    assert f"k3a.cluster.{role} is a part of the playbook k3a.cluster.site" in task["ansible.builtin.fail"]["msg"]


INTERNALS = r"_low_level_execute_command|\b_templar\b|\._connection\b|_play_context|_final_q|CLIARGS|DEFAULT_LOCAL_TMP"


def test_internals_of_ansible_are_used_in_one_room() -> None:
    room = ROOT / "plugins/plugin_utils/_ansible"
    of_hosts = {ROOT / "plugins/module_utils", ROOT / "plugins/modules"}
    files = [path for path in ROOT.glob("plugins/**/*.py") if not of_hosts.intersection(path.parents)]
    users = [path for path in files if re.search(INTERNALS, path.read_text())]
    assert {path.parent for path in users} == {room}, users
