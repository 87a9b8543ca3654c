# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._steps import kubelet
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    command,
    component_of_step,
    document,
    own_options,
)

GIVEN = {"server_url": "https://10.0.0.1:6443", "node_ip": ["10.0.0.2"], "resolv_conf": "/etc/resolv.conf"}
OTHERS = {
    "allow_cgroup_v1": True,
    "bundle": "/var/lib/k3a/data/def",
    "cluster_dns": ["10.43.0.11"],
    "cluster_domain": "another.local",
    "data_dir": "/srv/k3a",
    "extra_args": ["v=4"],
    "node_ip": ["10.0.0.3"],
    "node_labels": ["disk=ssd"],
    "node_name": "another",
    "node_taint": ["dedicated=db:NoSchedule"],
    "protect_kernel_defaults": True,
    "resolv_conf": "/etc/other.conf",
    "server_url": "https://10.0.0.9:6443",
    "service_cidr": ["10.45.0.0/16"],
}


@pytest.mark.parametrize("option", sorted(own_options(kubelet) - {"cluster_cidr"}))
def test_every_option_reaches_the_component(monkeypatch, option):
    usual = component_of_step(monkeypatch, "kubelet", **GIVEN)
    assert component_of_step(monkeypatch, "kubelet", **GIVEN) == usual
    assert component_of_step(monkeypatch, "kubelet", **{**GIVEN, option: OTHERS[option]}) != usual


def test_a_resolver_configuration_that_was_given_is_not_looked_for(monkeypatch):
    monkeypatch.setattr(kubelet.kubelet, "usable_resolv_conf", lambda: "/run/found.conf")
    for given, expected in (("/etc/resolv.conf", "/etc/resolv.conf"), ("", "/run/found.conf")):
        component = component_of_step(monkeypatch, "kubelet", **{**GIVEN, "resolv_conf": given})
        assert document(component, "/var/lib/k3a/agent/etc/kubelet.yaml")["resolvConf"] == expected


def test_a_node_with_the_hosts_name_overrides_nothing(monkeypatch):
    monkeypatch.setattr(kubelet.address, "host_name", lambda: "this-host")
    same, other = (component_of_step(monkeypatch, "kubelet", node_name=n, **GIVEN) for n in ("this-host", "w1"))
    assert not any("hostname-override" in word for word in command(same.unit))
    assert "--hostname-override=w1" in command(other.unit)


@pytest.mark.parametrize(
    "cidrs, ips",
    [
        (["10.42.0.0/16"], "10.0.0.2"),
        (["fd00:42::/56"], "fd00::2"),
        (["10.42.0.0/16", "fd00:42::/56"], "10.0.0.2,fd00::2"),
    ],
)
def test_the_nodes_own_addresses_are_those_of_the_clusters_families(monkeypatch, cidrs, ips):
    own = {4: "10.0.0.2", 6: "fd00::2"}
    monkeypatch.setattr(kubelet.address, "default_route_address", lambda _addresses, _table, family: own[family])
    component = component_of_step(monkeypatch, "kubelet", **{**GIVEN, "node_ip": [], "cluster_cidr": cidrs})
    assert f"--node-ip={ips}" in command(component.unit)
