# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the host's firewall keeps from the cluster: pods' packets, and the ports that other hosts have to reach."""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import text_of
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._host import packet_filter
from ansible_collections.k3a.cluster.plugins.module_utils._host.finding import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._host.packet_filter import DROP, Filter, Packet

FIREWALLD_DIRECTORIES = ("/usr/lib/firewalld", "/etc/firewalld")
UFW = "/etc/ufw"

# The finding of ports that are closed, as far as that can be read.
PORTS = "firewall_ports"

# A protocol with the first and the last of some ports.
Range = tuple[str, int, int]


@dataclass(frozen=True)
class Opened:
    """What a firewall program was told to let through: ports from everywhere, and everything from these sources."""

    ports: tuple[Range, ...] = ()
    sources: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    # Whether it lets through what it does not know.
    is_open: bool = False

    def lets_in(self, protocol: str, port: int, peers: Iterable[str]) -> bool:
        """Whether peers with addresses such as these reach a port."""
        if self.is_open or any(protocol == known and low <= port <= high for known, low, high in self.ports):
            return True
        addresses = list(peers)
        return bool(addresses) and all(any(_is_in(peer, source) for source in self.sources) for peer in addresses)

    def trusts(self, network: str) -> bool:
        """Whether everything from a network, or from the bridge on which pods are, is let through."""
        return (
            self.is_open
            or address.POD_BRIDGE in self.interfaces
            or any(_is_in(network, source) for source in self.sources)
        )


@dataclass(frozen=True)
class Firewall:
    """The firewall of a host: its rules, and the programs that make rules."""

    rules: Filter = Filter()
    # Whether flannel can append its own to what iptables makes.
    has_iptables: bool = False
    firewalld: Opened | None = None
    ufw: Opened | None = None


@dataclass(frozen=True)
class Need:
    """What a node needs of the firewall."""

    # Protocol and number of the ports that other hosts reach, and those of them that pods reach, too.
    ports: tuple[tuple[str, int], ...]
    ports_of_api: tuple[tuple[str, int], ...]
    # Where no pods run there are none.
    cluster_cidr: tuple[str, ...]
    node_ips: tuple[str, ...]
    interface: str
    has_flannel: bool
    # On a host that is a node already, all is as its operator wants it, whatever can be seen of it.
    is_node: bool
    # Whether firewalld and ufw are opened in the run that is to come.
    is_managed: bool = False


def findings(seen: Firewall, need: Need) -> Iterable[Finding]:
    """What is closed, with the commands that open it."""
    level = WARN if need.is_node else FAIL
    if seen.firewalld and not need.is_managed:
        yield from _of_program("firewalld", seen.firewalld, need, _firewalld_commands, level)
    if seen.ufw and not need.is_managed:
        yield from _of_program("ufw", seen.ufw, need, _ufw_commands, level)
    yield from _of_rules(seen, need, level)


def _of_program(
    name: str,
    opened: Opened,
    need: Need,
    commands: Callable[[Sequence[tuple[str, int]], Sequence[str]], list[str]],
    level: str,
) -> Iterable[Finding]:
    ports = _ports_closed_by(opened, need)
    networks = [cidr for cidr in need.cluster_cidr if not opened.trusts(cidr)]
    if networks:
        remedy = f"run {' && '.join(commands((), networks))}, or switch {name} off"
        yield Finding("firewall", level, f"{name} drops packets of pods ({', '.join(networks)})", remedy)
    if ports:
        remedy = f"run {' && '.join(commands(ports, ()))}, or switch {name} off"
        yield Finding(PORTS, level, f"{name} drops packets to {in_words(ports)}", remedy)


def _ports_closed_by(opened: Opened, need: Need) -> list[tuple[str, int]]:
    return [port for port in need.ports if not opened.lets_in(*port, need.node_ips)]


def closed_ports(seen: Firewall, need: Need) -> list[tuple[str, int]]:
    """The ports that are closed, as far as that can be read."""
    filtering = () if need.is_managed else (each for each in (seen.firewalld, seen.ufw) if each)
    closed = [port for opened in filtering for port in _ports_closed_by(opened, need)]
    closed += [port for _chain, ports in _closing_chains(seen, need) for port in ports]
    return list(dict.fromkeys(closed))


def programs(seen: Firewall) -> list[str]:
    """The firewall programs that are at work."""
    return [name for name, opened in (("firewalld", seen.firewalld), ("ufw", seen.ufw)) if opened]


def _firewalld_commands(ports: Sequence[tuple[str, int]], networks: Sequence[str]) -> list[str]:
    sources = " ".join(f"--add-source={network}" for network in networks)
    opened = " ".join(f"--add-port={number}/{protocol}" for protocol, number in ports)
    commands = [f"firewall-cmd --permanent --zone=trusted {sources}"] if sources else []
    commands += [f"firewall-cmd --permanent {opened}"] if opened else []
    return [*commands, "firewall-cmd --reload"]


