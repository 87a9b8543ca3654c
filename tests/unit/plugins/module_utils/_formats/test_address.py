# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import Address, AddressError, Route

# The answer of a kernel to RTM_GETADDR: lo and eth0, each with IPv4 and IPv6.
DUMP = bytes.fromhex(
    "4c0000001400020001000000bb4a0000020880fe01000000080001007f000001080002007f000001070003006c6f0000080008008000000014"
    "000600ffffffffffffffff1400000014000000580000001400020001000000bb4a00000218800004000000080001"
    "00c000020208000200c000020208000400c00002ff090003006574683000000000080008008000000014000600ffffffffffffffff14000000"
    "14000000500000001400020001000000bb4a00000a8080fe010000001400010000000000000000000000000000000001"
    "14000600ffffffffffffffff1400000014000000080008008000000005000b0001000000480000001400020001000000bb4a00000a40820004"
    "00000014000100fd00000000000000000000000000000214000600ffffffffffffffff1400000014000000080008008200"
    "0000500000001400020001000000bb4a00000a4080fd0400000014000100fe8000000000000000fc00fffe00000114000600ffffffffffff"
    "ffff1400000014000000080008008000000005000b0003000000140000000300020001000000bb4a000000000000"
)
INTERFACES = {1: "lo", 4: "eth0"}

