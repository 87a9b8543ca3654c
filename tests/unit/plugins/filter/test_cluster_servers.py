# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.filter.cluster_servers import FilterModule

cluster_servers = FilterModule().filters()["cluster_servers"]


def test_the_hosts_that_run_the_control_plane_in_their_order():
    assert cluster_servers({"all": ["a", "s"], "server": ["s2", "s1"], "agent": ["a"]}) == ["s2", "s1"]
    assert cluster_servers({"k3a_server": ["s1"], "server": ["s1", "s2"]}) == ["s1", "s2"]
    assert cluster_servers({"all": []}) == []