def _ufw_commands(ports: Sequence[tuple[str, int]], networks: Sequence[str]) -> list[str]:
    commands = [f"ufw allow from {network}" for network in networks]
    for protocol, numbers in _by_protocol(ports):
        commands.append(f"ufw allow {','.join(map(str, numbers))}/{protocol}")
    return commands


# How ports and networks are opened, by the program.
COMMANDS = {"firewalld": _firewalld_commands, "ufw": _ufw_commands}


def iptables_commands(ports: Iterable[tuple[str, int]], families: Iterable[int]) -> list[str]:
    """The same of a host without such a program, for the families of its addresses."""
    programs_of = {4: "iptables", 6: "ip6tables"}
    return [
        f"{programs_of[family]} -I INPUT -p {protocol} -m multiport --dports {','.join(map(str, numbers))} -j ACCEPT"
        for family in families
        for protocol, numbers in _by_protocol(ports)
    ]


def _of_rules(seen: Firewall, need: Need, level: str) -> Iterable[Finding]:
    """What the rules drop for certain is in the way; what they drop by a condition that cannot be judged is told."""
    appends = seen.has_iptables and need.has_flannel
    for chain, networks in _dropped_networks(seen.rules, need, appends).items():
        for network, certain in networks.items():
            match = f"ip{'6' if ':' in network else ''}"
            rules = " && ".join(
                f"nft insert rule {chain.title} {match} {side} {network} accept" for side in ("saddr", "daddr")
            )
            verb, worst = ("drops", level) if certain else ("may drop", WARN)
            remedy = f"accept them there ({rules}), and in the file from which it is made when the host boots"
            yield Finding("firewall", worst, f"the chain {chain.title} {verb} packets of pods ({network})", remedy)
    for chain, ports in _closing_chains(seen, need):
        told = " && ".join(
            f"nft insert rule {chain.title} {protocol} dport {{ {', '.join(map(str, numbers))} }} accept"
            for protocol, numbers in _by_protocol(ports)
        )
        message = f"the chain {chain.title} drops packets to {in_words(ports)}"
        remedy = f"accept them there ({told}), and in the file from which it is made when the host boots"
        yield Finding(PORTS, level, message, remedy)


def _closing_chains(seen: Firewall, need: Need) -> list[tuple[packet_filter.Chain, list[tuple[str, int]]]]:
    """The chains that close ports, but for those made by ufw, which was asked."""
    made = {known[:2] for known in packet_filter.SHARED} if seen.ufw else set()
    return [(chain, ports) for chain, ports in _dropped_ports(seen.rules, need).items() if chain[:2] not in made]


def _dropped_networks(rules: Filter, need: Need, appends: bool) -> dict[packet_filter.Chain, dict[str, bool]]:
    """The networks of pods whose packets a chain drops, and whether it does so for certain."""
    found: dict[packet_filter.Chain, dict[str, bool]] = {}
    for network in need.cluster_cidr:
        family = address.family(network)
        ways = (
            Packet(family, iifname=address.POD_BRIDGE, oifname=need.interface, saddr=network),
            Packet(family, oifname=address.POD_BRIDGE, saddr=network, daddr=network),
        )
        for way in ways:
            for chain, fate in packet_filter.fates(rules, "forward", way, appends).items():
                certain = found.setdefault(chain, {})
                certain[network] = certain.get(network, False) or fate == {DROP}
    # One that lets through what it does not know drops some by a condition, such as a list of hosts, and not pods.
    return {chain: told for chain, told in found.items() if any(told.values()) or chain.policy == DROP}


def _dropped_ports(rules: Filter, need: Need) -> dict[packet_filter.Chain, list[tuple[str, int]]]:
    """The ports that a chain keeps from the other hosts, whoever they are, or from pods."""
    found: dict[packet_filter.Chain, list[tuple[str, int]]] = {}
    families = sorted({address.family(ip) for ip in need.node_ips})
    for protocol, number in need.ports:
        ways = [Packet(family, need.interface, protocol=protocol, dport=number) for family in families]
        if (protocol, number) in need.ports_of_api:
            ways += [
                Packet(address.family(cidr), address.POD_BRIDGE, saddr=cidr, protocol=protocol, dport=number)
                for cidr in need.cluster_cidr
            ]
        for way in ways:
            for chain, fate in packet_filter.fates(rules, "input", way, False).items():
                known = found.setdefault(chain, [])
                if fate == {DROP} and (protocol, number) not in known:
                    known.append((protocol, number))
    return {chain: ports for chain, ports in found.items() if ports}


