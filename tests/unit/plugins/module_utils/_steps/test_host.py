# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils import _drift as drift
from ansible_collections.k3a.cluster.plugins.module_utils._steps import host


@pytest.fixture
def seen(monkeypatch):
    """The hosts that were compared with this one, which is left alone."""
    compared = []

    def make_plan(wanted):
        compared.append(wanted)
        raise host.host.HostError("the module vxlan is not there")

    monkeypatch.setattr(host.host, "make_plan", make_plan)
    return compared


@pytest.mark.parametrize("cidrs, ipv6", [(["10.42.0.0/16"], False), (["10.42.0.0/16", "fd00:42::/56"], True)])
def test_the_options_reach_the_host(seen, cidrs, ipv6):
    drift.check("host", {"data_dir": "/srv/k3a", "cluster_cidr": cidrs})
    (wanted,) = seen
    assert wanted.record == "/srv/k3a/host.json"
    assert "/srv/k3a" in [directory.path for directory in wanted.directories]
    assert ("net.ipv6.conf.all.forwarding" in wanted.settings) is ipv6


def test_what_a_host_lacks_is_one_sentence(seen):
    assert drift.check("host", {}) == {"failed": True, "msg": "the module vxlan is not there"}
