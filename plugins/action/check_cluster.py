# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges the whole cluster on the controller; no host is touched."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import one_line
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import open_bundle
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import (
    claims,
    datastore,
    findings,
    operator_kubeconfig,
    port_check,
    recorded,
    servers,
    verdict,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.groups import AGENT, SERVER, members
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.groups import servers as servers_of
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostReport,
    ServerReport,
    host_reports,
    server_reports,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

OPTIONS: dict[str, Any] = {
    "host_reports": {"type": "list", "elements": "dict", "default": []},
    "server_reports": {"type": "list", "elements": "dict", "default": []},
    "port_checks": {"type": "list", "elements": "dict", "default": []},
    "join_info": {"type": "dict", "default": {}},
}
# What is known of a server that this run does not look at: by its variables, and no more.
OF_OTHERS = (*findings.CLUSTER_WIDE, *findings.SERVER_WIDE, "data_dir")


class ActionModule(ActionBase):
    """Fails with one message that names everything in the way, or says that nothing is."""

    _requires_connection = False

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        # A host whose check broke, or that was unreachable, has no report: Ansible has told why.
        looked_at = host_reports(options["host_reports"])
        outcomes = port_check.outcomes_in(options["port_checks"], looked_at)
        hosts = port_check.without_disproved(looked_at, outcomes)
        answer = servers.choose_report(server_reports(options["server_reports"]))
        task_vars = task_vars or {}
        groups = task_vars["groups"]
        first_server = None
        if options["join_info"]:
            # A machine that joins by a token needs neither the groups nor the libraries that look after a cluster.
            found = [
                *common_findings(hosts, []),
                *findings.label_findings(hosts),
                *findings.external_findings(hosts),
                *recorded.record_findings(hosts, joined_cluster(options["join_info"])),
            ]
        elif hosts:
            first_server, found = self._judge(hosts, answer, task_vars)
            found += port_check.findings(hosts, outcomes)
        else:
            # Every playbook of a cluster begins with this; warnings are for the preflight of hosts, which comes next.
            whole_run = findings.tag_findings(task_vars.get("ansible_run_tags", ()))
            found = findings.failures([*whole_run, *findings.library_findings(), *findings.group_findings(groups)])
        excluded, conclusion = concluded(hosts, findings.by_host(found, groups["all"]), bool(options["join_info"]))
        if self._task.diff:
            conclusion["msg"] = "\n".join([conclusion["msg"], *recorded.lines(hosts)])
        result |= {"changed": False, **conclusion}
        ready = [host for host in hosts if host.name not in excluded]
        if not ready or conclusion["failed"]:
            return result
        if options["join_info"]:
            return {**result, "hosts": joining_records(ready, options["join_info"])}
        return {**result, **self._plan(ready, answer, first_server, excluded, task_vars)}

    def _judge(
        self, hosts: list[HostReport], answer: ServerReport, task_vars: Mapping[str, Any]
    ) -> tuple[HostReport | None, list[HostFinding]]:
        """The server that begins a new cluster, if any has to, and what is in the way of this run."""
        groups, hostvars = task_vars["groups"], task_vars["hostvars"]
        group, in_play = servers_of(groups), task_vars["ansible_play_hosts_all"]
        first_server, found = servers.first_server(group, hosts, answer)
        authority = answer.ca_certificates.get("server", "")
        return first_server, [
            *found,
            *common_findings(hosts, self._others(hosts, group, hostvars)),
            *findings.library_findings(),
            *findings.group_findings(groups),
            *servers.availability_findings(group, in_play, [host.name for host in hosts]),
            *servers.authority_findings(hosts),
            *servers.lost_findings(hosts, answer),
            *servers.later_findings(group, hosts, answer),
            *recorded.record_findings(hosts, answer, group),
            *kubeconfig_findings(hosts, answer, first_server),
            *datastore.etcd_findings(hosts, answer),
            *servers.ending_findings(answer.ca_certificates),
            *servers.member_findings(group, hosts, answer),
            *servers.cut_off_findings(hosts, answer),
            *servers.address_findings(hosts, answer),
            *servers.identity_findings(hosts, answer),
            *claims.joined_findings(hosts, answer),
            *claims.claim_findings(
                hosts, answer, self._reserved(hosts, answer, self._names(group, hostvars)), self._away(hosts, task_vars)
            ),
            *servers.token_findings(self._given("token", group, hostvars), authority, new=first_server is not None),
            *url_findings(server_urls(hosts), authority, self._names(group, hostvars)),
        ]

    def _plan(
        self,
        hosts: list[HostReport],
        answer: ServerReport,
        first_server: HostReport | None,
        excluded: Mapping[str, list[str]],
        task_vars: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What this run is going to do with the cluster."""
        group, in_play = servers_of(task_vars["groups"]), task_vars["ansible_play_hosts_all"]
        others = self._others(hosts, group, task_vars["hostvars"])
        acting = next((host for host in [*hosts, *others] if host.name == answer.host), first_server)
        settings = (acting or hosts[0]).settings
        api = tuple(servers.api_servers(hosts, answer, settings["https_listen_port"]))
        replaced = tuple(servers.replaced_nodes(hosts, answer))
        nodes = verdict.described_nodes(hosts)
        of_hosts = verdict.recorded_hosts(nodes, answer)
        known = verdict.recorded_nodes(of_hosts, answer, self._away(hosts, task_vars))
        away = bool(set(in_play).intersection(group) - {host.name for host in hosts})
        plan = verdict.Verdict(
            first_server=first_server.seen.node_name if first_server else "",
            server=acting.name if acting else "",
            server_data_dir=settings["data_dir"],
            https_listen_port=settings["https_listen_port"],
            ca_certificates=answer.ca_certificates,
            cluster_id=answer.cluster_id,
            bootstrap_record=answer.bootstrap_record,
            etcd_endpoints=tuple(servers.etcd_endpoints(hosts, answer)),
            etcd_leader=servers.etcd_leader(answer),
            server_hosts=tuple(host.name for host in hosts if host.server),
            servers=api,
            urls=tuple(servers.api_urls(hosts, answer, api, away)),
            replaced_nodes=replaced,
            hosts_without_password=tuple(verdict.without_password(hosts, answer.node_passwords, replaced)),
            returning_nodes=tuple(sorted({node["name"] for node in nodes}.intersection(answer.removed_nodes))),
            not_ready_nodes=tuple(node.name for node in answer.nodes if not node.ready),
            excluded_hosts=excluded,
            max_unavailable=verdict.window(hosts[0].settings["max_unavailable"], len(nodes)),
            tls_san=tuple(self._names(group, task_vars["hostvars"])),
            versions=hosts[0].versions,
            coredns_image=verdict.image_of(hosts[0].images, "coredns"),
        )
        return {
            **plan.as_result(),
            "nodes": nodes,
            "config": verdict.cluster_config(
                hosts[0].settings,
                plan,
                known,
                servers.server_nodes(hosts, answer),
                of_hosts,
                verdict.recorded_addresses(nodes, answer, of_hosts),
            ),
            "hosts": verdict.host_records(verdict.with_joined_peers(hosts, answer), plan),
        }

    def _others(self, hosts: list[HostReport], group: Iterable[str], hostvars: Mapping[str, Any]) -> list[HostReport]:
        """The servers that this run does not look at, with the values that they must share with those it does."""
        looked_at = {host.name for host in hosts}
        return [
            HostReport(host, server=True, settings=spec.usable(OF_OTHERS, hostvars[host]))
            for host in group
            if host not in looked_at
        ]

    def _reserved(self, hosts: list[HostReport], answer: ServerReport, names: Iterable[str]) -> approver.Settings:
        """What no agent may have."""
        settings = hosts[0].settings
        api = servers.api_servers(hosts, answer, settings.get("https_listen_port", 0))
        return claims.reserved(settings, filter(None, api), names)

    def _away(self, hosts: list[HostReport], task_vars: Mapping[str, Any]) -> dict[str, str]:
        """The hosts of the cluster that this run does not look at, by the names that their nodes may have."""
        looked_at = {host.name for host in hosts}
        away = [host for host in members(task_vars["groups"], (*SERVER, *AGENT)) if host not in looked_at]
        given = self._given("node_name", away, task_vars["hostvars"])
        return {name: host for host in away for name in claims.names_of(host, given.get(host, ""))}

    def _given(self, name: str, hosts: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
        """A variable of servers, by host, where it is set and can be used."""
        values = {host: spec.usable([name], hostvars[host]).get(name) for host in hosts}
        return {host: value for host, value in values.items() if value}

    def _names(self, group: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
        """What the certificates of all servers name besides what is known of them."""
        given = self._given("tls_san", group, hostvars)
        return list(dict.fromkeys(name for names in given.values() for name in names))


def common_findings(hosts: list[HostReport], others: list[HostReport]) -> list[HostFinding]:
    """What can be in the way of any hosts."""
    return [*findings.own_findings(hosts), *findings.cross_findings([*hosts, *others]), *damaged_bundles(hosts)]


def concluded(
    hosts: list[HostReport], found: list[HostFinding], joining: bool = False
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The agents that the run goes on without, and the result: it ends where anything else is in the way.

    Machines that join by a token are there for nothing else, so that one of them is no less than all.
    """
    strict = joining or any(host.settings.get("strict") for host in hosts)
    agents = [host.name for host in hosts if not host.server]
    excluded = {} if strict else findings.excluded_agents(found, agents, [host.name for host in hosts])
    message = "" if excluded else findings.failure(found)
    told = message or findings.in_order(hosts, excluded)
    return excluded, {"warnings": findings.warnings(found), "failed": bool(message), "msg": told}


def joining_records(hosts: list[HostReport], join_info: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The records of machines that join by a token."""
    ways = verdict.Ways(
        join_info["servers"], join_info["url"], joining=True, cluster_id=joined_cluster(join_info).cluster_id
    )
    return {host.name: verdict.node_record(host, ways) for host in hosts if host.facts}


def joined_cluster(join_info: Mapping[str, Any]) -> ServerReport:
    """What a machine that joins by a token knows of its cluster."""
    config = join_info.get("config") or {}
    cluster_id = one_line(str(config.get("cluster_id", "")))
    return ServerReport(ca_certificates=join_info["ca_certificates"], cluster_id=cluster_id, config=config)


def kubeconfig_findings(
    hosts: list[HostReport], answer: ServerReport, first_server: HostReport | None
) -> list[HostFinding]:
    """What is wrong with the operator's kubeconfig; where nobody knows the cluster's CA, it is not judged."""
    path, authority = hosts[0].settings.get("kubeconfig"), answer.ca_certificates.get("server", "")
    content = files.read_bytes(operator_kubeconfig.place(path)) if path else None
    if path and content is None:
        return operator_kubeconfig.place_findings(path)
    if not path or not (authority or first_server):
        return []
    pinned = tokens.ca_hash(authority) if authority else first_server.seen.authority if first_server else ""
    return operator_kubeconfig.kubeconfig_findings(path, content, pinned)


def server_urls(hosts: Iterable[HostReport]) -> dict[str, str]:
    """The registration address of each host that has one."""
    return {host.name: host.settings["server_url"] for host in hosts if host.settings.get("server_url")}


def url_findings(urls: Mapping[str, str], authority: str, names: Collection[str]) -> list[HostFinding]:
    """Registration addresses at which another cluster answers, or by names that this one's certificates do not have.

    One that the controller cannot reach is not judged; names are those that the certificates are going to have.
    """
    found = []
    for url in sorted(set(urls.values())) if authority else []:
        where = urlsplit(url)
        if not trusted(where, authority, named=False):
            message = f"k3a_server_url {url} answers with a certificate that is not of this cluster's CA"
            finding = Finding("server_url", FAIL, message, "correct it")
        elif where.hostname not in names and not trusted(where, authority, named=True):
            message = f"the certificates of the servers do not name {where.hostname}, which k3a_server_url does"
            finding = Finding("server_url", FAIL, message, "add it to k3a_tls_san")
        else:
            continue
        found.append(HostFinding(tuple(host for host, value in urls.items() if value == url), finding))
    return found


def trusted(where: SplitResult, authority: str, named: bool) -> bool:
    """Whether what answers at a URL has a certificate of a CA, and one by that name; true when nothing does."""
    context = ssl.create_default_context(cadata=authority)
    context.check_hostname = named
    try:
        with socket.create_connection((where.hostname or "", where.port or 443), timeout=3.0) as plain:
            context.wrap_socket(plain, server_hostname=where.hostname).close()
    except ssl.SSLCertVerificationError:
        return False
    except OSError:
        return True
    return True


def damaged_bundles(hosts: list[HostReport]) -> list[HostFinding]:
    """Bundles that are about to be shipped, read to the last byte: once, since later runs know what they read."""
    found = []
    for path in sorted({host.bundle for host in hosts} - {""}):
        try:
            open_bundle(path).verify()
        except BundleError as error:
            found.append(HostFinding((), findings.bundle_finding(error)))
    return found
