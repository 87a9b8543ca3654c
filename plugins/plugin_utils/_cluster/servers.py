# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The servers of a cluster, before anything changes: what those that answer say, and what follows for this run.

Nothing here repairs a cluster by making another one: a cluster begins only where all servers were looked at, and none
of them has data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import client_url, peer_url
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import majority
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import in_url
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding

Result = Mapping[str, Any]
REMOVE = "remove it with remove_node.yml"


def chosen(asked: Sequence[Result]) -> Result:
    """The server to ask about the cluster: the first healthy one, else the first that is installed."""
    answers = [answer for answer in asked if answer.get("authorities")]
    healthy = [answer for answer in answers if answer["healthy"]]
    return next(iter([*healthy, *answers]), {})


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


def founder(servers: Sequence[str], results: Sequence[Result], answer: Result) -> tuple[str, list[HostFinding]]:
    """The node name of the server that begins the cluster, or nothing when there is one already."""
    looked_at = _servers(results)
    if answer.get("etcd_members") or any(result["facts"].get("etcd_data") for result in looked_at):
        return "", []
    # One that was looked at in vain has a finding of its own.
    unseen = [host for host in servers if host not in {result["host"]["name"] for result in results}]
    if unseen:
        message = f"no server has data, and {' and '.join(unseen)} could have: a new cluster is made of all servers"
        remedy = "run site.yml when all of them can be reached, without --limit"
        return "", [HostFinding((), Finding("founder", FAIL, message, remedy))]
    installed = [result for result in looked_at if result["facts"].get("authority")]
    first = next(iter([*installed, *looked_at]), None)
    return (first["facts"]["node_name"] if first else ""), []


def authority_findings(results: Sequence[Result]) -> list[HostFinding]:
    """Servers that were clusters of their own cannot become one."""
    by_hash: dict[str, list[str]] = {}
    for result in _servers(results):
        authority = result["facts"].get("authority")
        if authority:
            by_hash.setdefault(authority, []).append(result["host"]["name"])
    if len(by_hash) < 2:
        return []
    parts = " and ".join(", ".join(hosts) for hosts in by_hash.values())
    message = f"the servers belong to different clusters ({parts} have different authorities)"
    remedy = "reset those that are to join with reset.yml --limit"
    return [HostFinding((), Finding("authority", FAIL, message, remedy))]


def member_findings(servers: Sequence[str], results: Sequence[Result], answer: Result) -> list[HostFinding]:
    """Members of etcd that no server of the inventory accounts for; site.yml adds members and removes none."""
    looked_at = _servers(results)
    if {result["host"]["name"] for result in looked_at} != set(servers):
        return []
    names = {result["facts"]["node_name"] for result in looked_at}
    urls = {peer_url(in_url(ip)) for result in looked_at for ip in result["facts"]["node_ips"]}
    strangers = [
        member
        for member in answer.get("etcd_members", [])
        if member["name"] not in names and not urls.intersection(member["peer_urls"])
    ]
    return [
        HostFinding(
            (),
            Finding(
                "member",
                FAIL,
                f"etcd has the member {member['name'] or ', '.join(member['peer_urls'])}, "
                "which no host of the group server is",
                f"{REMOVE} -e k3a_remove_node={member['name'] or member['id']}, or put it back into the inventory",
            ),
        )
        for member in strangers
    ]


def cut_off_findings(results: Sequence[Result], answer: Result) -> list[HostFinding]:
    """Servers whose etcd runs, and is not well for the server that answers: a warning, since a run may mend it."""
    members = {member["name"]: member for member in answer.get("etcd_members", [])}
    found = []
    for result in _servers(results) if answer.get("healthy") else []:
        member = members.get(result["facts"]["node_name"])
        if member and result["facts"]["etcd_running"] and not member["learner"] and not member["healthy"]:
            message = f"its etcd runs, but {answer['item']} does not find it well at {', '.join(member['client_urls'])}"
            remedy = "see that the servers reach each other at the ports 2379 and 2380, and what k3a-etcd logs"
            found.append(HostFinding((result["host"]["name"],), Finding("cut_off", WARN, message, remedy)))
    return found


