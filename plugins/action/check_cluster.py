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
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import open_bundle
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import findings as cluster
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import servers
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

OPTIONS: dict[str, Any] = {
    "results": {"type": "list", "elements": "dict", "default": []},
    "asked": {"type": "list", "elements": "dict", "default": []},
    "join": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Fails with one message that names everything in the way, or says that nothing is."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        task_vars = task_vars or {}
        groups = task_vars["groups"]
        # A host whose check broke, or that was unreachable, has no findings: Ansible has told why.
        results = [looked for looked in options["results"] if "host" in looked]
        findings = [
            *cluster.own_findings(results),
            *cluster.cross_findings([*results, *self._others(results, task_vars)]),
            *damaged_bundles(results),
        ]
        # A machine that joins by a token needs neither the groups nor the libraries that look after a cluster.
        if options["join"]:
            findings += cluster.label_findings(results)
        else:
            findings += [*cluster.library_findings(), *cluster.group_findings(groups)]
        if results and not options["join"]:
            plan, more = self._judge_servers(results, options["asked"], task_vars)
            result |= plan
            findings += more
        message, warnings = cluster.verdict(cluster.by_host(findings, groups["all"]))
        result |= {"changed": False, "warnings": warnings, "failed": bool(message)}
        result["msg"] = message or cluster.in_order(results)
        return result

    def _judge_servers(
        self, results: list[dict[str, Any]], asked: list[dict[str, Any]], task_vars: dict[str, Any]
    ) -> tuple[dict[str, Any], list[cluster.HostFinding]]:
        """What this run is going to do with the servers, and what is in its way."""
        group = task_vars["groups"].get("server", [])
        answer = servers.chosen(asked)
        founder, findings = servers.founder(group, results, answer)
        looked_at = [result["host"]["name"] for result in results]
        in_play = task_vars["ansible_play_hosts_all"]
        authority = answer.get("authorities", {}).get("server", "")
        findings += [
            *servers.availability_findings(group, in_play, looked_at),
            *servers.authority_findings(results),
            *servers.member_findings(group, results, answer),
            *servers.cut_off_findings(results, answer),
            *servers.address_findings(results, answer),
            *servers.identity_findings(results, answer),
            *servers.token_findings(self._given("k3a_token", group, task_vars), authority, new=bool(founder)),
            *url_findings(
                self._given("k3a_server_url", looked_at, task_vars), authority, self._names(group, task_vars)
            ),
        ]
        port = results[0]["host"]["cluster"].get("k3a_https_listen_port", 6443)
        api_servers = servers.api_servers(results, answer, port)
        first = next((result for result in results if result.get("facts", {}).get("node_name") == founder), None)
        plan = {
            "founder": founder,
            "server": answer.get("item") or (first["host"]["name"] if first else ""),
            "authorities": answer.get("authorities", {}),
            "bootstrap_record": answer.get("bootstrap_record", "absent"),
            "etcd_endpoints": servers.etcd_endpoints(results, answer),
            "etcd_leader": servers.etcd_leader(answer),
            "servers": api_servers,
            "urls": servers.api_urls(
                results, answer, api_servers, bool(set(in_play).intersection(group) - set(looked_at))
            ),
            "node_passwords": answer.get("node_passwords", []),
            "replaced": servers.replaced(results, answer),
        }
        return plan, findings

    def _given(self, name: str, hosts: Iterable[str], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """A variable of other hosts, by host, where it is set and can be used."""
        values = {}
        for host in hosts:
            try:
                values[host] = spec.checked(name, task_vars["hostvars"][host].get(name, ""))
            except spec.Mistyped:
                continue  # a finding of its own as soon as that host is looked at
        return {host: value for host, value in values.items() if value}

    def _names(self, group: Iterable[str], task_vars: Mapping[str, Any]) -> list[str]:
        """What the certificates of all servers name besides what is known of them."""
        return [name for names in self._given("k3a_tls_san", group, task_vars).values() for name in names]

    def _others(self, results: list[dict[str, Any]], task_vars: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The servers that this run does not look at, with the values that they must share with those it does."""
        looked_at = {result["host"]["name"] for result in results}
        if not looked_at:
            return []
        return [
            {"host": {"name": host, "server": True, "cluster": self._critical(task_vars["hostvars"][host])}}
            for host in task_vars["groups"].get("server", [])
            if host not in looked_at
        ]

    def _critical(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name in (*cluster.CLUSTER_WIDE, *cluster.SERVER_WIDE):
            try:
                values[name] = spec.checked(name, variables.get(name, spec.defaults()[name]))
            except spec.Mistyped:
                continue  # a finding of its own as soon as that host is looked at
        return values


def url_findings(urls: Mapping[str, str], authority: str, names: Collection[str]) -> list[cluster.HostFinding]:
    """Registration addresses at which another cluster answers, or by names that this one's certificates do not have.

    One that the controller cannot reach is not judged; names are those that the certificates are going to have.
    """
    found = []
    for url in sorted(set(urls.values())) if authority else []:
        where = urlsplit(url)
        if not trusted(where, authority, named=False):
            message = f"k3a_server_url {url} answers with a certificate that is not of this cluster's authority"
            finding = Finding("server_url", FAIL, message, "correct it")
        elif where.hostname not in names and not trusted(where, authority, named=True):
            message = f"the certificates of the servers do not name {where.hostname}, which k3a_server_url does"
            finding = Finding("server_url", FAIL, message, "add it to k3a_tls_san")
        else:
            continue
        found.append(cluster.HostFinding(tuple(host for host, value in urls.items() if value == url), finding))
    return found


def trusted(where: SplitResult, authority: str, named: bool) -> bool:
    """Whether what answers at a URL has a certificate of an authority, and one by that name; true when nothing does."""
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


def damaged_bundles(results: list[dict[str, Any]]) -> list[cluster.HostFinding]:
    """Bundles that are about to be shipped, read to the last byte: once, since later runs know what they read."""
    found = []
    for path in sorted({looked["host"]["bundle"] for looked in results} - {""}):
        try:
            open_bundle(path).verify()
        except BundleError as error:
            found.append(cluster.HostFinding((), cluster.bundle_finding(error)))
    return found
