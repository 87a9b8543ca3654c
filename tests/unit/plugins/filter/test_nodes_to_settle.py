# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.nodes_to_settle import FilterModule

nodes_to_settle = FilterModule().filters()["nodes_to_settle"]
VERDICT = {
    "nodes": [
        {"host": "server-1", "name": "s1", "labels": ["a=b"], "taints": []},
        {"host": "agent-1", "name": "a1", "labels": [], "taints": []},
    ],
    "not_ready_nodes": [],
}
HOSTS = ("server-1", "agent-1")


def waited_for(verdict=None, hosts=HOSTS, **groups):
    return {node["name"]: node["wait"] for node in nodes_to_settle({**VERDICT, **(verdict or {})}, hosts, groups)}


def test_nodes_are_as_the_module_takes_them():
    assert nodes_to_settle(VERDICT, HOSTS, {}) == [
        {"name": "s1", "labels": ["a=b"], "taints": [], "wait": True},
        {"name": "a1", "labels": [], "taints": [], "wait": True},
    ]


def test_a_node_whose_host_left_the_run_is_not_described():
    assert waited_for(hosts=["server-1"]) == {"s1": True}
    assert waited_for(hosts=[]) == {}


def test_one_that_was_not_ready_is_waited_for_only_where_something_was_changed():
    away = {"not_ready_nodes": ["a1"]}
    assert waited_for(away) == {"s1": True, "a1": False}
    assert waited_for(away, k3a_settled=["agent-1"], k3a_changing=["server-1"]) == {"s1": True, "a1": False}


@pytest.mark.parametrize("group", ["k3a_new", "k3a_changing"])
def test_by_the_hosts_group_and_not_by_the_nodes_name(group):
    assert waited_for({"not_ready_nodes": ["a1"]}, **{group: ["agent-1"]})["a1"] is True
    assert waited_for({"not_ready_nodes": ["a1"]}, **{group: ["a1"]})["a1"] is False


def test_one_that_could_not_be_changed_is_not_described_and_one_that_was_left_alone_is_as_it_was():
    away = {"not_ready_nodes": ["a1"]}
    assert waited_for(k3a_changing=["agent-1"], k3a_failed=["agent-1"]) == {"s1": True}
    assert waited_for(away, k3a_changing=["agent-1"], k3a_left_alone=["agent-1"]) == {"s1": True, "a1": False}
