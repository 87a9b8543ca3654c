# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.k3a.cluster.plugins.modules import check_removal


def playbook():
    plays = yaml.safe_load((Path(check_removal.__file__).parents[2] / "playbooks/remove_node.yml").read_text())
    return plays[-1]["tasks"]


def test_the_documentation_stands_for_an_action():
    documented = yaml.safe_load(check_removal.DOCUMENTATION)
    assert documented["module"] == "check_removal"
    assert documented["options"].keys() == {"names", "host_reports", "server_reports"}


def test_the_example_is_what_the_playbook_does():
    (example,) = yaml.safe_load(check_removal.EXAMPLES)
    (task,) = [task for task in playbook() if "k3a.cluster.check_removal" in task]
    options, shown = task["k3a.cluster.check_removal"], example["k3a.cluster.check_removal"]
    assert options.keys() == shown.keys() and options["server_reports"] == shown["server_reports"]
    assert task["run_once"] is True and example["run_once"] is True


def test_nothing_is_changed_before_the_judgement():
    names = [next(key for key in task if key.startswith("k3a.cluster.")) for task in playbook()[:4]]
    assert names == [f"k3a.cluster.{name}" for name in ("options", "check_config", "server_info", "check_removal")]
