# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import flannel
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    component_of_step,
    content_of,
    directives,
    own_options,
    params_for,
    programs_elsewhere,
    unknown_flags,
)

HANDED = "/run/credentials/k3a-flannel.service"
ETC = "/var/lib/k3a/agent/etc"


def component_of(**given):
    params = params_for(flannel, server_url="https://10.0.0.1:6443", **given)
    return flannel.flannel_component(params, "w1", ["10.0.0.2"])


@pytest.mark.parametrize(
    "cidrs, expected",
    [
        (["10.42.0.0/16"], ("10.42.0.0/16", True, "::/0", False)),
        (["fd00:42::/56"], ("0.0.0.0/0", False, "fd00:42::/56", True)),
        (["10.42.0.0/16", "fd00:42::/56"], ("10.42.0.0/16", True, "fd00:42::/56", True)),
        (["fd00:42::/56", "10.42.0.0/16"], ("10.42.0.0/16", True, "fd00:42::/56", True)),
    ],
)
def test_the_network_in_each_family(cidrs, expected):
    written = json.loads(content_of(component_of(cluster_cidr=cidrs), f"{ETC}/flannel/net-conf.json"))
    assert tuple(written[key] for key in ("Network", "EnableIPv4", "IPv6Network", "EnableIPv6")) == expected


@pytest.mark.parametrize(
    "backend, expected",
    [
        ("vxlan", {"Type": "vxlan"}),
        ("host-gw", {"Type": "host-gw"}),
        ("wireguard-native", {"Type": "wireguard", "PersistentKeepaliveInterval": 25}),
    ],
)
def test_backends_have_k3s_s_names(backend, expected):
    written = json.loads(content_of(component_of(backend=backend), f"{ETC}/flannel/net-conf.json"))
    assert written["Backend"] == expected


@pytest.mark.parametrize("mode, nftables", [("nftables", True), ("iptables", False)])
def test_rules_are_written_with_the_tool_that_kube_proxy_uses(mode, nftables):
    component = component_of(proxy_mode=mode)
    assert json.loads(content_of(component, f"{ETC}/flannel/net-conf.json"))["EnableNFTables"] is nftables
    portmap = json.loads(content_of(component, f"{ETC}/flannel/cni.conflist"))["plugins"][1]
    assert (portmap["type"], portmap["backend"]) == ("portmap", mode)


def test_the_cni_template_leaves_the_subnet_to_flannel():
    template = json.loads(
        content_of(component_of(cluster_cidr=["10.42.0.0/16", "fd00:42::/56"]), f"{ETC}/flannel/cni.conflist")
    )
    bridge = template["plugins"][0]
    assert bridge["ipam"] == {
        "type": "host-local",
        "ranges": [],
        "routes": [{"dst": "10.42.0.0/16"}, {"dst": "fd00:42::/56"}],
    }
    assert (bridge["bridge"], bridge["isDefaultGateway"], bridge["hairpinMode"]) == ("cni0", True, True)


def test_the_arguments():
    unit = component_of().unit
    assert command(unit) == [
        f"{BUNDLE}/bin/flanneld",
        f"--cni-conf-file={ETC}/cni/net.d/10-flannel.conflist",
        f"--cni-conf-template={HANDED}/template",
        "--iface=10.0.0.2",
        f"--kubeconfig-file={HANDED}/kubeconfig",
        f"--net-config-path={HANDED}/network",
        "--subnet-file=/run/flannel/subnet.env",
    ]
    assert unknown_flags(unit) == []
    assert "NODE_NAME=w1" in directives(unit)["Environment"]
    assert "--iface=eth1" in command(component_of(iface="eth1").unit)


def test_it_is_not_root_and_is_handed_what_is_root_s():
    component = component_of()
    found = directives(component.unit)
    assert (found["User"], found["SupplementaryGroups"]) == (["flannel"], ["kube-proxy"])
    assert "client.key:/var/lib/k3a/agent/tls/client-flannel.key" in found["LoadCredential"]
    assert {(file.owner, file.mode) for file in component.files} == {("root", 0o600)}
    assert f"client-certificate: {HANDED}/client.crt" in content_of(component, f"{ETC}/flannel/kubeconfig")


def test_a_certificate_that_is_about_to_be_renewed_restarts_it():
    path = "/var/lib/k3a/agent/tls/client-flannel.crt"
    params = params_for(flannel, server_url="https://10.0.0.1:6443")
    given = (params, "w1", ["10.0.0.2"])
    said = [flannel.flannel_component(*given, pending).outdated[0]() for pending in ((), ["/other"], [path])]
    assert said == [None, None, f"it was handed another {path}"]
    assert component_of().inputs == ("/var/lib/k3a/agent/tls/server-ca.crt",)


def test_what_flannel_writes_is_not_what_we_write_and_its_directory_is_open_to_it():
    component = component_of()
    written = {file.path for file in component.files}
    assert not written & set(component.generated)
    assert f"{ETC}/cni/net.d" in directives(component.unit)["ReadWritePaths"]
    assert [(each.path, each.owner) for each in component.directories] == [(f"{ETC}/cni/net.d", "flannel")]


GIVEN = {"server_url": "https://10.0.0.1:6443", "node_ip": ["10.0.0.2"]}
OTHERS = {
    "environment": {"GODEBUG": "netdns=go"},
    "v": 4,
    "backend": "host-gw",
    "bundle": "/var/lib/k3a/data/def",
    "cluster_cidr": ["10.44.0.0/16"],
    "data_dir": "/srv/k3a",
    "iface": "eth1",
    "node_ip": ["10.0.0.3"],
    "node_name": "another",
    "programs": programs_elsewhere(),
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
