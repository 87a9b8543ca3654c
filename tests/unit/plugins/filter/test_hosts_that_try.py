# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.filter.hosts_in import NOBODY
from ansible_collections.k3a.cluster.plugins.filter.hosts_that_try import FilterModule

hosts_that_try = FilterModule().filters()["hosts_that_try"]
GROUPS = {"all": ["s1", "s2", "a1"], "server": ["s1", "s2"], "agent": ["a1"]}


def test_they_are_those_of_the_plan():
    plan = {"hosts": {"s2": {}, "a1": {}}}
    # The first host has left the run before there was a plan.
    hostvars = {"s1": {}, "s2": {"_k3a_port_plan": plan}, "a1": {"_k3a_port_plan": plan}}
    assert hosts_that_try({"hostvars": hostvars}, GROUPS) == ["s2", "a1"]


def test_without_a_plan_or_anybody_in_it_nobody_does():
    assert hosts_that_try({}, GROUPS) == NOBODY
    assert hosts_that_try({"hostvars": {"s1": {"_k3a_port_plan": {"hosts": {}}}}}, GROUPS) == NOBODY
    assert hosts_that_try({"hostvars": {"s1": {"_k3a_port_plan": {"failed": True}}}}, GROUPS) == NOBODY