IPV4 = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100590A	0003	0	0	100	00000000	0	0	0
eth1	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth0	0000590A	00000000	0001	0	0	0	00FFFFFF	0	0	0
cni0	00002A0A	00000000	0001	0	0	0	00FFFFFF	0	0	0
gone0	0000000A	00000000	0000	0	0	0	000000FF	0	0	0
"""
IPV6 = """\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo
fd000000000000000000000000000002 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001     eth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
"""  # noqa: E501
TWO_UPLINKS = [
    Address("lo", "127.0.0.1", 8, False),
    Address("eth1", "192.168.1.7", 24, True),
    Address("eth0", "10.89.0.11", 24, True),
    Address("eth0", "10.89.0.99", 24, False),
    Address("cni0", "10.42.0.1", 24, True),
]


class TestNetworks:
    @pytest.mark.parametrize("text, family", [("10.42.0.0/16", 4), ("10.0.0.1", 4), ("fd00:42::/56", 6), ("::1", 6)])
    def test_family(self, text, family):
        assert address.family(text) == family

    def test_what_is_no_address_is_named(self):
        with pytest.raises(AddressError, match="'ten' is not an IP address or network"):
            address.family("ten")

    def test_families_keep_the_order_of_the_networks(self):
        assert address.families(["fd00:42::/56", "10.42.0.0/16", "10.44.0.0/16"]) == [6, 4]

    @pytest.mark.parametrize(
        "cidr, index, ip",
        [
            ("10.43.0.0/16", address.KUBERNETES_SERVICE, "10.43.0.1"),
            ("10.43.0.0/16", address.CLUSTER_DNS_SERVICE, "10.43.0.10"),
            ("fd00:43::/112", address.CLUSTER_DNS_SERVICE, "fd00:43::a"),
        ],
    )
    def test_service_ip(self, cidr, index, ip):
        assert address.service_ip(cidr, index) == ip

    def test_a_service_network_may_be_too_small(self):
        with pytest.raises(AddressError, match="10.43.0.0/29 has no 10th address"):
            address.service_ip("10.43.0.0/29", 10)

    def test_cluster_dns_is_as_configured_or_the_tenth_address_of_each_family(self):
        assert address.cluster_dns([], ["10.43.0.0/16", "fd00:43::/112"]) == ["10.43.0.10", "fd00:43::a"]
        assert address.cluster_dns(["10.43.0.53"], ["10.43.0.0/16"]) == ["10.43.0.53"]

    @pytest.mark.parametrize(
        "cidr, problem",
        [
            ("10.42.0.1/16", "host bits"),
            ("10.42.0.0", "no prefix length"),
            ("10.42.0.0/255.255.0.0", "no prefix length"),
            ("10.42.0.0/16\n", "no prefix length"),
        ],
    )
    def test_a_slip_in_a_network_is_refused(self, cidr, problem):
        with pytest.raises(AddressError, match=problem):
            address.network(cidr)

    @pytest.mark.parametrize(
        "ip, is_one",
        [("10.0.0.1", True), ("fd00::1", True), ("127.0.0.1", False), ("::", False), ("fe80::1", False), ("ff02::1", False)],
    )
    def test_at_which_addresses_others_reach_a_machine(self, ip, is_one):
        assert address.is_of_a_machine(ipaddress.ip_address(ip)) == is_one

    def test_overlaps_are_found_within_a_family(self):
        cidrs = ["10.42.0.0/16", "10.43.0.0/16", "10.42.128.0/17", "::/0"]
        assert address.overlaps(cidrs) == [("10.42.0.0/16", "10.42.128.0/17")]


class TestKernelTables:
    def test_addresses_of_a_dump(self):
        assert address.parse_addresses(DUMP, INTERFACES) == [
            Address("lo", "127.0.0.1", 8, False),
            Address("eth0", "192.0.2.2", 24, True),
            Address("lo", "::1", 128, False),
            Address("eth0", "fd00::2", 64, True),
            Address("eth0", "fe80::fc:ff:fe00:1", 64, False),
        ]

    def test_an_interface_that_went_away_meanwhile_is_left_out(self):
        assert {a.interface for a in address.parse_addresses(DUMP, {1: "lo"})} == {"lo"}

    def test_a_secondary_address_is_not_what_a_node_is_known_by(self):
        secondary = bytearray(DUMP[76:164])
        secondary[18] |= 0x01
        assert [a.primary for a in address.parse_addresses(bytes(secondary), INTERFACES)] == [False]

    def test_a_dump_cut_short_ends(self):
        assert len(address.parse_addresses(DUMP[:170], INTERFACES)) == 2

    def test_ipv4_routes(self):
        assert address.ipv4_routes(IPV4) == [
            Route("eth0", "0.0.0.0/0", 100, "10.89.0.1"),
            Route("eth1", "0.0.0.0/0", 600, "192.168.1.1"),
            Route("eth0", "10.89.0.0/24", 0, ""),
            Route("cni0", "10.42.0.0/24", 0, ""),
        ]

    def test_ipv6_routes_leave_out_local_multicast_and_reject_entries(self):
        assert address.ipv6_routes(IPV6) == [
            Route("eth0", "fd00::/64", 256, ""),
            Route("eth0", "fe80::/64", 256, ""),
            Route("eth0", "::/0", 1024, "fd00::1"),
        ]

    def test_a_kernel_without_ipv6_has_no_table(self):
        assert address.ipv6_routes("") == []


class TestNodeAddress:
    def test_the_default_route_with_the_smallest_metric_decides(self):
        assert address.default_route_address(TWO_UPLINKS, address.ipv4_routes(IPV4), 4) == "10.89.0.11"

    def test_each_family_has_a_default_route_of_its_own(self):
        addresses = address.parse_addresses(DUMP, INTERFACES)
        assert address.node_ips([], [4, 6], "", addresses, address.ipv4_routes(IPV4) + address.ipv6_routes(IPV6)) == [
            "192.0.2.2",
            "fd00::2",
        ]

    def test_a_host_without_default_route_is_known_by_its_only_address(self):
        only = [a for a in TWO_UPLINKS if a.interface != "eth1"]
        assert address.default_route_address(only, [], 4) == "10.89.0.11"

    def test_of_several_addresses_none_is_guessed(self):
        assert address.default_route_address(TWO_UPLINKS, [], 4) == ""

    def test_configured_addresses_are_taken_as_they_are(self):
        assert address.node_ips(["10.0.0.5"], [4], "", [], []) == ["10.0.0.5"]

    def test_an_interface_gives_its_own(self):
        assert address.node_ips([], [4], "eth1", TWO_UPLINKS, []) == ["192.168.1.7"]

    def test_what_is_missing_is_said(self):
        with pytest.raises(
            AddressError, match=r"no IPv6 address on the interface of the default route; set k3a_node_ip"
        ):
            address.node_ips([], [4, 6], "", TWO_UPLINKS, address.ipv4_routes(IPV4))
        with pytest.raises(AddressError, match="no IPv6 address on interface eth1"):
            address.node_ips([], [6], "eth1", TWO_UPLINKS, [])

    def test_this_very_machine_answers(self):
        loopback = Address("lo", "127.0.0.1", 8, False)
        assert loopback in address.node_addresses()


class TestNames:
    @pytest.mark.parametrize("name", ["", "node_1", "-node", "node.", "a..b", "n" * 254, "knoten-ä", "a\nb", "a\n", "a=b", "a,b"])
    def test_what_kubernetes_does_not_take(self, name):
        assert not address.valid_node_name(name)

    @pytest.mark.parametrize("name", ["node-1", "1", "node-1.example.org", "n" * 63])
    def test_what_kubernetes_takes(self, name):
        assert address.valid_node_name(name)

    @pytest.mark.parametrize("url", ["https://10.0.0.1:2380", "https://[fd00::1]:2380", "http://server-1.example.org"])
    def test_what_is_the_url_of_a_server(self, url):
        assert address.is_url(url)

    @pytest.mark.parametrize("url", ["", "10.0.0.1", "https://10.0.0.1:2380,", "https://a b", "https://a\n", "https://a/b", "https://a=b", "https://$A"])
    def test_what_is_none(self, url):
        assert not address.is_url(url)
