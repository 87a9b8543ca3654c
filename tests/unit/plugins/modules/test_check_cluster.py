# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import yaml
from ansible_collections.k3a.cluster.plugins.modules import check_cluster


def test_the_documentation_stands_for_an_action():
    documented = yaml.safe_load(check_cluster.DOCUMENTATION)
    assert documented["module"] == "check_cluster"
    # That they are those of the action is for its own test to say, which may import it.
    assert documented["options"].keys() == {"host_reports", "server_reports", "port_checks", "join_info"}


def test_the_example_is_what_the_playbook_does():
    (task,) = yaml.safe_load(check_cluster.EXAMPLES)
    assert task["run_once"] is True
    assert "_k3a_check" in task["k3a.cluster.check_cluster"]["host_reports"]
