# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The servers' etcd, compared with each other and with what was recorded: they are one cluster, and have its data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._datastore import membership
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Heard, Member, peer_url
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import majority
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import in_url
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import ETCD, EtcdIdentity
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostReport, MemberReport, ServerReport


def etcd_findings(reports: Sequence[HostReport], answer: ServerReport) -> list[HostFinding]:
    """What keeps the servers' etcd from being the cluster that it was."""
    servers = [report for report in reports if report.server and report.facts]
    return [*_divided(servers), *_others(servers, answer), *_foreign(servers, answer), *_lost(servers, answer)]


def _divided(servers: Sequence[HostReport]) -> Iterator[HostFinding]:
    """Members that have begun a cluster of their own, as etcd did whose data was gone before k3a forbade it."""
    hosts: dict[str, list[str]] = {}
    for server in servers:
        if server.seen.etcd_cluster:
            hosts.setdefault(server.seen.etcd_cluster, []).append(server.name)
    if len(hosts) > 1:
        parts = "; ".join(f"{' and '.join(names)}: {cluster}" for cluster, names in hosts.items())
        message = f"the etcd of the servers are clusters of their own ({parts})"
        remedy = (
            "find the one that has the cluster's objects, and have each other server join it anew: stop its k3a-etcd, "
            "move its data away, and set k3a_replace=true for it"
        )
        yield HostFinding((), Finding("etcd", FAIL, message, remedy))


def _others(servers: Iterable[HostReport], answer: ServerReport) -> Iterator[HostFinding]:
    """Servers whose etcd is not the one that they recorded."""
    for server in servers:
        seen, recorded = server.seen, server.seen.etcd_recorded
        running = (seen.etcd_cluster, seen.etcd_member)
        if all(running) and recorded.cluster_id and running != (recorded.cluster_id, recorded.member_id):
            message = (
                f"its etcd is the member {seen.etcd_member} of the cluster {seen.etcd_cluster}, and by {ETCD} it is "
                f"the member {recorded.member_id} of the cluster {recorded.cluster_id}"
            )
            remedy = "put the data of etcd back that it had"
            urls = {peer_url(in_url(ip)) for ip in seen.node_ips}
            if any(member.id == seen.etcd_member and urls & set(member.peer_urls) for member in answer.etcd_members):
                # At its address the others know the one that runs: it is the record that came from elsewhere.
                message += ", and the others know the one that runs"
                remedy = f"put its own {ETCD} back, or remove it: it is written anew by what runs"
            yield HostFinding((server.name,), Finding("etcd", FAIL, message, remedy))


def _foreign(servers: Sequence[HostReport], answer: ServerReport) -> Iterator[HostFinding]:
    """Servers whose disk has the data of another one or of another cluster, as the step of etcd judges them."""
    clusters = sorted({server.seen.etcd_cluster for server in servers if server.seen.etcd_cluster})
    members = tuple(
        Member(each.id, each.name, each.peer_urls, each.client_urls, each.learner) for each in answer.etcd_members
    )
    # Where there are several clusters that is told, and nobody knows which of them has the members.
    heard = Heard(clusters[0], members) if members and len(clusters) == 1 else None
    for server in servers:
        seen, recorded = server.seen, server.seen.etcd_recorded
        kept = EtcdIdentity(seen.etcd_cluster, seen.etcd_member) if seen.etcd_member else seen.etcd_kept
        # Of one that runs with another's data by its record that is told.
        is_told = bool(seen.etcd_member and recorded.member_id)
        if not (kept.member_id and seen.node_ips) or is_told:
            continue
        problem = membership.foreign(
            membership.Situation(
                name=server.known_name,
                peer_url=peer_url(in_url(seen.node_ips[0])),
                kept=kept,
                heard=heard,
                recorded=recorded if recorded.member_id else None,
            )
        )
        if problem:
            message, _separator, remedy = problem.partition("; ")
            yield HostFinding((server.name,), Finding("etcd", FAIL, message, remedy))


def _lost(servers: Sequence[HostReport], answer: ServerReport) -> Iterator[HostFinding]:
    """Servers that are voting members, and whose data is lost. Where none has any, founding is what is refused."""
    voters = [member for member in answer.etcd_members if not member.learner]
    if not voters and not any(server.seen.etcd_data for server in servers):
        return
    lost = [server for server in servers if _has_lost(server, voters)]
    # Only a majority can replace the others, and what still runs counts until it stops.
    count = len(voters or servers)
    last = count == 1
    too_many = count - sum(1 for server in lost if not server.seen.etcd_cluster) < majority(count)
    for server in lost:
        # Of one that has lost all of its data directory that is told, as one thing.
        is_told = server.is_emptied and not server.replace and not server.seen.etcd_cluster
        if not is_told and (last or too_many or not server.replace):
            yield HostFinding((server.name,), Finding("etcd", FAIL, *_told_of_lost(server, last, too_many)))


def _has_lost(server: HostReport, voters: Sequence[MemberReport]) -> bool:
    """Whether a server votes, and has no data that it could go on with."""
    seen = server.seen
    # Where no member answers, the host's record is all that is known; a rebuilt host is told of elsewhere.
    votes = bool(_member_of(server, voters)) if voters else seen.etcd_recorded.member_id != ""
    return votes and server.is_known and bool(seen.etcd_outdated or seen.etcd_complaint or not seen.etcd_data)


def _told_of_lost(server: HostReport, last: bool, too_many: bool) -> tuple[str, str]:
    seen = server.seen
    directory = Layout(seen.identity.data_dir or server.settings["data_dir"]).etcd
    message = f"it is a member of etcd, and its data is gone from {directory}"
    remedy = "mount its disk or put its data back"
    if seen.etcd_outdated:
        message = f"the data of etcd in {directory} is an old copy: what was written since is not in it"
        remedy = "put its newest data back"
    elif seen.etcd_complaint:
        message = f"its etcd ends again and again over its data in {directory} ({seen.etcd_complaint})"
        remedy = "put its newest data back"
    elif seen.etcd_cluster:
        message = f"its etcd runs, and its data is gone from {directory}: what the process still holds ends with it"
        if last:
            remedy = "save what it holds now, while it runs, with etcdctl snapshot save; it is the last voting member"
    if too_many and not last:
        return f"{message}, and the members that are left are no majority, which could replace it", remedy
    return message, remedy if last else f"{remedy}, or set k3a_replace=true for it to have the member replaced"


def _member_of(server: HostReport, members: Sequence[MemberReport]) -> MemberReport | None:
    ids = {server.seen.etcd_member, server.seen.etcd_recorded.member_id}
    known = [member for member in members if member.id in ids]
    named = [member for member in members if member.name == server.known_name]
    return next(iter([*known, *named]), None)
