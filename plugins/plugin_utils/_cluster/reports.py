# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What hosts and servers report, as records: the one place that knows what check_config and server_info call it.

A report is a claim. Its form is checked here, where it enters; what it says is judged by those who use it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import one_line
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import is_url, valid_node_name
from ansible_collections.k3a.cluster.plugins.module_utils._formats.records import FormError as ReportError
from ansible_collections.k3a.cluster.plugins.module_utils._formats.records import record, records
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity, Identity

Record = TypeVar("Record")

# All findings of a host together: they are shown several times, for all hosts.
LONGEST = 100_000
# A single thing that a host says of itself, which findings repeat.
LONGEST_WORD = 256
MOST_WORDS = 64
FAMILIES = (4, 6)


@dataclass(frozen=True)
class HostFacts:
    """What was seen on a host."""

    node_name: str = ""
    node_ips: tuple[str, ...] = ()
    machine_id: str = ""
    architecture: str = ""
    # The hash of the server CA that the host has: it is, or was, a server.
    authority: str = ""
    # The path of what a server has lost of what servers share, a key for instance.
    lost: str = ""
    # It is a server of a version that made fewer CAs, and gets the others from the servers that have them.
    lacks_ca: bool = False
    etcd_data: bool = False
    etcd_running: bool = False
    load_balancer: bool = False
    node_password: bool = False
    bundle_present: bool = False
    # Who the host is: its record or, where it has none yet, what follows from what runs there.
    identity: Identity = Identity()
    recorded: bool = False
    # Those of its addresses as a node that are still on the host, whichever it would be given now.
    kept_ips: tuple[str, ...] = ()
    # Whether anything of a node or a server is in its data directory.
    state: bool = False
    # Cluster and member as the local etcd says while it runs, and as the host recorded them.
    etcd_cluster: str = ""
    etcd_member: str = ""
    etcd_recorded: EtcdIdentity = EtcdIdentity()
    # Whose data is on its disk, where the local etcd does not say who it is.
    etcd_kept: EtcdIdentity = EtcdIdentity()
    # The data of etcd is an old copy: its member had come further already.
    etcd_outdated: bool = False
    # What etcd says where it ends over its data again and again.
    etcd_complaint: str = ""
    # The components of ours that have a unit.
    installed: tuple[str, ...] = ()
    # The firewall programs that are at work, and the ports of ours that are closed as far as rules can be read.
    firewalls: tuple[str, ...] = ()
    closed_ports: tuple[str, ...] = ()
    # The host's time, in seconds since 1970.
    clock: float = 0.0


@dataclass(frozen=True)
class HostReport:
    """A host that was looked at; C(facts) are missing where no module could run on it."""

    name: str
    server: bool = False
    node: bool = True
    # From where nobody comes to it: which of SERVERS and NODES there are no others of.
    without_peers: tuple[str, ...] = ()
    replace: bool = False
    # Where a server's API is: its published URL, and the address and port that other nodes use.
    url: str = ""
    api: str = ""
    # Host and port of k3a_server_url.
    fixed: str = ""
    # The bundle on the controller that the host does not have yet.
    bundle: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    # The typed values of all variables that are no secrets, by their names without k3a_.
    settings: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    facts: HostFacts | None = None

    @property
    def seen(self) -> HostFacts:
        """The facts, empty where there are none."""
        return self.facts or HostFacts()

    @property
    def known_name(self) -> str:
        """The name that the host has in its cluster, whatever its name is now; a copy has not the other's."""
        return ("" if self.is_copy else self.seen.identity.node_name) or self.seen.node_name

    @property
    def is_copy(self) -> bool:
        """Whether what the host has recorded is another machine's, of which it was copied.

        A machine without an id is told of as such.
        """
        known = self.seen.identity
        has_none = any(finding.name == "machine_id" for finding in self.findings)
        return known != Identity() and known.machine_id != self.seen.machine_id and not has_none

    @property
    def is_established(self) -> bool:
        """Whether the host has begun to be a part of a cluster: a record alone may be of a run that was killed."""
        return bool(self.seen.installed or self.seen.etcd_data)

    @property
    def is_emptied(self) -> bool:
        """Whether the host has our services, and nothing that they could run with."""
        return bool(self.seen.installed) and not self.seen.state

    @property
    def is_known(self) -> bool:
        """Whether the host has, or had, a part in a cluster."""
        return self.seen.node_password or self.seen.authority != ""


