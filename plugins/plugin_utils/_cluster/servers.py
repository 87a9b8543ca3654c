# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The servers of a cluster, before anything changes: what those that answer say, and what follows for this run.

Nothing here repairs a cluster by making another one: a cluster begins only where all servers were looked at, and
nothing on any of them shows that there is, or was, one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import client_url, peer_url
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import majority
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import in_url
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.recorded import founding_findings, sign_of_a_cluster
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostReport,
    MemberReport,
    NodeReport,
    ServerReport,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki

REMOVE = "remove it with remove_node.yml"


def choose_report(reports: Sequence[ServerReport]) -> ServerReport:
    """The server to ask about the cluster: the first healthy one, else the first that is installed."""
    installed = [report for report in reports if report.ca_certificates]
    healthy = [report for report in installed if report.healthy]
    return next(iter([*healthy, *installed]), ServerReport())


def availability_findings(
    servers: Sequence[str], in_play: Sequence[str], looked_at: Sequence[str]
) -> list[HostFinding]:
    """Hosts of this run that could not be looked at. A minority of the servers may be away, and so may agents."""
    away = [host for host in in_play if host not in looked_at]
    away_servers = tuple(host for host in away if host in servers)
    found = []
    if len(servers) - len(away_servers) < majority(len(servers)) and away_servers:
        message = f"cannot be reached, and with {len(away_servers)} of {len(servers)} servers away nothing is changed"
        found.append(HostFinding(away_servers, Finding("unreachable", FAIL, message, "bring them back first")))
    elif away_servers:
        message = "cannot be reached, and stays as it is"
        remedy = f"run again when it is back, or {REMOVE}"
        found.append(HostFinding(away_servers, Finding("unreachable", WARN, message, remedy)))
    agents = tuple(host for host in away if host not in servers)
    if agents:
        message = "cannot be reached, and stays as it is"
        remedy = f"run again when it is back, or {REMOVE}"
        found.append(HostFinding(agents, Finding("unreachable", WARN, message, remedy)))
    return found


def first_server(
    servers: Sequence[str], reports: Sequence[HostReport], answer: ServerReport
) -> tuple[HostReport | None, list[HostFinding]]:
    """The server that begins the cluster, or none when there is one already."""
    looked_at = _servers(reports)
    if answer.etcd_members or any(report.seen.etcd_data for report in looked_at):
        return None, []
    # One that was looked at in vain has a finding of its own.
    unseen = [host for host in servers if host not in {report.name for report in reports}]
    if unseen:
        message = f"no server has data, and {' and '.join(unseen)} could have: a new cluster is made of all servers"
        remedy = "run site.yml when all of them can be reached, without --limit"
        return None, [HostFinding((), Finding("first_server", FAIL, message, remedy))]
    obstacles = founding_findings(reports)
    if any(map(sign_of_a_cluster, looked_at)):
        return None, obstacles
    installed = [report for report in looked_at if report.seen.authority]
    return next(iter([*installed, *looked_at]), None), obstacles


def authority_findings(reports: Sequence[HostReport]) -> list[HostFinding]:
    """Servers that were clusters of their own cannot become one."""
    by_hash: dict[str, list[str]] = {}
    for report in _servers(reports):
        if report.seen.authority:
            by_hash.setdefault(report.seen.authority, []).append(report.name)
    if len(by_hash) < 2:
        return []
    parts = " and ".join(", ".join(hosts) for hosts in by_hash.values())
    message = f"the servers belong to different clusters ({parts} have different CAs)"
    remedy = "reset those that are to join with reset.yml --limit"
    return [HostFinding((), Finding("authority", FAIL, message, remedy))]


def lost_findings(reports: Sequence[HostReport], answer: ServerReport) -> list[HostFinding]:
    """What is gone from the server that the others get it from, and cannot be made anew; they are given theirs."""
    return [
        HostFinding((report.name,), Finding("bootstrap", FAIL, *bootstrap.told_of_lost(report.seen.lost)))
        for report in _servers(reports)
        if report.name == answer.host and report.seen.lost
    ]


def later_findings(
    servers: Sequence[str], reports: Sequence[HostReport], answer: ServerReport
) -> list[HostFinding]:
    """Where a run makes a CA that the cluster did not have, all servers get it, since each of them has to trust it.

    Where a run was killed after it gave one of them the CA, that one has to be asked: otherwise it would be made twice.
    """
    known, new = answer.ca_certificates, ", ".join(bootstrap.LATER)
    away = tuple(host for host in servers if host not in {report.name for report in reports})
    if not known or all(name in known for name in bootstrap.LATER):
        return []
    ahead = tuple(report.name for report in _servers(reports) if report.seen.authority and not report.seen.lacks_ca)
    if ahead:
        message = f"it got the CA {new} before the others, and its API does not answer"
        pair = f"server/tls/{new}-ca.crt and .key"
        remedy = f"bring it back first, or copy {pair} from its data directory to {answer.host}"
        return [HostFinding(ahead, Finding("authority", FAIL, message, remedy))]
    if not away:
        return []
    message = f"the cluster gets a new CA ({new}), and all servers have to get it in one run"
    remedy = f"bring it back first, or {REMOVE}; run site.yml without --limit"
    return [HostFinding(away, Finding("authority", FAIL, message, remedy))]


