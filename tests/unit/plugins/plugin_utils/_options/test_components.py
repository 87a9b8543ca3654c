# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import components, spec

DEFAULTS = {
    "k3a_https_listen_port": 6443,
    "k3a_lb_server_port": 6444,
    "k3a_flannel_backend": "vxlan",
    "k3a_cluster_cidr": ["10.42.0.0/16"],
}


def ports(roles, **values):
    """The ports of a host by protocol and number, with who has each."""
    return {
        (port["protocol"], port["number"]): port["program"]
        for each in components.components({**DEFAULTS, **values}, roles)
        for port in each["ports"]
    }


def test_the_components_travel_as_json():
    known = components.components(DEFAULTS, ["server", "agent"])
    assert json.loads(json.dumps(known)) == known
    assert [each["name"] for each in known if each["routes"]] == ["flannel"]


def test_the_arguments_are_those_of_the_host_with_the_user_who_reads_what_they_name():
    given = {"k3a_kube_scheduler_arg": ["config=/etc/scheduler.yaml"], "k3a_kubelet_arg": ["config=/etc/kubelet.yaml"]}
    for roles, server in ((["server"], True), (["agent"], False)):
        known = {each["name"]: each for each in components.components({**DEFAULTS, **given}, roles)}
        scheduler, kubelet = known["scheduler"], known["kubelet"]
        assert scheduler["arguments"] == (["config=/etc/scheduler.yaml"] if server else [])
        assert kubelet["arguments"] == ([] if server else ["config=/etc/kubelet.yaml"])
        assert (scheduler["configuration"], kubelet["configuration"]) == ("config", "")
        assert (scheduler["users"], kubelet["users"]) == ((["kube-scheduler"] if server else []), [])


def test_a_host_has_the_ports_of_its_roles():
    server, agent = ports(["server"]), ports(["agent"])
    assert server[("tcp", 2379)] == "etcd" and ("tcp", 2379) not in agent
    assert agent[("tcp", 10250)] == "kubelet" and ("tcp", 10250) not in server
    assert ports(["server", "agent"]) == {**server, **agent}
    assert ports([]) == {}


def test_the_ports_with_what_their_components_say_of_them():
    found = components.ports_for({"k3a_https_listen_port": 7443, "k3a_flannel_backend": "vxlan"}, ["server", "agent"])
    assert {number for port, number in found if port.reach != "loopback"} == {2379, 2380, 7443, 10250, 8472}
    assert {number for port, number in components.ports_for({}, ["agent"]) if port.reach == "nodes"} == {10250}


def test_a_host_has_the_users_of_its_roles():
    """On others nothing runs as them, whoever else has such a name."""
    users = {
        role: {user for each in components.components(DEFAULTS, [role]) for user in each["users"]}
        for role in ("server", "agent")
    }
    assert {"etcd", "kube"} <= users["server"] and users["agent"] == {"flannel", "kube-proxy"}


def test_every_component_is_told_whatever_the_roles_are():
    """What was installed on a host in another role is found, too."""
    assert [each["name"] for each in components.components(DEFAULTS, [])] == [
        each["name"] for each in components.components(DEFAULTS, ["server", "agent"])
    ]


def test_a_variable_moves_a_port():
    moved = ports(["server", "agent"], k3a_https_listen_port=7443, k3a_lb_server_port=7444)
    assert (moved[("tcp", 7443)], moved[("tcp", 7444)]) == ("kube-apiserver", "k3a-load-balancer")
    assert ("tcp", 6443) not in moved and ("tcp", 6444) not in moved


def test_a_variable_that_is_of_no_use_moves_nothing():
    known = components.components({"k3a_flannel_backend": "vxlan"}, ["server"])
    assert 6443 in {port["number"] for each in known for port in each["ports"]}


@pytest.mark.parametrize("backend, number", [("vxlan", 8472), ("wireguard-native", 51820), ("host-gw", 0), ("none", 0)])
def test_the_tunnel_has_the_port_of_its_backend(backend, number):
    udp = [number for protocol, number in ports(["agent"], k3a_flannel_backend=backend) if protocol == "udp"]
    assert udp == ([number] if number else [])


@pytest.mark.parametrize(
    "cidrs, numbers", [(["10.42.0.0/16"], [51820]), (["fd00::/56"], [51821]), (["10.42.0.0/16", "fd00::/56"], [51820, 51821])]
)
def test_wireguard_has_a_port_for_each_family_of_pods(cidrs, numbers):
    known = ports(["agent"], k3a_flannel_backend="wireguard-native", k3a_cluster_cidr=cidrs)
    assert [number for protocol, number in known if protocol == "udp"] == numbers


def test_the_variables_that_components_declare_are_those_of_the_roles():
    known = spec.specification()
    assert set(components.PORTS) <= set(known)
    assert set(components.ARGUMENTS) == {name for name in known if name.endswith("_arg")}
    conditions = {f"k3a_{port.when[0]}" for _each, port in components._ALL if port.when[0]}
    assert conditions <= set(known)


@pytest.mark.parametrize(
    "variable, number, other",
    [
        ("k3a_https_listen_port", 6443, ""),
        ("k3a_https_listen_port", 2379, "etcd"),
        ("k3a_https_listen_port", 8472, ""),
        ("k3a_https_listen_port", 6444, ""),
        ("k3a_lb_server_port", 6443, "k3a_https_listen_port"),
        ("k3a_lb_server_port", 6445, "k3a-load-balancer"),
        ("k3a_lb_server_port", 10250, "kubelet"),
    ],
)
def test_two_do_not_listen_on_one_port(variable, number, other):
    assert components.also_on(variable, {**DEFAULTS, variable: number}) == other
