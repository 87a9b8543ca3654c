# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import networks, spec, variables

DEFAULTS = {name: value for name, value in spec.defaults().items() if name not in ("k3a_bundle", "k3a_kubeconfig")}


def problems(**values):
    """What is wrong with these values among defaults, as name and message."""
    return [(f.name, f.message) for f in variables.variable_findings({**DEFAULTS, **values}, {})]


def messages(**values):
    return [message for _name, message in problems(**values)]


class TestNetworks:
    def test_two_stacks_are_fine(self):
        assert (
            problems(
                k3a_cluster_cidr=["10.42.0.0/16", "fd00:42::/56"], k3a_service_cidr=["10.43.0.0/16", "fd00:43::/112"]
            )
            == []
        )

    @pytest.mark.parametrize(
        "cidrs, message",
        [
            ([], "k3a_cluster_cidr is empty"),
            (["banana"], "k3a_cluster_cidr: 'banana' is not a network: it has no prefix length, as in 10.0.0.0/16"),
            (["10.42.0.1/16"], "k3a_cluster_cidr: '10.42.0.1/16' is not a network: 10.42.0.1/16 has host bits set"),
            (["10.42.0.0/255.255.0.0"], "k3a_cluster_cidr: '10.42.0.0/255.255.0.0' is not a network: it has no prefix"),
            (["10.42.0.0/33"], "k3a_cluster_cidr: '10.42.0.0/33' is not a network: "),
            (["10.42.0.0/16", "10.44.0.0/16"], "k3a_cluster_cidr has two networks of one family"),
        ],
    )
    def test_malformed(self, cidrs, message):
        assert messages(k3a_cluster_cidr=cidrs)[0].startswith(message)

    def test_overlapping(self):
        assert messages(k3a_service_cidr=["10.42.128.0/17"]) == ["the networks 10.42.0.0/16 and 10.42.128.0/17 overlap"]

    def test_of_other_families(self):
        assert messages(k3a_service_cidr=["fd00:43::/112"]) == ["k3a_cluster_cidr is IPv4 and k3a_service_cidr is IPv6"]

    @pytest.mark.parametrize("cidr", ["127.0.0.0/16", "169.254.0.0/16", "224.0.0.0/16"])
    def test_that_no_machine_is_in(self, cidr):
        assert messages(k3a_cluster_cidr=[cidr]) == [f"k3a_cluster_cidr {cidr} is no network of machines"]

    @pytest.mark.parametrize(
        "cidrs, arguments, message",
        [
            ("10.42.0.0/24", "", ""),
            ("10.0.0.0/11", "", ""),
            ("10.42.0.0/25", "", "10.42.0.0/25 is smaller than a node's share of it, a /24"),
            ("10.42.0.0/25", "node-cidr-mask-size=26", ""),
            ("10.42.0.0/25", "allocate-node-cidrs=false", ""),
            ("10.42.0.0/25", "node-cidr-mask-size-ipv4=26", ""),
            ("10.42.0.0/23", "node-cidr-mask-size-ipv4=22", "10.42.0.0/23 is smaller than a node's share of it, a /22"),
            ("10.42.0.0/16,fd00:42::/48", "", ""),
            ("10.42.0.0/16,fd00:42::/64", "", ""),
            ("10.42.0.0/16,fd00:42::/65", "", "fd00:42::/65 is smaller than a node's share of it, a /64"),
            (
                *("10.42.0.0/16,fd00::/32", ""),
                "fd00::/32 is too wide for kube-controller-manager to give each node a /64 of it",
            ),
            ("10.42.0.0/16,fd00::/32", "node-cidr-mask-size-ipv6=48", ""),
        ],
    )
    def test_that_cannot_be_divided_between_nodes(self, cidrs, arguments, message):
        services = ["192.168.0.0/16", "fd00:43::/112"][: cidrs.count(",") + 1]
        given = [arguments] if arguments else []
        found = messages(
            k3a_cluster_cidr=cidrs.split(","), k3a_service_cidr=services, k3a_kube_controller_manager_arg=given
        )
        assert found == ([f"k3a_cluster_cidr {message}"] if message else [])

    def test_too_small(self):
        assert messages(k3a_service_cidr=["10.43.0.0/29"]) == ["k3a_service_cidr 10.43.0.0/29 is too small"]

    def test_a_malformed_one_does_not_hide_the_others(self):
        found = problems(k3a_cluster_cidr=["nonsense"], k3a_service_cidr=["10.43.0.0/16"], k3a_cluster_dns=["10.0.0.1"])
        assert [name for name, _message in found] == ["k3a_cluster_cidr", "k3a_cluster_dns"]

    def test_a_network_of_one_address_is_told_of_beside_an_address_of_the_dns(self):
        found = messages(k3a_service_cidr=["255.255.255.255/32"], k3a_cluster_dns=["255.255.255.255"])
        assert found == ["k3a_service_cidr 255.255.255.255/32 is too small"]


