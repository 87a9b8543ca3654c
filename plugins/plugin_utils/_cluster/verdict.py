# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What follows from all reports for this run: for the cluster, and for each host the record that its tasks read."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_renewal, registry
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT, NODES, SERVER
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import cluster_dns
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import (
    components_in,
    pod_networks,
    reached_ports,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostReport, ServerReport
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.components import WITH_ENVIRONMENT, components
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.deadlines import deadlines
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.networks import node_ip
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.spec import PREFIX

SERVER_LABELS = ("node-role.kubernetes.io/control-plane=true", "node-role.kubernetes.io/etcd=true")


@dataclass(frozen=True)
class Verdict:
    """What a run does with a cluster. RETURN of M(k3a.cluster.check_cluster) says what each of it means."""

    first_server: str = ""
    server: str = ""
    server_data_dir: str = ""
    https_listen_port: int = 6443
    ca_certificates: Mapping[str, str] = field(default_factory=dict)
    cluster_id: str = ""
    bootstrap_record: str = "absent"
    etcd_endpoints: tuple[str, ...] = ()
    etcd_leader: str = ""
    server_hosts: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    replaced_nodes: tuple[str, ...] = ()
    hosts_without_password: tuple[str, ...] = ()
    returning_nodes: tuple[str, ...] = ()
    not_ready_nodes: tuple[str, ...] = ()
    excluded_hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_unavailable: int = 1
    tls_san: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    coredns_image: str = ""

    def as_result(self) -> dict[str, Any]:
        """The form that tasks see."""
        return asdict(self)


@dataclass(frozen=True)
class Ways:
    """What hosts need of a verdict, or of the cluster that a machine joins: mostly how they reach the API."""

    servers: Sequence[str]
    url: str
    joining: bool = False
    cluster_id: str = ""


def host_records(reports: Sequence[HostReport], verdict: Verdict) -> dict[str, dict[str, Any]]:
    """The record of each host: its typed variables, and what follows for it from the verdict."""
    ways = Ways(verdict.servers, verdict.urls[0] if verdict.urls else "", cluster_id=verdict.cluster_id)
    turns = [report.api for report in reports if report.server and report.api]
    return {
        report.name: {
            **node_record(report, ways),
            "may_create": report.name == verdict.server,
            "etcd_first_server": verdict.first_server,
            "etcd_endpoints": verdict.etcd_endpoints,
            "etcd_leads": report.seen.node_name == verdict.etcd_leader,
            "leader_elect": len(verdict.servers) > 1,
            "api_before": turns[: turns.index(report.api)] if report.api else [],
            "is_replaced": report.seen.node_name in verdict.replaced_nodes,
            "lacks_password": report.name in verdict.hosts_without_password,
        }
        for report in reports
        if report.facts
    }


def node_record(report: HostReport, ways: Ways) -> dict[str, Any]:
    """What a host needs to know to become a node and to stay one."""
    settings = report.settings
    balanced = not settings["disable_apiserver_lb"] and (not report.server or len(ways.servers) > 1)
    return {
        **settings,
        "node_name": report.seen.node_name,
        "node_ip": node_ip(settings["node_ip"], settings["flannel_iface"], report.seen.node_ips),
        # By which its certificates name it, whether they were given or found.
        "node_ips": list(report.seen.node_ips),
        "cluster_id": ways.cluster_id,
        "is_server": report.server,
        "is_node": report.node,
        "is_known": report.is_known,
        "load_balanced": balanced,
        "has_load_balancer": report.seen.load_balancer,
        # Of a machine that joined by a token, which a run of site.yml takes over.
        "renews_itself": certificate_renewal.DECLARATION.name in report.seen.installed,
        "environment": {name: settings["environment"].get(name, {}) for name in WITH_ENVIRONMENT},
        "api_url": api_url(report, ways, balanced),
        "no_proxy": without_proxy(settings, report.seen.node_ips, api_url(report, ways, balanced)),
        "api_servers": list(ways.servers),
        "api_own": report.api,
        "firewall_ports": firewall_ports(report),
        "firewall_networks": list(pod_networks(report.node, settings["flannel_backend"], settings["cluster_cidr"])),
        "wait_for": registry.awaited({"load_balanced": balanced}),
        "api_fallback": [report.fixed] if report.fixed else [],
        "registration_labels": settings["node_label"] if ways.joining else [],
        # A machine that joins by a token showed its password when it asked for its certificate.
        "lacks_password": False,
        "throttle": 0,
        **deadlines(settings),
        "annotations": [*report.annotations, *settings["node_annotation"]],
    }


def firewall_ports(report: HostReport) -> list[str]:
    """The ports of a host that others have to reach, as firewalls name them."""
    values = {f"{PREFIX}{name}": value for name, value in report.settings.items()}
    roles = [role for role, has in ((SERVER, report.server), (AGENT, report.node)) if has]
    reached = reached_ports(components_in(components(values, roles)), report.without_peers)
    return [f"{port.number}/{port.protocol}" for port in reached]


def with_joined_peers(reports: Sequence[HostReport], answer: ServerReport) -> list[HostReport]:
    """The hosts, to which nodes come that joined by a token, if there are any: the inventory knows none of them."""
    own = {report.seen.node_name for report in reports}
    joined = any(node.name not in own for node in answer.nodes)
    return [
        replace(report, without_peers=tuple(each for each in report.without_peers if not joined or each != NODES))
        for report in reports
    ]


def api_url(report: HostReport, ways: Ways, balanced: bool) -> str:
    """Where a node's components reach the API."""
    if balanced:
        return f"https://127.0.0.1:{report.settings['lb_server_port']}"
    if report.server:
        return f"https://127.0.0.1:{report.settings['https_listen_port']}"
    return report.settings["server_url"] or ways.url


def without_proxy(settings: Mapping[str, Any], node_ips: Sequence[str], api: str) -> list[str]:
    """What a node reaches without a proxy: itself, the cluster and its API whatever is said, and what is said."""
    cluster = [*settings["cluster_cidr"], *settings["service_cidr"], ".svc", f".{settings['cluster_domain']}"]
    always = ["localhost", "127.0.0.0/8", "::1", *cluster, *node_ips, urlsplit(api).hostname or ""]
    return list(dict.fromkeys(filter(None, [*always, *settings["no_proxy"]])))


def described_nodes(reports: Sequence[HostReport]) -> list[dict[str, Any]]:
    """The nodes of a run: what their hosts' variables ask for, and roles, which a kubelet may not give itself."""
    return [
        {
            "host": report.name,
            "name": report.seen.node_name,
            "labels": [*(SERVER_LABELS if report.server else ()), *report.settings["node_label"]],
            "annotations": [*report.annotations, *report.settings["node_annotation"]],
            "internal_ips": list(report.seen.node_ips),
            "taints": report.settings["node_taint"],
            "foreign_network": report.settings["flannel_backend"] == "none",
        }
        for report in reports
        if report.node and report.facts
    ]


def without_password(reports: Sequence[HostReport], known: Sequence[str], replaced: Sequence[str]) -> list[str]:
    """Hosts that run a node whose password is not on the machine, or whose hash is not in the cluster."""
    names = set(known) - set(replaced)
    return [
        report.name
        for report in reports
        if report.facts and report.node and not (report.seen.node_password and report.seen.node_name in names)
    ]


def recorded_nodes(hosts: Mapping[str, str], answer: ServerReport, away: Iterable[str]) -> list[str]:
    """The names of the nodes of these hosts, as the cluster is to know them.

    C(away) are the names that the hosts may have that this run does not look at. Where there are any, what was recorded
    before stays as well, as far as its nodes are still there.
    """
    of_others = set(away)
    before = answer.config.get("nodes")
    kept = [*of_others, *(before if of_others and isinstance(before, list) else ())]
    return sorted({*hosts.values(), *(node.name for node in answer.nodes if node.name in kept)})


def recorded_hosts(nodes: Collection[Mapping[str, Any]], answer: ServerReport) -> dict[str, str]:
    """Whose the nodes are: those that this run does not describe as it was recorded before.

    Also those whose host the inventory has no more: as long as it is there, a node is nobody else's.
    """
    described = {node["host"]: node["name"] for node in nodes}
    names = set(described.values())
    before = {host: name for host, name in answer.node_of_host.items() if name not in names}
    return dict(sorted({**before, **described}.items()))


def recorded_addresses(
    nodes: Iterable[Mapping[str, Any]], answer: ServerReport, hosts: Mapping[str, str]
) -> dict[str, list[str]]:
    """The addresses of the nodes of these hosts, where this run does not know them as it was recorded before."""
    before, there = answer.addresses_of_node, set(hosts.values())
    kept = {name: addresses for name, addresses in before.items() if name in there}
    return dict(sorted({**kept, **{node["name"]: node["internal_ips"] for node in nodes}}.items()))


def cluster_config(
    settings: Mapping[str, Any],
    verdict: Verdict,
    nodes: Sequence[str] = (),
    server_nodes: Mapping[str, Sequence[str]] | None = None,
    hosts: Mapping[str, str] | None = None,
    addresses: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """What all nodes of the cluster have to say alike, for machines that are in no inventory; and who is in it.

    Who the servers are, with their addresses, is what the approver of certificates believes.
    """
    alike = ("cluster_cidr", "cluster_domain", "flannel_backend", "https_listen_port", "proxy_mode", "server_url")
    return {
        **{name: settings[name] for name in (*alike, "service_cidr")},
        "cluster_dns": cluster_dns(settings["cluster_dns"], settings["service_cidr"]),
        "addresses": {name: list(own) for name, own in (addresses or {}).items()},
        "hosts": dict(hosts or {}),
        "nodes": list(nodes),
        "server_nodes": {name: list(addresses) for name, addresses in (server_nodes or {}).items()},
        "servers": list(verdict.servers),
        "tls_san": list(verdict.tls_san),
    }


def image_of(images: Sequence[str], name: str) -> str:
    """The image of a bundle by the last part of its name."""
    return next((image for image in images if f"/{name}:" in image), "")


def window(wanted: str, nodes: int) -> int:
    """How many of so many nodes may be away at once: a number, or a percentage of them, and never less than one."""
    number = math.floor(nodes * int(wanted[:-1]) / 100) if wanted.endswith("%") else int(wanted)
    return max(1, number)
