# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.k3a.cluster.plugins.modules import port_check, port_check_plan

PLAYBOOK = Path(port_check_plan.__file__).parents[2] / "playbooks/check_config.yml"


def test_the_documentation_stands_for_an_action():
    documented = yaml.safe_load(port_check_plan.DOCUMENTATION)
    assert documented["module"] == "port_check_plan" and documented["options"].keys() == {"host_reports"}


def test_what_it_says_is_what_the_module_takes():
    (sample,) = yaml.safe_load(port_check_plan.RETURN)["hosts"]["sample"].values()
    assert sample.keys() == port_check.OPTIONS.keys()


def test_the_playbook_plans_once_and_has_only_those_try_that_have_a_part_in_it():
    plays = yaml.safe_load(PLAYBOOK.read_text())
    (plan,) = [task for play in plays for task in play.get("tasks", ()) if "k3a.cluster.port_check_plan" in task]
    assert plan["run_once"] is True
    (play,) = [play for play in plays if any("k3a.cluster.port_check" in task for task in play.get("tasks", ()))]
    assert "hosts_that_try" in play["hosts"]