@dataclass(frozen=True)
class MemberReport:
    """A member of etcd."""

    id: str
    name: str = ""
    peer_urls: tuple[str, ...] = ()
    client_urls: tuple[str, ...] = ()
    learner: bool = False
    leader: bool = False
    healthy: bool = False


@dataclass(frozen=True)
class NodeReport:
    """A node of the cluster."""

    name: str
    machine_id: str = ""
    addresses: tuple[str, ...] = ()
    ready: bool = False


@dataclass(frozen=True)
class ServerReport:
    """What a server says of the cluster; C(host) is empty where none could be asked."""

    host: str = ""
    url: str = ""
    ca_certificates: Mapping[str, str] = field(default_factory=dict)
    healthy: bool = False
    reason: str = ""
    etcd_members: tuple[MemberReport, ...] = ()
    nodes: tuple[NodeReport, ...] = ()
    node_passwords: tuple[str, ...] = ()
    # The names that were given to machines with a token.
    joined_nodes: tuple[str, ...] = ()
    # The names of nodes that were removed, which nobody can have yet.
    removed_nodes: tuple[str, ...] = ()
    bootstrap_record: str = "absent"
    # The UID of the namespace kube-system, what all nodes have in common, and who issues service accounts' tokens.
    # Empty where the API does not answer.
    cluster_id: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    issuer: str = ""

    @property
    def node_of_host(self) -> dict[str, str]:
        """The nodes of the inventory's hosts as runs have recorded them in the cluster, of those that are there."""
        told, there = self.config.get("hosts"), {node.name for node in self.nodes}
        known = told if isinstance(told, Mapping) else {}
        return {str(host): str(node) for host, node in known.items() if str(node) in there}

    @property
    def addresses_of_node(self) -> dict[str, list[str]]:
        """The addresses of these nodes as runs have recorded them."""
        told = self.config.get("addresses")
        known = told if isinstance(told, Mapping) else {}
        there = {*self.node_of_host.values()}
        return {
            str(node): [str(address) for address in addresses]
            for node, addresses in known.items()
            if str(node) in there and isinstance(addresses, list)
        }


def host_report(result: Mapping[str, Any]) -> HostReport:
    """The record of a result of check_config."""
    facts, findings = _claims(result)
    return record(HostReport, {**result["host"], "findings": findings, "facts": facts})


def host_claims(result: Mapping[str, Any]) -> tuple[HostFacts | None, tuple[Finding, ...]]:
    """What a host says of itself, and what it finds in the way: one that knows its name for unusable says no more."""
    facts, findings = _claims(result)
    if sum(len(finding.message) + len(finding.remedy) for finding in findings) > LONGEST:
        raise ReportError(f"its findings are more than {LONGEST} characters")
    if result and not facts and not any(finding.level == FAIL for finding in findings):
        raise ReportError("it has no node_name, and no finding says why")
    return facts, findings


def _claims(result: Mapping[str, Any]) -> tuple[HostFacts | None, tuple[Finding, ...]]:
    findings = tuple(map(_shown, records(Finding, "findings", result.get("findings", ()))))
    facts = result.get("facts") or {}
    if not isinstance(facts, Mapping):
        raise ReportError(f"its facts are {facts!r:.100}, which is no mapping")
    told = any(finding.name == "hostname" and finding.level == FAIL for finding in findings)
    return (host_facts(facts) if facts.get("node_name") and not told else None), findings


def _shown(finding: Finding) -> Finding:
    """A finding as a line that is no more than that: it could pretend to be several, or steer a terminal."""
    return replace(finding, message=one_line(finding.message), remedy=one_line(finding.remedy))


def host_reports(results: list[dict[str, Any]]) -> list[HostReport]:
    """The records of the hosts that were looked at; Ansible has told why of the others."""
    return [_named(host_report, result, result["host"]["name"]) for result in results if "host" in result]


def _named(read: Callable[[Mapping[str, Any]], Record], result: Mapping[str, Any], host: str) -> Record:
    try:
        return read(result)
    except ReportError as error:
        raise ReportError(f"what {host} says cannot be used: {error}") from None


