# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter import cluster_hosts as filters

GROUPS = {"all": ["s1", "a1"], "server": ["s1"], "agent": ["a1"]}


@pytest.fixture
def cluster_hosts(monkeypatch):
    """What it prepares is for forks of a playbook, of which a test has none."""
    monkeypatch.setattr(filters.inheritance, "prepare", lambda: None)
    return filters.FilterModule().filters()["cluster_hosts"]


@pytest.mark.parametrize(
    "groups, everybody, servers",
    [
        (GROUPS, "server:agent", "server"),
        ({"server": ["s1"]}, "server", "server"),
        ({"k3a_server": ["s1"], "k3a_agent": ["a1"]}, "k3a_server:k3a_agent", "k3a_server"),
        ({**GROUPS, "k3a_agent": ["a2"]}, "server:agent:k3a_agent", "server"),
        ({"all": ["other"]}, filters.NOBODY, filters.NOBODY),
    ],
)
def test_the_groups_that_there_are(cluster_hosts, groups, everybody, servers):
    assert cluster_hosts(groups) == everybody
    assert cluster_hosts(groups, servers=True) == servers
