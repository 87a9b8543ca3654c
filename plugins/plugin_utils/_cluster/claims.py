# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Who an agent says that it is, before certificates are signed for that: no name or address may be somebody else's.

A machine that joins by a token is judged alike by the approver. What two hosts of a run both claim is found where hosts
are compared; here it is what hosts claim that belongs to those who are not looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding, node_id
from ansible_collections.k3a.cluster.plugins.module_utils._joining.approver import RESERVED_NAME, Settings, canonical
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostReport, NodeReport, ServerReport

SEE = "see what answers in its place, or set k3a_node_name and k3a_node_ip for it"


def reserved(settings: Mapping[str, Any], servers: Iterable[str], names: Iterable[str]) -> Settings:
    """What no agent may have: the cluster's networks, and by what the API is known (host and port, or names)."""
    known = {*(urlsplit(f"//{server}").hostname or "" for server in servers), *names}
    cidrs = [*settings.get("cluster_cidr", ()), *settings.get("service_cidr", ())]
    addresses = frozenset(filter(None, map(canonical, known)))
    return Settings(tuple(filter(_is_network, cidrs)), frozenset(name.lower() for name in known), addresses)


def _is_network(cidr: str) -> bool:
    try:
        return bool(address.network(cidr))
    except address.AddressError:  # a finding already
        return False


def names_of(host: str, given: str = "") -> frozenset[str]:
    """The names that the node of a host may be taken to have: its own, else those of the inventory, long and short."""
    known = host.lower()
    return frozenset({given} if given else {known, known.partition(".")[0]})


def claim_findings(
    reports: Sequence[HostReport], answer: ServerReport, reserved: Settings, away: Mapping[str, str]
) -> list[HostFinding]:
    """What agents claim and cannot be; C(away) are the hosts that are not looked at, by the names of their nodes."""
    names = {report.seen.node_name for report in reports}
    others = [node for node in answer.nodes if node.name not in names]
    members = {member.name for member in answer.etcd_members}
    found = []
    for report in reports:
        if report.server or not report.facts:
            continue
        wrong = [
            *_wrong_name(report, reserved, members, away),
            *_not_recorded(report, answer, frozenset(away.values())),
            *_wrong_addresses(report, reserved, others, _recorded_addresses(report, answer)),
        ]
        found += [HostFinding((report.name,), Finding("claim", FAIL, f"says that {message}", SEE)) for message in wrong]
    return found


def joined_findings(reports: Sequence[HostReport], answer: ServerReport) -> list[HostFinding]:
    """Hosts whose nodes have names that were given to others, who asked for them with a token.

    That a host is such a machine, and in the inventory by now, the inventory has to say, by its name or a variable.
    """
    return [
        HostFinding(
            (report.name,),
            Finding(
                "claim",
                FAIL,
                f"is to be the node {report.seen.node_name}, a name that a machine outside of the inventory was given",
                "set k3a_node_name: to this name where the host is that machine, else to another; or take the name back"
                f" with remove_node.yml -e k3a_remove_node={report.seen.node_name}",
            ),
        )
        for report in reports
        if report.facts and report.seen.node_name in answer.joined_nodes and not _is_that_machine(report)
    ]


def _is_that_machine(report: HostReport) -> bool:
    """Whether a host was a node before, and its node's name is one that the inventory gives it."""
    given, own = report.settings.get("node_name", ""), node_id(report.seen.machine_id)
    names = names_of(report.name, given) | ({f"{given}-{own}"} if given else set())
    return report.is_known and report.seen.node_name in names


def _wrong_name(report: HostReport, reserved: Settings, members: Set[str], away: Mapping[str, str]) -> Iterator[str]:
    name, given = report.seen.node_name, report.settings.get("node_name", "")
    told = f"its node is {name}"
    if given and name not in (given, f"{given}-{node_id(report.seen.machine_id)}"):
        yield f"{told}, and k3a_node_name is {given}"
    elif RESERVED_NAME.fullmatch(name) or name in reserved.names:
        yield f"{told}, by which clients know the API"
    elif name in members:
        yield f"{told}, which is the name of a server"
    elif name in away and name not in names_of(report.name) and not given:
        yield f"{told}, which is the name of the host {away[name]}"


def _not_recorded(report: HostReport, answer: ServerReport, away: Set[str]) -> Iterator[str]:
    """What the cluster knows better: whose its nodes are was written down where no host can change it.

    Where a variable names the node, that holds. A copy, and a machine whose own name has changed, is told of elsewhere:
    by its own record, or since the cluster knows its id by another name.
    """
    name, recorded = report.seen.node_name, answer.node_of_host
    others = [node.name for node in answer.nodes if node.machine_id == report.seen.machine_id]
    is_renamed = report.known_name != name or (others and name not in others)
    if report.settings.get("node_name") or report.is_copy or is_renamed:
        return
    own = recorded.get(report.name, name)
    owner = next((host for host, node in recorded.items() if node == name and host in away), "")
    if own != name:
        yield f"its node is {name}, and in the cluster it is {own} (if that is gone, remove it with remove_node.yml)"
    elif owner and name not in names_of(report.name):
        yield f"its node is {name}, which in the cluster is that of the host {owner}"


def _recorded_addresses(report: HostReport, answer: ServerReport) -> frozenset[str]:
    """The addresses that a host's node had in former runs, which no other node has by reporting them."""
    name = report.seen.node_name
    own = answer.addresses_of_node.get(name, ()) if answer.node_of_host.get(report.name) == name else ()
    return frozenset(map(canonical, own))


def _wrong_addresses(
    report: HostReport, reserved: Settings, others: Sequence[NodeReport], own: Set[str]
) -> Iterator[str]:
    # A machine that was renamed has left a node with its address behind.
    strangers = [node for node in others if node.machine_id != report.seen.machine_id]
    owners = {canonical(each): node.name for node in strangers for each in node.addresses}
    given = {canonical(each) for each in report.settings.get("node_ip", ())}
    for text in map(canonical, report.seen.node_ips):
        ip = ipaddress.ip_address(text)
        told = f"its address is {text}"
        if given and text not in given:
            yield f"{told}, and k3a_node_ip is {', '.join(sorted(given))}"
        elif text in reserved.addresses:
            yield f"{told}, by which clients know the API"
        elif text in owners and text not in own:
            yield f"{told}, which the node {owners[text]} has (if that is gone, remove it with remove_node.yml)"
        elif any(ip in address.network(network) for network in reserved.networks):
            yield f"{told}, in a network of pods or services"
        elif not address.is_of_a_machine(ip):
            yield f"{told}, which is none of a machine"
