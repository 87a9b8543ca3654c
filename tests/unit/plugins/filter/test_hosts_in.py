# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.k3a.cluster.plugins.filter.hosts_in import NOBODY, FilterModule

hosts_in = FilterModule().filters()["hosts_in"]
GROUPS = {"all": ["s1", "a1", "a2"], "server": ["s1"], "k3a_new": ["a2"], "k3a_changing": ["s1", "a1"]}


@pytest.mark.parametrize(
    "names, without, hosts",
    [
        (["k3a_new"], [], ["a2"]),
        (["k3a_new", "k3a_changing"], [], ["s1", "a1", "a2"]),
        (["k3a_changing"], ["server"], ["a1"]),
        (["k3a_changing", "all"], [], ["s1", "a1", "a2"]),
        (["k3a_changing"], ["none_such"], ["s1", "a1"]),
        (["none_such", "k3a_new"], [], ["a2"]),
        (["none_such"], [], NOBODY),
        (["k3a_changing"], ["all"], NOBODY),
        ([], [], NOBODY),
    ],
)
def test_hosts_of_groups_less_those_of_others(names, without, hosts):
    assert hosts_in(GROUPS, names, without) == hosts


def test_one_host_that_has_no_part_in_a_play_keeps_it_from_ending_the_playbook():
    groups = {**GROUPS, "k3a_settled": ["a2", "a1"]}
    assert hosts_in(groups, ["k3a_changing"], along_with="k3a_settled") == ["s1", "a1", "a2"]
    assert hosts_in(groups, ["none_such"], along_with="k3a_settled") == NOBODY
    assert hosts_in(groups, ["k3a_new"], along_with="none_such") == ["a2"]


def test_servers_come_first_and_in_the_inventorys_order_whoever_answered_first():
    servers = ["s1", "s2", "s3"]
    groups = {"all": ["a1", *servers], "server": servers, "agent": ["a1"], "k3a_new": ["s3", "a1", "s2", "s1"]}
    assert hosts_in(groups, ["k3a_new"]) == ["s1", "s2", "s3", "a1"]


def test_where_there_is_nobody_no_host_matches(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("[server]\ns1\n[agent]\na1\n")
    assert InventoryManager(DataLoader(), sources=[str(path)]).list_hosts(NOBODY) == []
