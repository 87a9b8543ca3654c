# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Which hosts try which ports of which others, and what follows from what became of it.

A port is judged by what packets do. What was read of a host's firewall says how it is opened, and counts where nobody
could try.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    AGENT,
    ANYWHERE,
    LOOPBACK,
    SERVER,
    SERVERS,
)
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import family
from ansible_collections.k3a.cluster.plugins.module_utils._formats.records import FormError, record, records
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_firewall
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._host.port_trial import (
    CLOSED,
    REACHED,
    REFUSED,
    UNANSWERED,
    UNKNOWN,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding, named
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostReport
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import components, spec

# So many other hosts try a port, those after it in the inventory: of a large cluster not all have to.
MOST_PEERS = 8
WORD_BYTES = 12


@dataclass(frozen=True)
class Port:
    """A port of a host that others have to reach."""

    protocol: str
    number: int
    reach: str
    ips: tuple[str, ...]

    @property
    def name(self) -> str:
        """As reports have it."""
        return f"{self.protocol}/{self.number}"


def ports_of(report: HostReport) -> list[Port]:
    """The ports of a host that other hosts reach, with the addresses at which they do.

    At an address that was found to be none of the host's nobody reaches it, which is no matter of its ports.
    """
    if any(finding.name == "node_ip" and finding.level == FAIL for finding in report.findings):
        return []
    values = {f"{spec.PREFIX}{name}": value for name, value in report.settings.items()}
    roles = [*([SERVER] if report.server else ()), *([AGENT] if report.node else ())]
    found = []
    for port, number in components.ports_for(values, roles):
        # Tunnels are made from and to one address of each family, all else is reached at the first.
        own = report.seen.node_ips if port.protocol == "udp" else report.seen.node_ips[:1]
        ips = tuple(ip for ip in own if not port.family or family(ip) == port.family)
        if port.reach != LOOPBACK and ips:
            found.append(Port(port.protocol, number, port.reach, ips))
    return found


def _tries(other: HostReport, port: Port, report: HostReport) -> bool:
    """Between hosts that are in a cluster already all is as its operator wants it, and the cluster would say."""
    if report.is_established and (other.is_established or port.protocol == "udp"):
        return False
    if port.reach == ANYWHERE and not other.server and _is_fronted(report, other):
        return False
    families = {family(ip) for ip in other.seen.node_ips}
    is_peer = (other.server or port.reach != SERVERS) and (other.node or port.protocol == "tcp")
    return is_peer and any(family(ip) in families for ip in port.ips) and other.seen.node_ips != report.seen.node_ips


def _is_fronted(server: HostReport, agent: HostReport) -> bool:
    """Whether an agent and its pods reach the API without the server's address as a node: a load balancer has it."""
    published = server.settings.get("advertise_address")
    return bool(agent.fixed and published and published not in server.seen.node_ips)


def is_judged_later(report: HostReport) -> bool:
    """Whether the run opens the host's firewall itself."""
    return bool(report.settings.get("manage_firewall") and report.seen.firewalls)


def trials(reports: Sequence[HostReport]) -> Iterator[tuple[HostReport, Port, list[HostReport]]]:
    """The ports of hosts that are tried, with the hosts that try them: the nearest after it in the inventory first."""
    able = [report for report in reports if report.seen.node_ips]
    for number, report in enumerate(able):
        others = [*able[number + 1 :], *able[:number]]
        for port in () if is_judged_later(report) else ports_of(report):
            peers = list(islice((other for other in others if _tries(other, port, report)), MOST_PEERS))
            if peers:
                yield report, port, peers


def plan(reports: Sequence[HostReport], forks: int) -> dict[str, dict[str, Any]]:
    """What each host that has a part in it does, in the form that M(port_check) takes."""
    parts: dict[str, dict[str, Any]] = {}
    words: dict[tuple[str, str], dict[str, Any]] = {}
    for report, port, peers in trials(reports):
        # Where a component listens already its host has nothing to do.
        if not report.is_established:
            _part(parts, report.name)["listeners"] += [
                {"ip": ip, "protocol": port.protocol, "port": port.number} for ip in port.ips
            ]
        for peer in peers:
            secret = {}
            if not report.is_established:
                if (report.name, peer.name) not in words:
                    words[report.name, peer.name] = _visitor(peer.name)
                    _part(parts, report.name)["visitors"].append(words[report.name, peer.name])
                visitor = words[report.name, peer.name]
                visitor["ports"].append(port.name)
                secret = {name: visitor[name] for name in ("ask", "answer")}
            families = {family(ip) for ip in peer.seen.node_ips}
            _part(parts, peer.name)["targets"] += [
                {"host": report.name, "ip": ip, "protocol": port.protocol, "port": port.number, **secret}
                for ip in port.ips
                if family(ip) in families
            ]
    return {name: {**part, "meets": forks >= len(parts)} for name, part in parts.items()}


def _visitor(name: str) -> dict[str, Any]:
    return {"host": name, "ask": secrets.token_hex(WORD_BYTES), "answer": secrets.token_hex(WORD_BYTES), "ports": []}


def _part(parts: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    return parts.setdefault(name, {"listeners": [], "visitors": [], "targets": []})


# ---- what became of it


@dataclass(frozen=True)
class _Outcome:
    """What a host says of a port of another one, at one of its addresses."""

    host: str
    ip: str
    protocol: str
    port: int
    outcome: str


@dataclass(frozen=True)
class _Visit:
    """Who came to which port of a host, at which of its addresses."""

    host: str
    port: str
    ip: str


@dataclass(frozen=True)
class _Check:
    """What a host says that tried ports, and was tried."""

    host: str
    outcomes: tuple[_Outcome, ...]
    heard: tuple[_Visit, ...]
    opened: tuple[str, ...]


# By host and port (protocol/number) of it: what became of it for which other hosts.
Outcomes = Mapping[tuple[str, str], Mapping[str, str]]


# From the best to the worst.
SEVERITY = (REACHED, UNKNOWN, UNANSWERED, REFUSED, CLOSED)


def outcomes_in(results: Iterable[Mapping[str, Any]], reports: Sequence[HostReport]) -> Outcomes:
    """What the hosts say of the ports that they were told to try; of several addresses of a host the worst."""
    checks = list(_checks(results))
    opened = {(check.host, port) for check in checks for port in check.opened}
    heard = {(check.host, visit.port, visit.ip, visit.host) for check in checks for visit in check.heard}
    tried = {(report.name, port.name): {peer.name for peer in peers} for report, port, peers in trials(reports)}
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for check in checks:
        for each in check.outcomes:
            place = (each.host, f"{each.protocol}/{each.port}")
            if check.host in tried.get(place, ()):
                was_heard = (*place, each.ip, check.host) in heard
                outcome = _certain(each.outcome, was_heard, place in opened)
                found[place][check.host] = max(outcome, found[place].get(check.host, REACHED), key=SEVERITY.index)
    return found


def _certain(outcome: str, was_heard: bool, listened: bool) -> str:
    """What is known when a host says what became of a port of another one, which may have listened there itself."""
    # Who was heard has got there, whatever became of the answer.
    if was_heard:
        return REACHED
    # Only one that listened is refused by what is on the way, and would have heard who reached it.
    doubtful = outcome not in SEVERITY or (outcome == REFUSED and not listened) or (outcome == REACHED and listened)
    return UNKNOWN if doubtful else outcome


def _checks(results: Iterable[Mapping[str, Any]]) -> Iterable[_Check]:
    """The answers of another form left out: it is as if their hosts had not tried."""
    for result in results:
        with suppress(FormError):
            outcomes = records(_Outcome, "outcomes", result.get("outcomes"))
            heard = records(_Visit, "heard", result.get("heard"))
            yield record(_Check, {**result, "outcomes": outcomes, "heard": heard})


def without_disproved(reports: Sequence[HostReport], outcomes: Outcomes) -> list[HostReport]:
    """The hosts, without what was read of firewalls that let everybody through who tried."""
    return [
        replace(
            report,
            findings=tuple(
                each
                for each in report.findings
                if not (each.name == check_firewall.PORTS and _all_reached(report, outcomes))
            ),
        )
        for report in reports
    ]


def _all_reached(report: HostReport, outcomes: Outcomes) -> bool:
    tried = [outcomes.get((report.name, port), {}) for port in report.seen.closed_ports]
    return bool(tried) and all(by_peer and set(by_peer.values()) == {REACHED} for by_peer in tried)


@dataclass(frozen=True)
class _Failure:
    """That a host did not reach a port of another one, and whether most of those who tried did not."""

    peer: str
    host: str
    port: tuple[str, int]
    by_most: bool
    # Nothing came back, which of datagrams is not certain.
    silent: bool


def findings(reports: Sequence[HostReport], outcomes: Outcomes) -> list[HostFinding]:
    """The ports that cannot be reached, but those of which the host's firewall was found to be the reason."""
    by_name = {report.name: report for report in reports}
    # By who is at fault, how certain that is, and whether that is the one that tried: by port who is at the other end.
    found: dict[tuple[str, str, bool], dict[tuple[str, int], list[str]]] = {}
    for each in (failure for report in reports for failure in _failures(report, outcomes)):
        at_fault, level = (each.host, WARN) if each.silent else _at_fault(by_name[each.peer], by_name[each.host], each)
        is_peer = at_fault == each.peer
        others = found.setdefault((at_fault, level, is_peer), defaultdict(list))
        others[each.port].append(each.host if is_peer else each.peer)
    order = list(by_name)
    told = []
    for (name, level, is_peer), others in sorted(found.items(), key=lambda each: order.index(each[0][0])):
        together: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
        for port, hosts in others.items():
            together[tuple(sorted(hosts, key=order.index))].append(port)
        if is_peer:
            told.append(_cannot_reach(name, level, together))
        else:
            told += [_closed(by_name[name], hosts, ports, level) for hosts, ports in together.items()]
    return told


def _failures(report: HostReport, outcomes: Outcomes) -> Iterator[_Failure]:
    own = {port: outcomes.get((report.name, port.name), {}) for port in ports_of(report)}
    # Where a host closes other ports to a peer, a datagram without an answer is no accident.
    closing = {peer for by_peer in own.values() for peer, told in by_peer.items() if told in (CLOSED, REFUSED)}
    for port, by_peer in own.items():
        silent = {peer for peer, outcome in by_peer.items() if outcome == UNANSWERED and peer not in closing}
        failed = [peer for peer, outcome in by_peer.items() if outcome in (CLOSED, REFUSED, UNANSWERED)]
        by_most = 2 * (len(failed) - len(silent)) > len(by_peer)
        if port.name not in report.seen.closed_ports:
            for peer in failed:
                yield _Failure(peer, report.name, (port.protocol, port.number), by_most, peer in silent)


def _at_fault(peer: HostReport, report: HostReport, failure: _Failure) -> tuple[str, str]:
    """Which of two hosts is told when one cannot reach a port of the other, and how.

    A single host could lie about another one, or keep out no other. Of a server and an agent it is the agent, which is
    all that is left out of the run then; between two agents it is a warning. What most say is no lie of a single one.
    """
    # One that is in a cluster is reached by others, who do not try.
    is_proven = report.is_established and not peer.is_established
    is_closed = failure.by_most and not is_proven
    if is_closed or (peer.server and not report.server):
        return report.name, FAIL
    return peer.name, FAIL if peer.server or report.server else WARN


def _cannot_reach(peer: str, level: str, together: Mapping[tuple[str, ...], Sequence[tuple[str, int]]]) -> HostFinding:
    what = ", nor ".join(f"{check_firewall.in_words(ports)} of {named(hosts)}" for hosts, ports in together.items())
    remedy = "let it through in its own firewall, in theirs, or in what is between them"
    return HostFinding((peer,), Finding("ports_of_others", level, f"cannot reach {what}", remedy))


def _closed(report: HostReport, peers: Sequence[str], ports: Sequence[tuple[str, int]], level: str) -> HostFinding:
    in_words = check_firewall.in_words(ports)
    if level == WARN:
        message = f"{named(peers)} had no answer from its port {in_words}"
        return HostFinding((report.name,), Finding("ports", WARN, message, "make sure that it is open to them"))
    message = f"{named(peers)} cannot reach its port{'s' if len(ports) > 1 else ''} {in_words}"
    ways = [
        f"run {' && '.join(check_firewall.COMMANDS[name](ports, ()))}"
        for name in report.seen.firewalls
        if name in check_firewall.COMMANDS
    ]
    if ways:
        remedy = f"set k3a_manage_firewall to true, or {' and '.join(ways)}"
    else:
        families = sorted({family(ip) for ip in report.seen.node_ips})
        rules = " && ".join(check_firewall.iptables_commands(ports, families))
        remedy = f"open it on the host ({rules}, for one), or in what filters between them, such as a security group"
    return HostFinding((report.name,), Finding("ports", FAIL, message, remedy))