class TestAddresses:
    def test_the_node_needs_the_clusters_families(self):
        assert messages(k3a_node_ip=["fd00::7"]) == [
            "k3a_node_ip fd00::7 is IPv6, and the cluster's networks are IPv4",
        ]
        assert messages(k3a_node_ip=["10.0.0.7", "fd00::7"]) == []

    def test_one_address_a_family(self):
        assert messages(k3a_node_ip=["10.0.0.7", "10.0.0.8", "fd00::7"]) == [
            "k3a_node_ip has two addresses of one family (10.0.0.7, 10.0.0.8)",
        ]
        assert messages(k3a_node_ip=["10.0.0.7", "10.0.0.8"]) == [
            "k3a_node_ip has two addresses of one family (10.0.0.7, 10.0.0.8)",
        ]

    @pytest.mark.parametrize("name", ["k3a_node_ip", "k3a_node_external_ip", "k3a_cluster_dns"])
    def test_what_is_no_address(self, name):
        assert f"{name}: '10.0.0.0/8' is not an IP address" in messages(**{name: ["10.0.0.0/8"]})

    def test_the_published_address_is_one(self):
        assert messages(k3a_advertise_address="api.example.org") == [
            "k3a_advertise_address: 'api.example.org' is not an IP address"
        ]
        assert messages(k3a_advertise_address="10.0.0.1") == []

    @pytest.mark.parametrize("name", ["k3a_node_ip", "k3a_node_external_ip", "k3a_advertise_address"])
    @pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0", "169.254.7.7", "224.0.0.1"])
    def test_at_which_nobody_reaches_a_machine(self, name, text):
        value = text if name == "k3a_advertise_address" else [text]
        assert messages(**{name: value}) == [f"{name} {text} is no address at which other hosts reach this one"]

    def test_the_published_address_is_of_the_family_of_the_first_service_network(self):
        two = {
            "k3a_cluster_cidr": ["10.42.0.0/16", "fd00:42::/56"],
            "k3a_service_cidr": ["10.43.0.0/16", "fd00:43::/112"],
        }
        assert messages(k3a_advertise_address="fd00::7", **two) == [
            "k3a_advertise_address fd00::7 is IPv6, and the first of k3a_service_cidr is 10.43.0.0/16"
        ]
        two = {name: value[::-1] for name, value in two.items()}
        assert messages(k3a_advertise_address="fd00::7", **two) == []

    def test_the_dns_lies_in_the_service_network(self):
        assert messages(k3a_cluster_dns=["10.44.0.10"]) == ["k3a_cluster_dns 10.44.0.10 lies outside k3a_service_cidr"]
        assert messages(k3a_cluster_dns=["10.43.0.1"]) == [
            "k3a_cluster_dns 10.43.0.1 is the address of the service kubernetes"
        ]
        assert messages(k3a_cluster_dns=["10.43.0.53"]) == []


@pytest.mark.parametrize(
    "given, iface, wanted",
    [
        (["192.0.2.7"], "eth1", ["192.0.2.7"]),
        ([], "eth1", ["192.168.56.10", "fd00::10"]),
        ([], "", []),
    ],
)
def test_flannels_interface_gives_the_node_its_addresses_where_none_are_given(given, iface, wanted):
    assert networks.node_ip(given, iface, ("192.168.56.10", "fd00::10")) == wanted
