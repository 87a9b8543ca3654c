# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the host's own rules do with packets of the cluster, as C(nft --json) lists the rules.

No rule of another table brings back what one table drops. Some rules depend on what is not known of a packet. So what
a chain does with it is a set: what may become of the packet.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

ACCEPT, DROP, ON, BACK = "accept", "drop", "continue", "return"
# A rule of firewalld's stands for a zone or a service of its configuration, in which it is told of.
FIREWALLD = "firewalld"
# The chain to which flannel appends its rules where it drops what it does not know, as Docker and ufw have it.
SHARED = (("ip", "filter", "FORWARD"), ("ip6", "filter", "FORWARD"))
_FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
# Deeper than any chain of chains that somebody writes.
_DEEPEST = 16


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection; what is empty of it may be anything."""

    family: int
    iifname: str = ""
    oifname: str = ""
    saddr: str = ""
    daddr: str = ""
    protocol: str = ""
    dport: int = 0


class Chain(NamedTuple):
    """A chain, with what it does in the end where the kernel calls it."""

    family: str
    table: str
    name: str
    hook: str = ""
    policy: str = ACCEPT

    @property
    def title(self) -> str:
        """The chain as nft has it called."""
        return f"{self.family} {self.table} {self.name}"


@dataclass(frozen=True)
class Filter:
    """The chains that the kernel calls for packets, and the rules of all chains."""

    hooks: tuple[Chain, ...] = ()
    rules: Mapping[tuple[str, ...], Sequence[Sequence[Mapping[str, Any]]]] = field(default_factory=dict)
    # How chains of our components begin: these let through what they have to.
    own: tuple[str, ...] = ()


def base_chains(shown: str, own: Collection[str]) -> list[Chain]:
    """The chains of others that may drop what the host forwards or gets, in what C(nft --json list chains) shows.

    C(own) are names of our tables, and how our chains in the tables of others begin.
    """
    chains = [_chain(each) for each in _items(shown, "chain")]
    return [c for c in chains if c.hook in ("forward", "input") and c.table not in (*own, FIREWALLD)]


def read_filter(shown: str, tables: Iterable[str], own: Collection[str]) -> Filter:
    """The host's filter: its chains, and the listings of the tables they are in."""
    rules: dict[tuple[str, ...], list[Sequence[Mapping[str, Any]]]] = {}
    for table in tables:
        for rule in _items(table, "rule"):
            rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
    return Filter(tuple(base_chains(shown, own)), rules, tuple(own))


def _items(shown: str, kind: str) -> list[dict[str, Any]]:
    try:
        listed = json.loads(shown)["nftables"]
    except (ValueError, KeyError, TypeError):
        return []  # no nft, or one that cannot tell
    return [item[kind] for item in listed if kind in item]


def _chain(item: Mapping[str, Any]) -> Chain:
    return Chain(item["family"], item["table"], item["name"], item.get("hook", ""), item.get("policy", ACCEPT))


def fates(known: Filter, hook: str, packet: Packet, flannel_appends: bool) -> dict[Chain, frozenset[str]]:
    """What may become of a packet, by the chains that may drop it."""
    found = {}
    for chain in known.hooks:
        if chain.hook == hook and packet.family in _FAMILIES.get(chain.family, ()):
            end = ACCEPT if flannel_appends and chain[:3] in SHARED else chain.policy
            fate = _walk(known, chain[:3], packet, _DEEPEST)
            found[chain] = frozenset(end if each == ON else each for each in fate)
    return {chain: fate for chain, fate in found.items() if DROP in fate}


def _walk(known: Filter, chain: tuple[str, ...], packet: Packet, depth: int) -> set[str]:
    """What may become of a packet in a chain; one that goes on returns to where it came from."""
    fate: set[str] = set()
    for rule in known.rules.get(chain, ()):
        met = _meets(rule, packet)
        verdicts = {ON} if met is False else _verdicts(rule, known, chain, packet, depth)
        fate |= {ON if each == BACK else each for each in verdicts if each != ON}
        if met and ON not in verdicts:
            return fate
    return {*fate, ON}


def _verdicts(
    rule: Sequence[Mapping[str, Any]], known: Filter, chain: tuple[str, ...], packet: Packet, depth: int
) -> set[str]:
    for each in rule:
        if "accept" in each:
            return {ACCEPT}
        if "return" in each:
            return {BACK}
        if "drop" in each or "reject" in each or "queue" in each:
            return {DROP}
        for verb in ("jump", "goto"):
            if verb in each:
                target = each[verb]["target"]
                if target.startswith(known.own):
                    return {ON}
                fate = _walk(known, (*chain[:2], target), packet, depth - 1) if depth else {ACCEPT, DROP, ON}
                return {BACK if end == ON and verb == "goto" else end for end in fate}
        if "vmap" in each:
            return _verdicts_of_map(each["vmap"], packet)
        if each.get("xt", {}).get("type") == "target":
            return {DROP} if each["xt"].get("name") == "REJECT" else {ON}
    return {ON}


