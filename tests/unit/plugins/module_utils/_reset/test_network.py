# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import Route
from ansible_collections.k3a.cluster.plugins.module_utils._reset import network

ROUTES = [
    Route("eth0", "0.0.0.0/0", 0, "10.89.4.1"),
    Route("eth0", "10.89.4.0/24", 0),
    Route("cni0", "10.42.1.0/24", 0),
    Route("flannel.1", "10.42.0.0/24", 0, "10.42.0.0"),
    Route("eth0", "10.42.7.0/24", 0, "10.89.4.17"),
    Route("eth0", "fd42:0:0:7::/64", 1024, "fd00::17"),
]


def test_interfaces_are_those_of_the_pod_network_and_the_ends_of_the_pods(tmp_path):
    for name in ("cni0", "docker0", "eth0", "flannel.1", "veth1", "veth2"):
        (tmp_path / name).mkdir()
    (tmp_path / "veth1/master").symlink_to("../cni0")
    (tmp_path / "veth2/master").symlink_to("../docker0")
    assert network.interfaces(str(tmp_path)) == ["cni0", "flannel.1", "veth1"]


def test_routes_of_host_gw_stay_when_our_interfaces_go():
    found = network.lasting_routes(ROUTES, ["10.42.0.0/16", "fd42::/48"], ["cni0", "flannel.1"])
    assert [route.network for route in found] == ["10.42.7.0/24", "fd42:0:0:7::/64"]


def test_routes_of_a_host_that_flannel_told_nothing_stay():
    assert network.lasting_routes(ROUTES, [], []) == []


def test_a_request_names_destination_and_interface():
    request = network.route_request(ROUTES[4], 3)
    assert request[:2] == bytes([socket.AF_INET, 24])
    assert socket.inet_aton("10.42.7.0") in request
    assert request.endswith(struct.pack("=HHI", 8, 4, 3))


def test_an_interface_that_has_gone_is_no_error():
    network.delete_interface("k3a-never0")


def test_the_kernel_s_refusal_is_an_error():
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE).close()
    except OSError:
        pytest.skip("no netlink here")
    with pytest.raises(OSError, match=r"."):
        network._ask(network._DELETE_LINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0))
