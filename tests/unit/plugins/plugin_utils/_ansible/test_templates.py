# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.templates import Templates

# What the task itself has.
PLUGIN = SimpleNamespace(_loader=DataLoader(), _templar=Templar(DataLoader(), {"name": "task", "own": 1}))


def templates(**variables):
    return Templates(PLUGIN, variables)


def test_a_structure_is_filled_in_with_the_variables_that_were_given():
    wanted = {"text": trust_as_template("{{ name }}"), "list": [trust_as_template("{{ port + 1 }}")], "plain": True}
    assert templates(name="given", port=1).value(wanted) == {"text": "given", "list": [2], "plain": True}


def test_the_tasks_own_variables_do_not_count():
    with pytest.raises(AnsibleUndefinedVariable):
        templates().value(trust_as_template("{{ own }}"))


def test_a_file_that_is_not_there_is_told_as_the_system_does(tmp_path):
    with pytest.raises(FileNotFoundError):
        templates().text(f"{tmp_path}/token")


def test_what_is_no_text_is_no_secret(tmp_path):
    (tmp_path / "token").write_bytes(b"caf\xe9")
    with pytest.raises(UnicodeDecodeError):
        templates().text(f"{tmp_path}/token")


def test_what_came_from_a_host_is_no_template():
    assert templates(name="given").value("{{ name }}") == "{{ name }}"


@pytest.mark.parametrize("conditions, met", [([], True), (["port > 0"], True), (["port > 0", "port > 1"], False)])
def test_all_conditions_have_to_be_met(conditions, met):
    assert templates(port=1).hold(map(trust_as_template, conditions)) is met