def ending_findings(ca_certificates: Mapping[str, str]) -> list[HostFinding]:
    """CAs that are near their end: a run that changes nothing has to tell it, too."""
    try:
        ending = pki.ending_authorities(ca_certificates)
    except pki.PkiError as error:
        return [HostFinding((), Finding("authority", FAIL, str(error), "put it back from a backup of a server"))]
    remedy = "plan to move to a new cluster before then"
    return [HostFinding((), Finding("authority", WARN, sentence, remedy)) for sentence in ending]


def member_findings(servers: Sequence[str], reports: Sequence[HostReport], answer: ServerReport) -> list[HostFinding]:
    """Members of etcd that no server of the inventory accounts for; site.yml adds members and removes none."""
    looked_at = _servers(reports)
    if {report.name for report in looked_at} != set(servers):
        return []
    names = {report.known_name for report in looked_at}
    urls = {peer_url(in_url(ip)) for report in looked_at for ip in report.seen.node_ips}
    strangers = [
        member
        for member in answer.etcd_members
        if member.name not in names and not urls.intersection(member.peer_urls)
    ]
    return [
        HostFinding(
            (),
            Finding(
                "member",
                FAIL,
                f"etcd has the member {member.name or ', '.join(member.peer_urls)}, "
                "which no host of the group server is",
                f"{REMOVE} -e k3a_remove_node={member.name or member.id}, or put it back into the inventory",
            ),
        )
        for member in strangers
    ]


def cut_off_findings(reports: Sequence[HostReport], answer: ServerReport) -> list[HostFinding]:
    """Servers whose etcd runs, and is not well for the server that answers: a warning, since a run may mend it."""
    members = {member.name: member for member in answer.etcd_members}
    found = []
    for report in _servers(reports) if answer.healthy else []:
        member = members.get(report.known_name)
        # Why it ends is another finding.
        runs = report.seen.etcd_running and not report.seen.etcd_complaint
        if member and runs and not member.learner and not member.healthy:
            message = f"its etcd runs, but {answer.host} does not find it well at {', '.join(member.client_urls)}"
            remedy = "see that the servers reach each other at the ports 2379 and 2380, and what k3a-etcd logs"
            found.append(HostFinding((report.name,), Finding("cut_off", WARN, message, remedy)))
    return found


def address_findings(reports: Sequence[HostReport], answer: ServerReport) -> list[HostFinding]:
    """A server whose address has changed tells the others, which only a majority of them can take note of."""
    members = {member.name: member for member in answer.etcd_members}
    voters = [member for member in members.values() if not member.learner]
    if sum(1 for member in voters if member.healthy) >= majority(len(voters)):
        return []
    found = []
    for report in _servers(reports):
        member = members.get(report.known_name)
        wanted = peer_url(in_url(report.seen.node_ips[0]))
        if member and wanted not in member.peer_urls:
            message = f"its address is another than etcd knows ({member.peer_urls[0]}), and etcd has no majority"
            remedy = "give it its former address, or bring the other servers back first"
            found.append(HostFinding((report.name,), Finding("address", FAIL, message, remedy)))
    return found


def identity_findings(reports: Sequence[HostReport], answer: ServerReport) -> list[HostFinding]:
    """Hosts whose name another machine has in the cluster; a rebuilt machine is such a one, too."""
    found = []
    nodes = nodes_by_name(answer)
    for report in reports:
        other = _other_machine(report, nodes)
        # A copy is told of by its own record.
        if other and not report.replace and not report.is_copy:
            message = (
                f"the cluster has a node {other.name} with another machine id "
                f"({other.machine_id}, here it is {report.seen.machine_id})"
            )
            remedy = "give the host another name, or set k3a_replace=true for it when it is that node, rebuilt"
            found.append(HostFinding((report.name,), Finding("identity", FAIL, message, remedy)))
    return found


def replaced_nodes(reports: Sequence[HostReport], answer: ServerReport) -> list[str]:
    """The nodes that go first, since their machines were rebuilt and are to take their names again."""
    nodes = nodes_by_name(answer)
    return [report.seen.node_name for report in reports if report.replace and _other_machine(report, nodes)]


def nodes_by_name(answer: ServerReport) -> dict[str, NodeReport]:
    """The nodes of the cluster."""
    return {node.name: node for node in answer.nodes}


