# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._steps import flannel
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    command,
    component_of_step,
    directives,
    own_options,
)

GIVEN = {"server_url": "https://10.0.0.1:6443", "node_ip": ["10.0.0.2"]}
OTHERS = {
    "backend": "host-gw",
    "bundle": "/var/lib/k3a/data/def",
    "cluster_cidr": ["10.44.0.0/16"],
    "data_dir": "/srv/k3a",
    "iface": "eth1",
    "node_ip": ["10.0.0.3"],
    "node_name": "another",
    "proxy_mode": "iptables",
    "server_url": "https://10.0.0.9:6443",
}


@pytest.mark.parametrize("option", sorted(own_options(flannel)))
def test_every_option_reaches_the_component(monkeypatch, option):
    usual = component_of_step(monkeypatch, "flannel", **GIVEN)
    assert component_of_step(monkeypatch, "flannel", **GIVEN) == usual
    assert component_of_step(monkeypatch, "flannel", **{**GIVEN, option: OTHERS[option]}) != usual


def test_the_hosts_name_is_the_nodes_unless_it_has_another(monkeypatch):
    monkeypatch.setattr(flannel.address, "host_name", lambda: "this-host")
    assert "NODE_NAME=this-host" in directives(component_of_step(monkeypatch, "flannel", **GIVEN).unit)["Environment"]
    named = component_of_step(monkeypatch, "flannel", node_name="w1", **GIVEN)
    assert "NODE_NAME=w1" in directives(named.unit)["Environment"]


@pytest.mark.parametrize("cidrs, iface", [(["10.42.0.0/16"], "10.0.0.2"), (["fd00:42::/56"], "fd00::2")])
def test_the_nodes_own_addresses_are_those_of_the_clusters_families(monkeypatch, cidrs, iface):
    own = {4: "10.0.0.2", 6: "fd00::2"}
    monkeypatch.setattr(flannel.address, "default_route_address", lambda _addresses, _table, family: own[family])
    component = component_of_step(monkeypatch, "flannel", **{**GIVEN, "node_ip": [], "cluster_cidr": cidrs})
    assert f"--iface={iface}" in command(component.unit)
