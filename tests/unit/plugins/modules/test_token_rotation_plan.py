# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.k3a.cluster.plugins.modules import token_rotation_plan


def test_the_documentation_stands_for_an_action():
    documented = yaml.safe_load(token_rotation_plan.DOCUMENTATION)
    assert documented["module"] == "token_rotation_plan"
    assert documented["options"].keys() == {"observations", "servers", "operator_token"}


def test_the_playbook_plans_once_before_anything_is_changed():
    plays = yaml.safe_load((Path(token_rotation_plan.__file__).parents[2] / "playbooks/rotate_token.yml").read_text())
    tasks = plays[-1]["tasks"]
    names = [next(key for key in task if key.startswith("k3a.cluster.")) for task in tasks[:3]]
    assert names == [f"k3a.cluster.{name}" for name in ("options", "token_rotation_info", "token_rotation_plan")]
    assert tasks[2]["run_once"] is True
