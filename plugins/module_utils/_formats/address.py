# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Addresses and names of nodes, and arithmetic on the cluster's networks."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

# The cluster DNS service is the 10th address of the service network, as in K3s; the 1st is the service "kubernetes".
KUBERNETES_SERVICE = 1
CLUSTER_DNS_SERVICE = 10

# Interfaces that Kubernetes makes: their addresses and routes come and go with pods and say nothing about the host.
POD_BRIDGE = "cni0"
CLUSTER_INTERFACES = (POD_BRIDGE, "flannel", "veth", "kube-")

_RTM_NEWADDR, _RTM_GETADDR, _NLMSG_ERROR, _NLMSG_DONE = 20, 22, 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_F_SECONDARY, _IFA_F_TENTATIVE_OR_DEPRECATED = 0x01, 0x08 | 0x20 | 0x40
_RT_SCOPE_UNIVERSE = 0


class AddressError(K3aError, ValueError):
    """A network or address that cannot be used; the text is for the user."""


def api_url(text: str) -> str:
    """The URL of an API as an operator gives it, without what may follow the port."""
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is none
        good = False
    if not good or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise AddressError(f"{text!r} is not the URL of an API server")
    return f"https://{parts.netloc}"


class Address(NamedTuple):
    interface: str
    ip: str
    prefix: int
    # Global, neither temporary nor secondary: an address the node can be known by.
    primary: bool


class Route(NamedTuple):
    interface: str
    network: str
    metric: int
    gateway: str = ""


def family(cidr: str) -> int:
    """4 or 6, of an address or a network."""
    try:
        return ipaddress.ip_interface(cidr).version
    except ValueError:
        raise AddressError(f"{cidr!r} is not an IP address or network") from None


def is_of_a_machine(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether other machines can reach one at an address: the API takes no other ones for its own, either."""
    return not (ip.is_loopback or ip.is_multicast or ip.is_unspecified or ip.is_link_local)


def families(cidrs: Iterable[str]) -> list[int]:
    """The families in the order they first appear: the first one is the cluster's primary family."""
    return list(dict.fromkeys(family(cidr) for cidr in cidrs))


def network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The network as written: one with host bits set is more often a typing error than a wish."""
    # Python reads a netmask behind the slash, too; the components of Kubernetes do not.
    if not re.search(r"/[0-9]+\Z", cidr):
        raise AddressError(f"{cidr!r} is not a network: it has no prefix length, as in 10.0.0.0/16")
    try:
        return ipaddress.ip_network(cidr)
    except ValueError as error:
        raise AddressError(f"{cidr!r} is not a network: {error}") from None


def service_ip(cidr: str, index: int) -> str:
    """The index-th address of a service network."""
    net = network(cidr)
    if index >= net.num_addresses:
        raise AddressError(f"the service network {cidr} has no {index}th address")
    return str(net[index])


def cluster_dns(configured: Sequence[str], service_cidrs: Sequence[str]) -> list[str]:
    """The addresses of the cluster DNS: as configured, or the 10th of each service network."""
    return list(configured) or [service_ip(cidr, CLUSTER_DNS_SERVICE) for cidr in service_cidrs]


def overlaps(cidrs: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of networks that share an address."""
    return [(a, b) for a, b in combinations(cidrs, 2) if family(a) == family(b) and network(a).overlaps(network(b))]


def _ipv4_of(hexadecimal: str) -> str:
    # /proc/net/route prints the kernel's big-endian word as a number of the machine's own byte order.
    return socket.inet_ntoa(struct.pack("=L", int(hexadecimal, 16)))


def _ipv6_of(hexadecimal: str) -> str:
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(hexadecimal))


def ipv4_routes(text: str) -> list[Route]:
    """Routes of /proc/net/route that are up."""
    routes = []
    for line in text.splitlines()[1:]:
        interface, destination, gateway, flags, _ref, _use, metric, mask = line.split()[:8]
        if int(flags, 16) & 1:
            prefix = bin(int(mask, 16)).count("1")
            via = _ipv4_of(gateway) if int(flags, 16) & 2 else ""
            routes.append(Route(interface, f"{_ipv4_of(destination)}/{prefix}", int(metric), via))
    return routes


def ipv6_routes(text: str) -> list[Route]:
    """Unicast routes of /proc/net/ipv6_route that are up: the table also lists local and multicast entries."""
    routes = []
    for line in text.splitlines():
        destination, prefix, _source, _source_prefix, hop, metric, _ref, _use, flags, interface = line.split()
        reject_or_local = int(flags, 16) & (0x0200 | 0x80000000)
        if int(flags, 16) & 1 and not reject_or_local and not destination.startswith("ff") and interface != "lo":
            via = _ipv6_of(hop) if int(flags, 16) & 2 else ""
            routes.append(Route(interface, f"{_ipv6_of(destination)}/{int(prefix, 16)}", int(metric, 16), via))
    return routes