def _by_protocol(ports: Iterable[tuple[str, int]]) -> list[tuple[str, list[int]]]:
    numbers: dict[str, list[int]] = {}
    for protocol, number in ports:
        numbers.setdefault(protocol, []).append(number)
    return [(protocol, sorted(own)) for protocol, own in sorted(numbers.items())]


def in_words(ports: Iterable[tuple[str, int]]) -> str:
    """Ports as a sentence names them."""
    return " and ".join(
        f"{protocol.upper()} {', '.join(map(str, numbers))}" for protocol, numbers in _by_protocol(ports)
    )


def _is_in(text: str, network: str) -> bool:
    """Whether an address or network is part of another one."""
    try:
        own, other = ipaddress.ip_network(text), ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
    return own.version == other.version and int(other[0]) <= int(own[0]) and int(own[-1]) <= int(other[-1])


# ---- what the programs keep in their files


def read_firewalld(directories: Sequence[str] = FIREWALLD_DIRECTORIES) -> Opened:
    """What firewalld is told to let through, by its zones together; a later directory's file hides an earlier one's."""
    zones = {name: text for directory in directories for name, text in _texts(f"{directory}/zones/*.xml")}
    services = {name: text for directory in directories for name, text in _texts(f"{directory}/services/*.xml")}
    settings = "".join(text_of(f"{directory}/firewalld.conf") for directory in directories)
    named = re.findall(r"^DefaultZone=(\S+)", settings, re.M)
    return parse_zones(zones, services, named[-1] if named else "public")


def _texts(pattern: str) -> list[tuple[str, str]]:
    return [(os.path.basename(path)[: -len(".xml")], text_of(path)) for path in glob.glob(pattern)]


def parse_zones(zones: dict[str, str], services: dict[str, str], default: str) -> Opened:
    """What the zones let through that are in use: the default one, and those of a source or an interface."""
    ports: list[Range] = []
    sources: list[str] = []
    interfaces: list[str] = []
    is_open = False
    for name, text in zones.items():
        zone = _parse(text)
        own_sources = [each.get("address", "") for each in zone.iter("source") if each.get("address")]
        own_interfaces = [each.get("name", "") for each in zone.findall("interface")]
        if name != default and not own_sources and not own_interfaces:
            continue
        ports += _ports(zone)
        for each in zone.findall("service"):
            ports += _ports(_parse(services.get(each.get("name", ""), "")))
        if zone.get("target") == "ACCEPT":
            sources += [each.get("address", "") for each in zone.findall("source") if each.get("address")]
            interfaces += own_interfaces
            is_open = is_open or name == default
    return Opened(tuple(ports), tuple(sources), tuple(interfaces), is_open)


def zone_content(text: str) -> object:
    """What a zone's file says, however it is written."""

    def content(element: xml.Element) -> object:
        return (
            element.tag,
            sorted(element.items()),
            (element.text or "").strip(),
            sorted(map(repr, map(content, element))),
        )

    return content(_parse(text))


def _parse(text: str) -> xml.Element:
    try:
        return xml.fromstring(text)
    except xml.ParseError:
        return xml.Element("zone")


def _ports(element: xml.Element) -> list[Range]:
    found = []
    for each in element.findall("port"):
        low, _separator, high = each.get("port", "").partition("-")
        if low.isdigit():
            found.append((each.get("protocol", ""), int(low), int(high or low)))
    return found


def read_ufw(directory: str = UFW, defaults: str = "/etc/default/ufw") -> Opened | None:
    """What ufw is told to let through, or None where it is off: its unit is active all the same."""
    if not re.search(r"^ENABLED=yes", text_of(f"{directory}/ufw.conf"), re.M):
        return None
    return parse_ufw(text_of(f"{directory}/user.rules") + text_of(f"{directory}/user6.rules"), text_of(defaults))


def parse_ufw(rules: str, defaults: str) -> Opened:
    """The rules for what comes in, by the comments in which ufw keeps them."""
    ports: list[Range] = []
    sources: list[str] = []
    for line in re.findall(r"^### tuple ### (?:allow|limit)(?:_log(?:-all)?)? (.*)$", rules, re.M):
        protocol, numbers, _to, source_port, source, direction = (line.split() + [""] * 6)[:6]
        anywhere = source in ("0.0.0.0/0", "::/0")
        if not direction.startswith("in") or source_port != "any":
            continue
        if numbers == "any" and protocol == "any" and not anywhere:
            sources.append(source)
        elif anywhere and numbers != "any":
            for number in numbers.split(","):
                low, _separator, high = number.partition(":")
                known = ("tcp", "udp") if protocol == "any" else (protocol,)
                ports += [(each, int(low), int(high or low)) for each in known]
    is_open = bool(re.search(r"^DEFAULT_INPUT_POLICY=\"?ACCEPT", defaults, re.M))
    return Opened(tuple(ports), tuple(sources), is_open=is_open)
