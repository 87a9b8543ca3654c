# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The pod network's interfaces and routes on a node, and how they go: by netlink, since a host need not have ip."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import Route

INTERFACES, BRIDGES = registry.remains().interfaces, registry.remains().bridges

_DELETE_LINK, _DELETE_ROUTE = 17, 25
_REQUEST, _ACK = 1, 4
_ERROR = 2
_MAIN_TABLE = 254
_ANY_SCOPE = 255
_DESTINATION, _OUTPUT = 1, 4


def interfaces(sys_class_net: str = "/sys/class/net") -> list[str]:
    """The interfaces of the pod network: ours by name, and the host's ends of the pods' on our bridges."""
    present = os.listdir(sys_class_net)
    return [name for name in INTERFACES if name in present] + sorted(
        name for name in present if _bridge_of(f"{sys_class_net}/{name}") in BRIDGES
    )


def _bridge_of(interface: str) -> str | None:
    try:
        return os.path.basename(os.readlink(f"{interface}/master"))
    except OSError:
        return None


def lasting_routes(table: Iterable[Route], networks: Sequence[str], going: Sequence[str]) -> list[Route]:
    """The routes to pods of other nodes that stay when our interfaces go: those of the backend host-gw."""
    pods = [ipaddress.ip_network(network) for network in networks]
    candidates = [route for route in table if route.gateway and route.interface not in going]
    return [route for route in candidates if any(_within(route.network, network) for network in pods)]


def _within(text: str, pods: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    network = ipaddress.ip_network(text)
    return network.version == pods.version and network.subnet_of(pods)  # type: ignore[arg-type]


def delete_interface(name: str) -> None:
    """Take an interface away; its addresses and routes go along."""
    with contextlib.suppress(OSError):  # it went with its other end, or with its namespace
        index = socket.if_nametoindex(name)
        _ask(_DELETE_LINK, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0))


def delete_route(route: Route) -> None:
    """Take a route away."""
    _ask(_DELETE_ROUTE, route_request(route, socket.if_nametoindex(route.interface)))


def route_request(route: Route, index: int) -> bytes:
    """The kernel's description of a route to delete."""
    network = ipaddress.ip_network(route.network)
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    header = struct.pack("=BBBBBBBBI", family, network.prefixlen, 0, 0, _MAIN_TABLE, 0, _ANY_SCOPE, 0, 0)
    destination = _attribute(_DESTINATION, network.network_address.packed)
    return header + destination + _attribute(_OUTPUT, struct.pack("=I", index))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def _ask(kind: int, body: bytes) -> None:
    message = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACK, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(message)
        answer = kernel.recv(4096)
    (answered,) = struct.unpack_from("=H", answer, 4)
    (number,) = struct.unpack_from("=i", answer, 16)
    if answered == _ERROR and number and -number not in (errno.ENODEV, errno.ESRCH):
        raise OSError(-number, os.strerror(-number))