def address_findings(results: Sequence[Result], answer: Result) -> list[HostFinding]:
    """A server whose address has changed tells the others, which only a majority of them can take note of."""
    members = {member["name"]: member for member in answer.get("etcd_members", [])}
    voters = [member for member in members.values() if not member["learner"]]
    if sum(1 for member in voters if member["healthy"]) >= majority(len(voters)):
        return []
    found = []
    for result in _servers(results):
        member = members.get(result["facts"]["node_name"])
        wanted = peer_url(in_url(result["facts"]["node_ips"][0]))
        if member and wanted not in member["peer_urls"]:
            message = f"its address is another than etcd knows ({member['peer_urls'][0]}), and etcd has no majority"
            remedy = "give it its former address, or bring the other servers back first"
            found.append(HostFinding((result["host"]["name"],), Finding("address", FAIL, message, remedy)))
    return found


def identity_findings(results: Sequence[Result], answer: Result) -> list[HostFinding]:
    """Hosts whose name another machine has in the cluster; a machine that was made anew is such a one, too."""
    found = []
    for result in results:
        other = _other_machine(result, answer)
        if other and not result["host"]["replace"]:
            message = (
                f"the cluster has a node {other['name']} with another machine id "
                f"({other['machine_id']}, here it is {result['facts']['machine_id']})"
            )
            remedy = "give the host another name, or set k3a_replace=true for it when it is that node, made anew"
            found.append(HostFinding((result["host"]["name"],), Finding("identity", FAIL, message, remedy)))
    return found


def replaced(results: Sequence[Result], answer: Result) -> list[str]:
    """The nodes that go first, since their machines were made anew and are to take their names again."""
    return [
        result["facts"]["node_name"]
        for result in results
        if result["host"]["replace"] and _other_machine(result, answer)
    ]


def _other_machine(result: Result, answer: Result) -> Mapping[str, Any] | None:
    facts = result.get("facts", {})
    nodes = {node["name"]: node for node in answer.get("nodes", [])}
    node = nodes.get(facts.get("node_name", ""))
    if node and node["machine_id"] and node["machine_id"] != facts.get("machine_id"):
        return node
    return None


def token_findings(given: Mapping[str, str], authority: str, new: bool = False) -> list[HostFinding]:
    """Server tokens, by host: one for all servers, and none of another cluster. Nothing of them is told.

    A cluster that is new has no authority that a token could pin; that of one which does not answer cannot be told.
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
        elif token.ca_hash and (new or (authority and token.ca_hash != tokens.ca_hash(authority))):
            message = "k3a_token is of another cluster: it pins another certificate authority"
            remedy = "give this cluster's token, or its short form"
            problems.setdefault(Finding("token", FAIL, message, remedy), []).append(host)
    found = [HostFinding(tuple(hosts), finding) for finding, hosts in problems.items()]
    if len(set(passwords.values())) > 1:
        message = f"k3a_token differs between {' and '.join(passwords)}"
        found.append(HostFinding((), Finding("token", FAIL, message, "set it once for all servers")))
    return found


def etcd_endpoints(results: Sequence[Result], answer: Result) -> list[str]:
    """Client URLs of all servers' members, by the addresses that they are going to have."""
    own = [client_url(in_url(result["facts"]["node_ips"][0])) for result in _servers(results)]
    others = [url for member in _unseen_members(results, answer) for url in member["client_urls"]]
    return sorted({*own, *others})


def etcd_leader(answer: Result) -> str:
    """The name of the member of etcd that leads the others, or nothing."""
    return next((member["name"] for member in answer.get("etcd_members", []) if member["leader"]), "")


def api_servers(results: Sequence[Result], answer: Result, port: int) -> list[str]:
    """Host and port of every API server, by the addresses that they are going to have."""
    own = [result["host"]["api"] for result in _servers(results)]
    urls = [url for member in _unseen_members(results, answer) for url in member["client_urls"]]
    others = [f"{in_url(urlsplit(url).hostname or '')}:{port}" for url in urls]
    return sorted({*own, *others})


def api_urls(results: Sequence[Result], answer: Result, servers: Sequence[str], away: bool) -> list[str]:
    """Where the API is reached from the controller, where it was found first.

    While servers are away or made anew, those that were looked at are all that can be counted on.
    """
    published = [result["host"]["url"] for result in _servers(results) if not _other_machine(result, answer)]
    everywhere = [f"https://{server}" for server in servers]
    certain = [*([answer["url"]] if answer.get("healthy") else []), *published]
    rest = [] if certain and (away or replaced(results, answer)) else everywhere
    return list(dict.fromkeys([*certain, *rest]))


def _servers(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result["host"]["server"] and result.get("facts", {}).get("node_ips")]


def _unseen_members(results: Sequence[Result], answer: Result) -> list[Mapping[str, Any]]:
    seen = {result["facts"]["node_name"] for result in _servers(results)}
    return [member for member in answer.get("etcd_members", []) if member["name"] not in seen]