def parse_addresses(dump: bytes, interfaces: dict[int, str]) -> list[Address]:
    """Addresses of a netlink RTM_GETADDR dump."""
    found = []
    for kind, body in _messages(dump):
        if kind != _RTM_NEWADDR:
            continue
        _family, prefix, flags, scope, index = struct.unpack_from("=BBBBI", body)
        attributes = dict(_attributes(body[8:]))
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if raw is None or index not in interfaces:
            continue
        unusable = flags & (_IFA_F_SECONDARY | _IFA_F_TENTATIVE_OR_DEPRECATED)
        ip = str(ipaddress.ip_address(raw))
        found.append(Address(interfaces[index], ip, prefix, scope == _RT_SCOPE_UNIVERSE and not unusable))
    return found


def _messages(dump: bytes) -> Iterable[tuple[int, bytes]]:
    while len(dump) >= 16:
        length, kind = struct.unpack_from("=IH", dump)
        yield kind, dump[16:length]
        dump = dump[_aligned(length) :]


def _attributes(body: bytes) -> Iterable[tuple[int, bytes]]:
    while len(body) >= 4:
        length, kind = struct.unpack_from("=HH", body)
        yield kind, body[4:length]
        body = body[max(_aligned(length), 4) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def address_dump() -> bytes:
    """The kernel's answer to RTM_GETADDR: exact for every interface, and needs no command on the host."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.bind((0, 0))
        netlink.send(struct.pack("=IHHIIBBBBI", 24, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0, 0, 0, 0, 0, 0))
        dump = b""
        while True:
            chunk = netlink.recv(65536)
            if any(kind in (_NLMSG_DONE, _NLMSG_ERROR) for kind, _body in _messages(chunk)):
                return dump + chunk
            dump += chunk


def node_addresses() -> list[Address]:
    """Every address of this host."""
    return parse_addresses(address_dump(), dict(socket.if_nameindex()))


def routes() -> list[Route]:
    """Every route of this host's main tables."""
    return ipv4_routes(_read("/proc/net/route")) + ipv6_routes(_read("/proc/net/ipv6_route"))


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:  # a kernel without IPv6
        return ""


def default_route_address(addresses: Sequence[Address], table: Sequence[Route], wanted: int) -> str:
    """As K3s: the first global address of the interface with the default route, or "" when there is none.

    A host without a default route still has an obvious address when it has only one outside the cluster's interfaces.
    """
    candidates = [a for a in addresses if a.primary and family(a.ip) == wanted]
    anywhere = "0.0.0.0/0" if wanted == 4 else "::/0"
    for route in sorted((r for r in table if r.network == anywhere), key=lambda r: r.metric):
        for address in candidates:
            if address.interface == route.interface:
                return address.ip
    outside = [a.ip for a in candidates if not a.interface.startswith(CLUSTER_INTERFACES) and a.interface != "lo"]
    return outside[0] if len(outside) == 1 else ""


def interface_addresses(addresses: Sequence[Address], interface: str, wanted: Sequence[int]) -> list[str]:
    """The address of one interface in each family."""
    own = [a.ip for a in addresses if a.interface == interface and a.primary]
    return [next(ip for ip in own if family(ip) == f) for f in wanted if any(family(ip) == f for ip in own)]


def node_ips(
    configured: Sequence[str],
    wanted: Sequence[int] = (4,),
    interface: str = "",
    addresses: Sequence[Address] | None = None,
    table: Sequence[Route] | None = None,
) -> list[str]:
    """The addresses of this node, one a family: as configured, else of the interface, else of the default route."""
    if configured:
        return list(configured)
    addresses = node_addresses() if addresses is None else addresses
    if interface:
        found = interface_addresses(addresses, interface, wanted)
    else:
        table = routes() if table is None else table
        found = [ip for ip in (default_route_address(addresses, table, f) for f in wanted) if ip]
    missing = [f"IPv{f}" for f in wanted if f not in families(found)]
    if missing:
        where = f"interface {interface}" if interface else "the interface of the default route"
        raise AddressError(f"the host has no {' and no '.join(missing)} address on {where}; set k3a_node_ip")
    return found


def host_name() -> str:
    """This host's name as a node's name: lower case, as Kubernetes wants it."""
    return socket.gethostname().lower()


def valid_node_name(name: str) -> bool:
    """Whether Kubernetes takes it as the name of a node: of an object (a DNS subdomain), and in a label of it."""
    label = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    return len(name) <= 63 and re.fullmatch(rf"{label}(\.{label})*", name) is not None


def is_url(text: str) -> bool:
    """Whether it is the URL of a server and no more: a scheme, a host and a port, if any."""
    host = r"([-.0-9A-Za-z]+|\[[0-9A-Fa-f:.]+\])"
    return len(text) <= 300 and re.fullmatch(rf"https?://{host}(:[0-9]{{1,5}})?", text) is not None


def is_ip(text: str) -> bool:
    """Whether a text is an address rather than a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_port(number: int) -> bool:
    """Whether something can listen at a port of this number."""
    return 0 < number < 65536


def in_url(ip: str) -> str:
    """An address as the host of a URL."""
    return f"[{ip}]" if ":" in ip else ip
