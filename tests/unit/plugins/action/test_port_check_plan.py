# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.connection.local import Connection
from ansible_collections.k3a.cluster.plugins.action import port_check_plan as action

SETTINGS = {"cluster_cidr": ["10.42.0.0/16"], "flannel_backend": "vxlan", "https_listen_port": 6443}


@pytest.fixture
def plan():
    def run(reports, forks=5):
        task = Task()
        task.action, task.args = "k3a.cluster.port_check_plan", {"host_reports": reports}
        context = PlayContext()
        made = action.ActionModule(task, Connection(context), context, None, None, None)
        return made.run(task_vars={"ansible_forks": forks})

    return run


def looked(number, **facts):
    host = {"name": f"node-{number}", "server": True, "settings": SETTINGS}
    return {"host": host, "findings": [], "facts": {"node_name": f"node-{number}", "node_ips": [f"10.0.0.{number}"], **facts}}


def test_each_host_has_its_part(plan):
    found = plan([looked(1), looked(2)])
    assert found["changed"] is False and found["hosts"].keys() == {"node-1", "node-2"}
    assert found["hosts"]["node-1"]["meets"] is True
    assert plan([looked(1), looked(2)], forks=1)["hosts"]["node-1"]["meets"] is False


def test_a_host_on_which_no_module_could_run_has_none(plan):
    assert plan([looked(1), {**looked(2), "facts": {}}])["hosts"] == {}


def test_a_report_of_another_form_is_told(plan):
    assert "what node-1 says cannot be used" in plan([looked(1, node_ips=["x"])])["msg"]
