# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.servers_to_ask import FilterModule

servers_to_ask = FilterModule().filters()["servers_to_ask"]
SERVERS = ["s1", "s2", "s3"]
NEW, INSTALLED = {"node_name": "n", "authority": ""}, {"node_name": "n", "authority": "abc"}


def asked(facts, hosts=(*SERVERS, "a1"), all_hosts=(*SERVERS, "a1")):
    hostvars = {host: {"_k3a_check": {"facts": facts[host]}} if host in facts else {} for host in SERVERS}
    return servers_to_ask(SERVERS, hostvars, hosts, all_hosts)


def test_all_that_have_a_cluster():
    assert asked({"s1": NEW, "s2": INSTALLED, "s3": INSTALLED}) == ["s2", "s3"]


def test_one_that_lacks_a_ca_gets_it_from_the_others():
    assert asked({"s1": {**INSTALLED, "lacks_ca": True}, "s2": NEW, "s3": INSTALLED}) == ["s3", "s1"]
    assert asked(dict.fromkeys(SERVERS, {**INSTALLED, "lacks_ca": True})) == SERVERS


def test_where_none_has_the_first_that_is_there():
    assert asked(dict.fromkeys(SERVERS, NEW)) == ["s1"]
    assert asked({"s2": NEW, "s3": NEW}, hosts=["s2", "s3"]) == ["s2"]


def test_those_that_this_run_does_not_look_at_may_have_one():
    assert asked({}, hosts=["a1"], all_hosts=["a1"]) == SERVERS
    assert asked({"s2": NEW}, hosts=["s2"], all_hosts=["s2"]) == ["s1", "s3"]


def test_one_that_left_the_run_is_not_asked_again():
    """Its look ended long ago, perhaps with what an earlier one had found."""
    assert asked({"s1": INSTALLED, "s2": INSTALLED}, hosts=["s2", "s3"]) == ["s2"]


@pytest.mark.parametrize("facts", [{}, {"s1": None, "s2": {}}, {"s1": {"authority": ""}}])
def test_one_on_which_no_module_could_run_is_not_asked(facts):
    assert asked(facts) == []


def test_without_servers_nobody_is_asked():
    assert servers_to_ask([], {}, ["a1"], ["a1"]) == []
