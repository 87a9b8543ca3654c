# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Which node, host and member of etcd an operator means by a name, and whether the cluster can do without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Member, peer_url
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import voters
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.removal import MemberRemovalError, in_order
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import in_url
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import servers
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostFacts, HostReport, ServerReport
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec


class RemovalError(K3aError):
    """What is not to be removed; the text says why and what to do."""


@dataclass(frozen=True)
class Machine:
    """A host of the inventory; its node's name where it has told it, or a variable does."""

    host: str
    server: bool
    reached: bool
    node: str = ""
    addresses: tuple[str, ...] = ()
    load_balancer: bool = False
    machine_id: str = ""


@dataclass(frozen=True)
class Target:
    """What is to go: a node, and where there are any its host and its member of etcd.

    C(stranger) is the host that has the node's name now, and is another machine.
    """

    node: str
    machine: Machine | None
    member: Member | None
    stranger: str = ""

    @property
    def server(self) -> bool:
        return self.member is not None or (self.machine is not None and self.machine.server)


@dataclass(frozen=True)
class Removal:
    """What is to happen for nodes to go; C(server) is the host that does it."""

    nodes: tuple[str, ...]
    hosts: tuple[str, ...]
    members: tuple[str, ...]
    # Hosts that stay and have a load balancer, where servers go.
    load_balancers: tuple[str, ...]
    server: str
    urls: tuple[str, ...]
    ca_certificates: Mapping[str, str]
    todo: tuple[str, ...]

    def as_result(self) -> dict[str, Any]:
        """The form that tasks see."""
        return asdict(self)


def machine(host: str, server: bool, report: HostReport | None, variables: Mapping[str, Any]) -> Machine:
    """A host with what was found on it, or else with what its variables say."""
    facts = report.seen if report else HostFacts()
    settings = spec.usable(("node_ip", "node_name"), variables)
    addresses = [*facts.node_ips, *settings.get("node_ip", ()), str(variables.get("ansible_host") or host)]
    name = (report.known_name if report else "") or settings.get("node_name", "")
    reached = report is not None and report.facts is not None
    own = tuple(dict.fromkeys(addresses))
    return Machine(host, server, reached, name, own, facts.load_balancer, facts.machine_id)


def members_of(answer: ServerReport) -> list[Member]:
    """The members of etcd as a server told them."""
    return [
        Member(told.id, told.name, told.peer_urls, told.client_urls, told.learner) for told in answer.etcd_members
    ]


def known_names(answer: ServerReport) -> set[str]:
    """The nodes that the cluster knows in whatever way."""
    nodes = {node.name for node in answer.nodes}
    members = {member.name for member in answer.etcd_members}
    return (nodes | members | set(answer.node_passwords) | set(answer.removed_nodes)) - {""}


def node_of(machine: Machine, answer: ServerReport) -> str:
    """The name of a host's node; of a host that is dead it has to be guessed, from its own name or its addresses."""
    if machine.node or machine.host in known_names(answer):
        return machine.node or machine.host
    own = set(machine.addresses)
    there = [node.name for node in answer.nodes if own.intersection(node.addresses)]
    return there[0] if len(there) == 1 else machine.host


def target(text: str, machines: Sequence[Machine], answer: ServerReport) -> Target:
    """What is meant by the name of a host or a node, or the id of a member that has no name."""
    by_host = next((machine for machine in machines if machine.host == text), None)
    by_node = next((machine for machine in machines if node_of(machine, answer) == text), None)
    if by_host and by_node and by_host is not by_node:
        raise RemovalError(
            f"{text} is the host of the node {node_of(by_host, answer)}, and also the node of the host {by_node.host}; "
            "give the other name of the one that is to go"
        )
    found = by_host or by_node
    node = node_of(found, answer) if found else text
    urls = {peer_url(in_url(address)) for address in (found.addresses if found else ())}
    member = next(
        (
            member
            for member in members_of(answer)
            if member.name == node or member.id == text or (not member.name and urls.intersection(member.peer_urls))
        ),
        None,
    )
    if found is None and member is None and node not in known_names(answer):
        known = sorted({*known_names(answer), *(machine.host for machine in machines)})
        raise RemovalError(f"there is no node {text}, or none any more; the nodes are {', '.join(known)}")
    if found:
        check_claim(text, found, node, member, [machine for machine in machines if node_of(machine, answer) == node])
        if text != node:
            check_known(text, found, node, answer)
        if is_other_machine(found, node, answer):
            if text != node:
                raise RemovalError(
                    f"{found.host} says that its node is {node}, which in the cluster is another machine; see what"
                    f" answers in its place, or give the name {node} if that node is to go"
                )
            return Target(member.name or node if member else node, None, member, found.host)
    return Target(member.name or node if member else node, found, member)


def is_other_machine(found: Machine, node: str, answer: ServerReport) -> bool:
    """Whether the cluster knows another machine by the name of a host's node: one that was there before, or a lie."""
    known = next((told.machine_id for told in answer.nodes if told.name == node), "")
    return bool(known and found.machine_id and known != found.machine_id)