def host_facts(facts: Mapping[str, Any]) -> HostFacts:
    """What a host says of itself, whose name is that of a node, and whose addresses are addresses."""
    identity = _part(Identity, "identity", facts)
    etcd_recorded, etcd_kept = (_part(EtcdIdentity, f"etcd_{which}", facts) for which in ("recorded", "kept"))
    parts = {"identity": identity, "etcd_recorded": etcd_recorded, "etcd_kept": etcd_kept}
    seen = record(HostFacts, {**facts, **parts})
    # Any of it gets into paths of the API and lines of files.
    for name in (seen.node_name, *filter(None, [identity.node_name])):
        if not valid_node_name(name):
            raise ReportError(f"its node_name is {name!r:.100}, which cannot be the name of a node")
    for addresses in (seen.node_ips, identity.node_ips):
        if len(addresses) > len(FAMILIES):
            raise ReportError(f"its node_ips are {len(addresses)}, and a node has one of each address family")
    _judge_addresses([*seen.node_ips, *identity.node_ips])
    told = (EtcdIdentity(seen.etcd_cluster, seen.etcd_member), etcd_recorded, etcd_kept)
    for number in (number for each in told for number in (each.cluster_id, each.member_id)):
        if number and not (number.isascii() and number.isdigit()):
            raise ReportError(f"its etcd has the id {number!r:.100}, which is no number")
    for part in (seen, identity, etcd_recorded, etcd_kept):
        _judge_words(part)
    return seen


def _part(kind: type[Record], name: str, values: Mapping[str, Any]) -> Record:
    """A record in a report, empty where the report does not have it."""
    value = values.get(name) or {}
    if not isinstance(value, Mapping):
        raise ReportError(f"its {name} is {value!r:.100}, which is no mapping")
    return record(kind, value)


def _judge_words(part: Any) -> None:
    """Refuse what is longer than anything of a host is, or more than a text of one line: findings repeat it."""
    for each in fields(part):
        value = getattr(part, each.name)
        words = value if isinstance(value, tuple) else (value,)
        if len(words) > MOST_WORDS:
            raise ReportError(f"its {each.name} are {len(words)}, more than {MOST_WORDS}")
        if any(isinstance(word, str) and len(word) > LONGEST_WORD for word in words):
            raise ReportError(f"its {each.name} has more than {LONGEST_WORD} characters")
        for word in words:
            if isinstance(word, str) and not word.isprintable():
                raise ReportError(f"its {each.name} is {word!r:.100}, which is no text of one line")


def _judge_addresses(addresses: Iterable[str]) -> None:
    for address in addresses:
        try:
            if "%" in address:  # what follows it may be any text
                raise ValueError
            ipaddress.ip_address(address)
        except ValueError:
            raise ReportError(f"its node_ips name {address!r}, which is no address") from None


def server_report(result: Mapping[str, Any]) -> ServerReport:
    """The record of a result of server_info; of a server that did not answer, why."""
    about = {
        **result,
        # Of one that cannot be reached Ansible tells what the loop was at.
        "host": result.get("host") or result.get("item", ""),
        "reason": result.get("reason") or result.get("msg") or "",
        "etcd_members": records(MemberReport, "etcd_members", result.get("etcd_members", ())),
        "nodes": records(NodeReport, "nodes", result.get("nodes", ())),
    }
    told = record(ServerReport, about)
    _judge_members(told.etcd_members)
    return replace(
        told, reason=one_line(told.reason), cluster_id=one_line(told.cluster_id), issuer=one_line(told.issuer)
    )


def _judge_members(members: Iterable[MemberReport]) -> None:
    """Refuse members that are none of ours: any of it gets into arguments of programs, lines of files and findings."""
    for member in members:
        if not (member.id.isascii() and member.id.isdigit()):
            raise ReportError(f"etcd has a member with the id {member.id!r:.100}, which is no number")
        # One that was added and has not started yet has no name.
        if member.name and not valid_node_name(member.name):
            raise ReportError(f"etcd has the member {member.name!r:.100}, which cannot be the name of a node")
        for url in (*member.peer_urls, *member.client_urls):
            if not is_url(url):
                raise ReportError(f"etcd has the member {member.id} at {url!r:.100}, which is no URL of one")


def server_reports(results: list[dict[str, Any]]) -> list[ServerReport]:
    """The records of the servers that were asked."""
    return [_named(server_report, result, str(result.get("host") or result.get("item"))) for result in results]
