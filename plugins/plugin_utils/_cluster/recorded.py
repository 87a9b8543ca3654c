# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Hosts compared with who they were, before anything changes: no run makes a host another one, or a cluster a new one.

A host without a record is compared with what follows from what runs on it. What is not known is compared with nothing,
but never taken for a proof that there is no cluster.
"""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_monitor
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import one_line
from ansible_collections.k3a.cluster.plugins.module_utils._formats.flags import split_argument
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import IDENTITY
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostReport, ServerReport

# What a cluster keeps as it was made: addresses of pods and Services, and names and tokens with the domain in them.
IMMUTABLE = ("cluster_cidr", "service_cidr", "cluster_domain")
# The flag of the API server; repeated, the first issues, and all are known.
ISSUER = "service-account-issuer"
# What a host gets before the first server of a new cluster has anything: a run that ended there left nothing else.
BEFORE_ANY_CLUSTER = frozenset({certificate_monitor.DECLARATION.name})
NAMES = "put the host's name, k3a_node_name and k3a_with_node_id back as they were"


def record_findings(
    reports: Sequence[HostReport], answer: ServerReport, servers: Sequence[str] = ()
) -> list[HostFinding]:
    """Hosts that are not, or would not stay, what they are in their cluster.

    C(servers) are those of the inventory; a machine that joins by a token knows of none.
    """
    found: list[HostFinding] = []
    nodes = nodes_by_machine(answer)
    for report in reports:
        copied = _of_another_machine(report, servers)
        # Of a copy nothing else is its own.
        own = copied or [
            *_of_another_cluster(report, answer, servers),
            *_renamed(report, nodes, servers),
            *_readdressed(report, servers),
            *(_moved(report, servers) or _emptied(report, servers)),
        ]
        found += [HostFinding((report.name,), Finding("identity", FAIL, *told)) for told in own]
    return [*found, *_changed_settings(reports, answer), *_changed_issuer(reports, answer)]


def founding_findings(reports: Sequence[HostReport]) -> list[HostFinding]:
    """What is in the way of a new cluster where no server has data: whatever shows that there is, or was, one.

    A founding that did not come to an end has a record without a cluster, and goes on.
    """
    signs = {report.name: sign_of_a_cluster(report) for report in reports}
    if not any(signs[report.name] for report in reports if report.server):
        return [
            HostFinding(
                (report.name,),
                Finding(
                    "identity",
                    FAIL,
                    f"the cluster is new, and {signs[report.name]}",
                    f"take k3a off this host with reset.yml --limit {report.name}",
                ),
            )
            for report in reports
            if signs[report.name]
        ]
    remedy = "mount its data directory, or put the data back from a backup; reset.yml gives the cluster up"
    return [
        HostFinding(
            (report.name,),
            Finding(
                "first_server",
                FAIL,
                f"no server has etcd's data, but {signs[report.name]}: an empty cluster must not take that one's place",
                remedy,
            ),
        )
        for report in reports
        # Of one that was emptied that is told, and is as good a reason.
        if report.server and signs[report.name] and (report.replace or not report.is_emptied)
    ]


def lines(reports: Sequence[HostReport]) -> list[str]:
    """With what each host is compared, as a person reads it."""
    return [_line(report) for report in reports if report.is_established]


def _line(report: HostReport) -> str:
    known, how = report.seen.identity, "by its record" if report.seen.recorded else "by what runs on it"
    node = f"the node {known.node_name or '?'} ({', '.join(known.node_ips) or '?'})"
    return f"{report.name} is {node} of the cluster {known.cluster_id or '?'} in {known.data_dir or '?'}, {how}."


def sign_of_a_cluster(report: HostReport) -> str:
    """What shows that a host has, or had, a part in a cluster; nothing when nothing does."""
    seen = report.seen
    if seen.identity.cluster_id:
        return f"it records that it belongs to the cluster {seen.identity.cluster_id}"
    if seen.etcd_recorded.cluster_id:
        return f"it records that its etcd is a member of the cluster {seen.etcd_recorded.cluster_id}"
    # One that is started again and again, since its data is gone, counts as one that runs: what is known goes first.
    if seen.etcd_running:
        return "its etcd runs"
    if not seen.recorded and (seen.authority or seen.installed):
        what = f"the services {', '.join(seen.installed)}" if seen.installed else "the CA of a cluster"
        return f"it has {what} of k3a, and no record of a cluster that is being made"
    if seen.recorded and not report.server and set(seen.installed) - BEFORE_ANY_CLUSTER:
        return "it is a node of a former one"
    return ""


def _of_another_machine(report: HostReport, servers: Sequence[str]) -> list[tuple[str, str]]:
    if not report.is_copy:
        return []
    message = (
        f"{IDENTITY} is of a machine with the id {report.seen.identity.machine_id}, and here it is"
        f" {report.seen.machine_id}: this host is a copy of that one, or its machine id was changed"
    )
    return [(message, f"put the machine id back, or take k3a off the copy with {_reset(report, servers)}")]


def _of_another_cluster(
    report: HostReport, answer: ServerReport, servers: Sequence[str]
) -> list[tuple[str, str]]:
    known, authority = report.seen.identity, answer.ca_certificates.get("server", "")
    other_ca = bool(known.server_ca and authority) and known.server_ca != tokens.ca_hash(authority)
    if not (known.cluster_id and answer.cluster_id):
        # Servers with different CAs are told of together.
        differs, named = other_ca and not report.server, ""
    else:
        differs = known.cluster_id != answer.cluster_id
        named = f" ({known.cluster_id}, and this one is {answer.cluster_id})"
    if differs and not other_ca:
        where = answer.host or "the cluster's API"
        message = (
            f"it belongs to the cluster {known.cluster_id}, and {where}, which has the same CA, answers for another one"
            f" ({answer.cluster_id}): its data was lost, or is somebody else's"
        )
        remedy = "put etcd's data back there, from a backup or the other servers"
        seen = report.seen
        if seen.etcd_cluster and seen.etcd_cluster == seen.etcd_recorded.cluster_id:
            message, remedy = (
                f"it belongs to the cluster {known.cluster_id}, and {where} answers for another one"
                f" ({answer.cluster_id}), although etcd is the one that it was",
                "see that k3a-apiserver has no --etcd-prefix and no --etcd-servers but its own (systemctl cat"
                " k3a-apiserver); if so, put etcd's data back from a backup",
            )
        return [(message, remedy)]
    remedy = f"leave it out of this run, or take k3a off it with {_reset(report, servers)}"
    return [(f"it belongs to another cluster{named}", remedy)] if differs else []


def nodes_by_machine(answer: ServerReport) -> dict[str, list[str]]:
    """The names of the nodes of each machine: more than one where an old one was left behind."""
    found: dict[str, list[str]] = {}
    for node in answer.nodes:
        found.setdefault(node.machine_id, []).append(node.name)
    return found


def _renamed(
    report: HostReport, nodes: Mapping[str, Sequence[str]], servers: Sequence[str]
) -> list[tuple[str, str]]:
    own = nodes.get(report.seen.machine_id, ()) if report.seen.machine_id else ()
    former = report.seen.identity.node_name if report.is_established else ""
    # Without a record the cluster knows the machine, unless it has the name that it is to have.
    former = former or ("" if report.seen.node_name in own else next(iter(own), ""))
    if not former or former == report.seen.node_name or not report.seen.node_name:
        return []
    message = f"it is the node {former} of the cluster, and its name is {report.seen.node_name} now"
    return [(message, _or_anew(NAMES, report, servers, former))]


def _readdressed(report: HostReport, servers: Sequence[str]) -> list[tuple[str, str]]:
    """A host whose address would become another one, although nobody said so, or although it cannot.

    The default route is anybody's to change, a VPN's for one: a host that still has its address keeps it, unless it is
    told to move. One that lost its address moves, but for a machine that joined by a token, which may have certificates
    for the addresses of its node only.
    """
    seen, former = report.seen, report.seen.identity.node_ips
    if not (report.is_established and former and seen.node_ips) or former == seen.node_ips:
        return []
    stay, move = ",".join(former), ",".join(seen.node_ips)
    node = f"it is the node {report.known_name} with the address {', '.join(former)}"
    is_told = report.settings.get("node_ip") or report.settings.get("flannel_iface")
    # Another family beside its own takes none away.
    is_left = any(ip not in seen.node_ips for ip in seen.kept_ips) and not is_told
    message = f"{node}, which it still has, and its default route leads to {', '.join(seen.node_ips)} now"
    if not servers:
        message = message if is_left else f"{node}, and its address is {', '.join(seen.node_ips)} now"
        has_it = set(former) <= set(seen.kept_ips)
        back = f"set k3a_node_ip to {stay} for it to stay what it is" if has_it else "give it that address back"
        return [(message, _or_anew(back, report, servers, report.known_name))]
    remedy = f"set k3a_node_ip to {stay} for it to stay what it is, or to {move} to move it"
    return [(message, remedy)] if is_left else []


def _moved(report: HostReport, servers: Sequence[str]) -> list[tuple[str, str]]:
    former, wanted = report.seen.identity.data_dir, report.settings.get("data_dir", "")
    if not (report.is_established and former and wanted) or posixpath.normpath(wanted) == posixpath.normpath(former):
        return []
    message = f"k3a_data_dir is {wanted}, and this host has all that it keeps in {former}"
    return [(message, _or_anew(f"set k3a_data_dir to {former}", report, servers, report.known_name))]


def _emptied(report: HostReport, servers: Sequence[str]) -> list[tuple[str, str]]:
    if report.replace or not report.is_emptied:
        return []
    place = report.seen.identity.data_dir or "its data directory"
    message = f"{place} holds nothing of k3a any more: it is not mounted, or was emptied"
    remedy = "mount it, or put it back from a backup"
    if not _is_only_server(report, servers):
        remedy += ", or set k3a_replace=true for the host when that is lost, to have it made anew"
    return [(message, remedy)]


def _or_anew(back: str, report: HostReport, servers: Sequence[str], node: str) -> str:
    """What to do: the last server of a cluster cannot leave it."""
    if _is_only_server(report, servers):
        return back
    if not servers:
        gone = f"remove_node.yml -e k3a_remove_node={node} -e k3a_release_names=true"
        away = f"{gone} in the cluster and {_reset(report, servers)}"
        return f"{back}, or take it out with {away}, and have it join anew"
    return f"{back}, or remove it with remove_node.yml -e k3a_remove_node={node} and have site.yml make it anew"


def _reset(report: HostReport, servers: Sequence[str]) -> str:
    return f"reset.yml {'--limit ' if servers else '-e join_hosts='}{report.name}"


def _is_only_server(report: HostReport, servers: Sequence[str]) -> bool:
    return report.server and len(servers) < 2


def _changed_settings(reports: Sequence[HostReport], answer: ServerReport) -> Iterable[HostFinding]:
    for name in IMMUTABLE:
        # Where no API answers the servers are believed; what one agent says must not stop all.
        established = [report for report in reports if report.server and report.is_established]
        recorded = [getattr(report.seen.identity, name) for report in established]
        known = next(filter(None, [answer.config.get(name), *recorded]), None)
        wanted = next((report.settings[name] for report in reports if report.settings.get(name)), None)
        if known and wanted and comparable(known) != comparable(wanted):
            made = one_line(", ".join(texts(known)))
            message = (
                f"k3a_{name} is {', '.join(texts(wanted))}, and the cluster was made with {made},"
                " which no cluster can change"
            )
            yield HostFinding((), Finding("immutable", FAIL, message, "put it back; another value takes a new cluster"))


def _changed_issuer(reports: Sequence[HostReport], answer: ServerReport) -> Iterable[HostFinding]:
    """Tokens that name an issuer which no API server knows any more are refused, at once and everywhere."""
    hosts: dict[str, list[str]] = {}
    for report in reports if answer.issuer else ():
        split = map(split_argument, report.settings.get("kube_apiserver_arg", ()))
        given = [value for flag, operation, value in split if flag == ISSUER and operation == "replace"]
        wanted = given or [f"https://kubernetes.default.svc.{report.settings.get('cluster_domain')}"]
        # Another domain is told of already.
        domain_stays = answer.config.get("cluster_domain") == report.settings.get("cluster_domain")
        if report.server and domain_stays and answer.issuer not in wanted:
            hosts.setdefault(wanted[0], []).append(report.name)
    for issuer, names in hosts.items():
        message = f"k3a_kube_apiserver_arg: {ISSUER} is {issuer}, and tokens of the cluster name {answer.issuer}"
        remedy = f"add {ISSUER}={answer.issuer} after it, and keep that until all tokens are renewed"
        yield HostFinding(tuple(names), Finding("immutable", FAIL, message, remedy))


def comparable(value: Any) -> list[str]:
    """A setting as it is compared: a network may be written by any of its addresses."""
    return [_comparable(text) for text in texts(value)]


def _comparable(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def texts(value: Any) -> list[str]:
    """The items of a list, or the one text."""
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
