# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import groups

SHORT = {"all": ["s1", "s2", "a1"], "server": ["s1", "s2"], "agent": ["a1"]}


def test_hosts_of_short_and_long_names_are_one():
    assert (groups.servers(SHORT), groups.agents(SHORT)) == (["s1", "s2"], ["a1"])
    both = {**SHORT, "k3a_server": ["s2", "s3"], "k3a_agent": ["a1", "a2"]}
    assert (groups.servers(both), groups.agents(both)) == (["s1", "s2", "s3"], ["a1", "a2"])


def test_a_group_that_is_not_there_has_nobody():
    assert groups.servers({}) == groups.agents({"all": ["a"]}) == []


def test_which_there_are():
    assert groups.existing(SHORT, ("server", "k3a_server", "agent")) == ["server", "agent"]


@pytest.mark.parametrize(
    "known, alone",
    [
        ({"server": ["a"]}, ["servers", "nodes"]),
        ({"server": ["a"], "agent": ["b"]}, ["servers"]),
        ({"k3a_server": ["a", "b"], "agent": ["c"]}, []),
        ({"server": ["a", "b"]}, []),
        ({"all": ["a"]}, []),
    ],
)
def test_the_groups_say_who_comes_to_a_host(known, alone):
    assert groups.without_peers(known) == alone
