# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every playbook has to say of its plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
PLAYS = [
    pytest.param(play, id=f"{path.stem}: {play['name']}")
    for path in sorted(PLAYBOOKS.glob("*.yml"))
    for play in yaml.safe_load(path.read_text())
    if play.get("become") is False
]


def test_there_are_plays_on_the_controller():
    assert PLAYS


@pytest.mark.parametrize("play", PLAYS)
def test_a_play_on_the_controller_becomes_nobody_whatever_the_inventory_says_of_all_hosts(play):
    """Of these two Ansible prefers the variable, which an inventory may set for all hosts."""
    assert play["vars"]["ansible_become"] is False


def roles_included(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All that tasks include of roles, in blocks too."""
    for task in tasks:
        for part in ("block", "rescue", "always"):
            yield from roles_included(task.get(part, []))
        yield from (
            task[name] for name in ("ansible.builtin.include_role", "ansible.builtin.import_role") if name in task
        )


def test_ansible_itself_judges_no_variable_so_that_all_come_from_the_check_at_once() -> None:
    """It judges those of an entry point that is called as the file of tasks: one after the other, in words of its own."""
    plays = [play for path in sorted(PLAYBOOKS.glob("*.yml")) for play in yaml.safe_load(path.read_text())]
    included = [role for play in plays for role in roles_included(play.get("tasks", []))]
    assert included and not any(play.get("roles") for play in plays)
    for role in included:
        path = spec.ROLES / role["name"].rpartition(".")[2] / "meta/argument_specs.yml"
        assert role.get("tasks_from", "main") not in spec.entry_points(path)