def _verdicts_of_map(vmap: Mapping[str, Any], packet: Packet) -> set[str]:
    """A map of verdicts: those of its elements that the packet may be."""
    data = vmap["data"]
    if not isinstance(data, dict) or "set" not in data:
        return {ACCEPT, DROP, ON}
    verdicts = {ON}
    for key, verdict in data["set"]:
        met = _holds(vmap["key"], key, packet)
        if met is not False:
            found = next((each for each in (ACCEPT, DROP) if each in verdict), "")
            of_element = {found} if found else {ACCEPT, DROP, ON}
            if met:
                return of_element
            verdicts |= of_element
    return verdicts


def _meets(rule: Sequence[Mapping[str, Any]], packet: Packet) -> bool | None:
    """Whether a packet meets all conditions of a rule; None where that cannot be told."""
    answers: list[bool | None] = []
    if any(each.get("xt", {}).get("name") == "conntrack" for each in rule):
        # nft does not show of iptables' which states it means. One that asks for nothing else is for answers.
        answers.append(None if any("match" in each for each in rule) else False)
    for each in rule:
        if "match" in each:
            holds = _holds(each["match"]["left"], each["match"]["right"], packet)
            answers.append(None if holds is None else holds != (each["match"]["op"] == "!="))
        elif "limit" in each or _other_match(each):
            answers.append(None)
    return False if False in answers else None if None in answers else True


def _other_match(expression: Mapping[str, Any]) -> bool:
    found = expression.get("xt", {})
    return found.get("type") == "match" and found.get("name") not in ("comment", "conntrack")


def _holds(left: Any, right: Any, packet: Packet) -> bool | None:
    """Whether a field of the packet is one of the values on the right."""
    answers = [_is(left, value, packet) for value in _values(right)]
    return True if True in answers else None if None in answers or not answers else False


def _values(right: Any) -> list[Any]:
    if isinstance(right, dict) and "set" in right:
        return list(right["set"])
    return list(right) if isinstance(right, list) else [right]


def _is(left: Any, value: Any, packet: Packet) -> bool | None:
    if not isinstance(left, dict):
        return None
    if left.get("ct", {}).get("key") == "state":
        return value == "new"
    meta, payload = left.get("meta", {}).get("key"), left.get("payload", {})
    if meta in ("iif", "iifname", "oif", "oifname"):
        return _is_interface(packet.iifname if meta.startswith("iif") else packet.oifname, value)
    if meta == "l4proto" and packet.protocol:
        return value == packet.protocol
    if meta == "nfproto":
        return value == ("ipv4" if packet.family == 4 else "ipv6")
    if payload.get("protocol") in ("ip", "ip6") and payload.get("field") in ("saddr", "daddr"):
        if packet.family != (4 if payload["protocol"] == "ip" else 6):
            return False
        return _is_within(packet.saddr if payload["field"] == "saddr" else packet.daddr, value)
    if payload.get("protocol") in ("tcp", "udp") and packet.protocol:
        if payload["protocol"] != packet.protocol:
            return False
        if payload.get("field") == "dport" and packet.dport:
            return _is_port(packet.dport, value)
    return None


def _is_interface(name: str, value: Any) -> bool | None:
    if not name or not isinstance(value, str) or value.startswith("@"):
        return None
    return fnmatchcase(name, value.replace("[", "[[]"))


def _is_port(port: int, value: Any) -> bool | None:
    if isinstance(value, int):
        return port == value
    if isinstance(value, dict) and "range" in value:
        low, high = value["range"]
        return bool(low <= port <= high)
    return None


def _is_within(network: str, value: Any) -> bool | None:
    """Whether all addresses of a network are among these, or none of them is."""
    if not network:
        return None
    own = ipaddress.ip_network(network)
    try:
        if isinstance(value, str):
            low = high = ipaddress.ip_address(value)
        elif "prefix" in value:
            of_rule = ipaddress.ip_network(f"{value['prefix']['addr']}/{value['prefix']['len']}", strict=False)
            low, high = of_rule[0], of_rule[-1]
        else:
            low, high = (ipaddress.ip_address(end) for end in value["range"])
    except (ValueError, KeyError, TypeError):
        return None  # a named set
    if int(own[-1]) < int(low) or int(high) < int(own[0]):
        return False
    return True if int(low) <= int(own[0]) and int(own[-1]) <= int(high) else None
