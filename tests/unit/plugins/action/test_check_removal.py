# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.connection.local import Connection
from ansible_collections.k3a.cluster.plugins.action import check_removal as action
from ansible_collections.k3a.cluster.plugins.modules import check_removal as module

GROUPS = {"server": ["s1", "s2", "s3"], "agent": ["a1"], "all": ["s1", "s2", "s3", "a1", "other"]}
HOSTVARS = {host: {"k3a_https_listen_port": "7443", "k3a_data_dir": f"/data/{host}"} for host in GROUPS["all"]}
NUMBERS = {"s1": 1, "s2": 2, "s3": 3, "a1": 11}


def looked(host: str) -> dict[str, Any]:
    ip = f"10.0.0.{NUMBERS[host]}"
    server = host in GROUPS["server"]
    about = {"name": host, "server": server, "api": f"{ip}:7443", "settings": {"https_listen_port": 7443}}
    return {"host": about, "facts": {"node_name": host, "node_ips": [ip], "load_balancer": True}}


def asked(host: str) -> dict[str, Any]:
    members = [
        {
            "id": str(number),
            "name": name,
            "peer_urls": [f"https://10.0.0.{number}:2380"],
            "client_urls": [f"https://10.0.0.{number}:2379"],
            "learner": False,
            "healthy": True,
        }
        for name, number in NUMBERS.items()
        if name != "a1"
    ]
    nodes = [{"name": name, "machine_id": "", "addresses": [f"10.0.0.{number}"]} for name, number in NUMBERS.items()]
    told = {"etcd_members": members, "nodes": nodes, "node_passwords": [], "ca_certificates": {"server": "PEM"}}
    return {"host": host, "healthy": True, "url": f"https://10.0.0.{NUMBERS[host]}:7443", **told}


@pytest.fixture
def judge() -> Any:
    def run(**arguments: Any) -> dict[str, Any]:
        task = Task()
        task.action, task.args = "k3a.cluster.check_removal", arguments
        context = PlayContext()
        plugin = action.ActionModule(task, Connection(context), context, None, None, None)
        return plugin.run(task_vars={"groups": GROUPS, "hostvars": HOSTVARS})

    return run


def test_a_dead_server_is_taken_out_of_the_list(judge: Any) -> None:
    reports = [looked("s2"), looked("s3"), looked("a1"), {"unreachable": True, "msg": "no route"}]
    found = judge(names="s1", host_reports=reports, server_reports=[asked("s2"), asked("s3")])
    assert not found.get("failed") and found["changed"] is False
    assert (found["nodes"], found["hosts"], found["members"], found["server"]) == (("s1",), (), ("s1",), "s2")
    assert found["servers"] == ["10.0.0.2:7443", "10.0.0.3:7443"]
    assert found["urls"] == ("https://10.0.0.2:7443", "https://10.0.0.3:7443")
    assert (found["server_data_dir"], found["https_listen_port"]) == ("/data/s2", 7443)


def test_a_server_that_was_not_looked_at_stays_in_the_list_by_its_member(judge: Any) -> None:
    found = judge(names=["s1", "a1"], host_reports=[looked("s1"), looked("s2")], server_reports=[asked("s1"), asked("s2")])
    assert (found["hosts"], found["servers"]) == (("s1",), ["10.0.0.2:7443", "10.0.0.3:7443"])


def test_names_with_commas(judge: Any) -> None:
    assert judge(names="s3, a1", host_reports=[], server_reports=[asked("s1")])["nodes"] == ("s3", "a1")


def test_a_refusal_is_one_sentence(judge: Any) -> None:
    found = judge(names="nobody", host_reports=[], server_reports=[asked("s1")])
    assert found["failed"] and found["msg"] == (
        "Nothing has been changed: there is no node nobody, or none any more; the nodes are a1, s1, s2, s3"
    )


def test_a_report_of_another_form_changes_nothing(judge: Any) -> None:
    found = judge(names="a1", host_reports=[], server_reports=[{**asked("s1"), "healthy": "yes"}])
    told = "what s1 says cannot be used: its healthy is 'yes', which is no bool"
    assert found["failed"] and found["msg"] == f"Nothing has been changed: {told}"


def test_options_and_results_are_those_that_are_documented(judge: Any) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {name: {k: v for k, v in option.items() if k != "description"} for name, option in documented.items()} == (
        action.OPTIONS
    )
    found = judge(names="a1", host_reports=[looked("a1")], server_reports=[asked("s1")])
    assert found.keys() - {"changed"} == yaml.safe_load(module.RETURN).keys()