def check_claim(text: str, found: Machine, node: str, member: Member | None, claimants: Sequence[Machine]) -> None:
    """Raise where what a host says of its node would have somebody else's removed."""
    if len(claimants) > 1:
        hosts = " and ".join(machine.host for machine in claimants)
        raise RemovalError(
            f"{hosts} have one node name ({node}); see what answers in the place of one, or set k3a_node_name"
        )
    if member and not found.server and text not in (member.name, member.id):
        raise RemovalError(
            f"{found.host} is an agent and says that its node is {node}, which is a server; see what answers in its"
            f" place, or give the name {member.name or member.id} if that server is to go"
        )


def check_known(text: str, found: Machine, node: str, answer: ServerReport) -> None:
    """Raise where a host says of its node what the cluster does not, so that its own would stay."""
    told = f"{found.host} says that its node is {node}"
    if node in answer.joined_nodes:
        raise RemovalError(
            f"{told}, a machine that joined by a token; see what answers in its place, or give the name {node} if that"
            " node is to go"
        )
    own = answer.node_of_host.get(found.host) or (text if text in {known.name for known in answer.nodes} else node)
    if own != node:
        raise RemovalError(
            f"{told}, and in the cluster it is {own}; see what answers in its place, or take the host out of the"
            f" inventory, and remove the node {own}"
        )


def check_quorum(targets: Sequence[Target], machines: Sequence[Machine], answer: ServerReport) -> None:
    """Raise when the servers that stay would be no cluster that works."""
    leaving = [target for target in targets if target.server]
    if not leaving:
        return
    names = " and ".join(target.node for target in leaving)
    members = members_of(answer)
    gone = {target.member.id for target in leaving if target.member}
    hosts = {target.machine for target in leaving}
    if members and not [member for member in voters(members) if member.id not in gone]:
        raise RemovalError(f"{names}: no server would be left, and the cluster is lost; use reset.yml to end it")
    if not members and not [machine for machine in machines if machine.server and machine not in hosts]:
        raise RemovalError(f"{names}: no server would be left, and the cluster is lost; use reset.yml to end it")
    well = {told.id for told in answer.etcd_members if told.healthy}
    try:
        in_order([target.member for target in leaving if target.member], members, lambda member: member.id in well)
    except MemberRemovalError as error:
        raise RemovalError(f"{names} cannot go now: {error}") from None


def plan(names: Sequence[str], machines: Sequence[Machine], reports: Sequence[ServerReport]) -> Removal:
    """What is to happen for the named nodes to go, and where."""
    wanted = [name for name in dict.fromkeys(name.strip() for name in names) if name]
    if not wanted:
        raise RemovalError("say which nodes are to go: -e k3a_remove_node=NAME, or several with commas")
    healthy = [report for report in reports if report.healthy]
    if not healthy:
        raise RemovalError(f"no server is healthy{_reasons(reports)}; bring a majority of them back first")
    answer = servers.choose_report(reports)
    targets = list({found.node: found for found in (target(name, machines, answer) for name in wanted)}.values())
    check_quorum(targets, machines, answer)
    leaving = {target.machine.host for target in targets if target.machine}
    staying = [report for report in healthy if report.host not in leaving]
    if not staying:
        raise RemovalError(f"no server that stays is healthy{_reasons(reports)}; bring a majority of them back first")
    balanced = tuple(each.host for each in machines if each.load_balancer and each.host not in leaving)
    return Removal(
        nodes=tuple(target.node for target in targets),
        hosts=tuple(target.machine.host for target in targets if target.machine and target.machine.reached),
        members=tuple(target.member.name or target.member.id for target in targets if target.member),
        load_balancers=balanced if any(target.server for target in targets) else (),
        server=staying[0].host,
        urls=tuple(report.url for report in staying if report.url),
        ca_certificates=staying[0].ca_certificates,
        todo=tuple(sentence for target in targets for sentence in todo(target)),
    )


def _reasons(reports: Sequence[ServerReport]) -> str:
    told = [f"{report.host}: {report.reason or 'no answer'}" for report in reports if not report.healthy]
    return f" ({'; '.join(told)})" if told else ""


def staying_servers(reports: Sequence[HostReport], names: Sequence[str], answer: ServerReport, port: int) -> list[str]:
    """Address and port of the API of every server that stays."""
    gone = set(names)
    own = [report for report in reports if report.known_name not in gone]
    members = tuple(member for member in answer.etcd_members if not {member.name, member.id} & gone)
    return servers.api_servers(own, ServerReport(etcd_members=members), port)


def todo(target: Target) -> list[str]:
    """What is left for the operator to do about a node that is removed."""
    machine = target.machine
    if target.stranger:
        return [f"{target.stranger} is another machine than the node {target.node} was; nothing is removed from it."]
    if machine is None:
        return [f"{target.node} is no host of the inventory: its machine must be reset before it is used again."]
    again = f"Take {machine.host} out of the inventory, or site.yml makes it a node again."
    if machine.reached:
        return [again]
    return [f"{machine.host} could not be reached: it must be reset before it is used again.", again]