def _other_machine(report: HostReport, nodes: Mapping[str, NodeReport]) -> NodeReport | None:
    node = nodes.get(report.seen.node_name)
    return node if node and node.machine_id and node.machine_id != report.seen.machine_id else None


def token_findings(given: Mapping[str, str], authority: str, new: bool = False) -> list[HostFinding]:
    """Server tokens, by host: one for all servers, and none of another cluster. Nothing of them is told.

    A cluster that is new has no CA that a token could pin; that of one which does not answer cannot be told.
    """
    problems: dict[Finding, list[str]] = {}
    passwords = {}
    for host, text in given.items():
        try:
            token = tokens.parse(text)
        except tokens.TokenError as error:
            finding = Finding("token", FAIL, f"k3a_token cannot be used: {error}", "correct it")
            problems.setdefault(finding, []).append(host)
            continue
        passwords[host] = token.password
        if token.id:
            message = "k3a_token is a bootstrap token, with which agents join"
            finding = Finding("token", FAIL, message, "give servers a password of their own")
            problems.setdefault(finding, []).append(host)
        elif (new and token.ca_hash) or (authority and tokens.pins_another(token, authority)):
            message = "k3a_token is of another cluster: it pins another CA"
            remedy = "give this cluster's token, or its short form"
            problems.setdefault(Finding("token", FAIL, message, remedy), []).append(host)
        elif len(token.password) < tokens.SHORTEST:
            # Whoever has the datastore can try passwords on the bootstrap record, which has all keys in it.
            message = f"k3a_token is short: a server token of fewer than {tokens.SHORTEST} characters can be guessed"
            remedy = "give a longer one, or none" if new else "give a longer one with rotate_token.yml"
            problems.setdefault(Finding("token", FAIL if new else WARN, message, remedy), []).append(host)
    found = [HostFinding(tuple(hosts), finding) for finding, hosts in problems.items()]
    if len(set(passwords.values())) > 1:
        message = f"k3a_token differs between {' and '.join(passwords)}"
        found.append(HostFinding((), Finding("token", FAIL, message, "set it once for all servers")))
    return found


def etcd_endpoints(reports: Sequence[HostReport], answer: ServerReport) -> list[str]:
    """Client URLs of all servers' members, by the addresses that they are going to have."""
    own = [client_url(in_url(report.seen.node_ips[0])) for report in _servers(reports)]
    others = [url for member in _unseen_members(reports, answer) for url in member.client_urls]
    return sorted({*own, *others})


def etcd_leader(answer: ServerReport) -> str:
    """The name of the member of etcd that leads the others, or nothing."""
    return next((member.name for member in answer.etcd_members if member.leader), "")


def api_servers(reports: Sequence[HostReport], answer: ServerReport, port: int) -> list[str]:
    """Host and port of every API server, by the addresses that they are going to have."""
    own = [report.api for report in _servers(reports)]
    urls = [url for member in _unseen_members(reports, answer) for url in member.client_urls]
    others = [f"{in_url(urlsplit(url).hostname or '')}:{port}" for url in urls]
    return sorted({*own, *others})


def server_nodes(reports: Sequence[HostReport], answer: ServerReport) -> dict[str, list[str]]:
    """The addresses of every server by the name of its node, as the operator has them and not as nodes report them."""
    found = {
        report.seen.node_name: {
            *report.seen.node_ips,
            *report.settings.get("node_external_ip", ()),
            report.settings.get("advertise_address", ""),
        }
        for report in _servers(reports)
    }
    for member in _unseen_members(reports, answer):
        if member.name:
            found[member.name] = {urlsplit(url).hostname or "" for url in member.client_urls}
    return {name: sorted(addresses - {""}) for name, addresses in sorted(found.items())}


def api_urls(reports: Sequence[HostReport], answer: ServerReport, servers: Sequence[str], away: bool) -> list[str]:
    """Where the API is reached from the controller, where it was found first.

    While servers are away or rebuilt, those that were looked at are all that can be counted on.
    """
    nodes = nodes_by_name(answer)
    published = [report.url for report in _servers(reports) if not _other_machine(report, nodes)]
    everywhere = [f"https://{server}" for server in servers]
    certain = [*([answer.url] if answer.healthy and answer.url else []), *published]
    rest = [] if certain and (away or replaced_nodes(reports, answer)) else everywhere
    return list(dict.fromkeys([*certain, *rest]))


def _servers(reports: Iterable[HostReport]) -> list[HostReport]:
    return [report for report in reports if report.server and report.seen.node_ips]


def _unseen_members(reports: Sequence[HostReport], answer: ServerReport) -> list[MemberReport]:
    seen = {report.seen.node_name for report in _servers(reports)}
    return [member for member in answer.etcd_members if member.name not in seen]
