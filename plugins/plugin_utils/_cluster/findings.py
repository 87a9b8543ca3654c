# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The cluster as the inventory describes it: what must agree between hosts, what must differ, and the verdict."""

from __future__ import annotations

import ipaddress
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.node import may_set_itself
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import in_url
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.groups import (
    SERVER,
    Groups,
    agents,
    existing,
    servers,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostFacts, HostReport
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.spec import NoValue

CLOCK_TOLERANCE = 30.0
HOSTS_NAMED = 4

# What every host must say alike. K3s refuses a server that differs in its critical values when it joins.
CLUSTER_WIDE = (
    "cluster_cidr",
    "cluster_dns",
    "cluster_domain",
    "flannel_backend",
    "https_listen_port",
    "max_unavailable",
    "proxy_mode",
    "service_cidr",
    "strict",
)
SERVER_WIDE = (
    "audit_policy",
    "disable",
    "jwt_authenticators",
    "pod_security_level",
    "secrets_encryption",
    "secrets_encryption_provider",
    "service_external_ips",
    "service_node_port_range",
    "write_kubeconfig_name",
)


@dataclass(frozen=True)
class HostFinding:
    """A finding and the hosts it is about; without a host it is about the inventory."""

    hosts: tuple[str, ...]
    finding: Finding

    def __str__(self) -> str:
        named, others = self.hosts[:HOSTS_NAMED], len(self.hosts) - HOSTS_NAMED
        who = ", ".join(named) + (f" and {others} more" if others > 0 else "")
        return f"{who or 'inventory'}: {self.finding.message}; {self.finding.remedy}"


_NO_ROOT = re.compile(
    r"password is required|Missing \w+ password|Incorrect \w+ password|Sorry, try again|may not run sudo"
    r"|not in the sudoers|is not allowed to (execute|run)|privilege escalation|must be setuid|sudo: .*not found"
    r"|doas: .*(not found|not permitted|authorization required|failed)|become success",
    re.I,
)
# Modules are handed to Python on its standard input, which needs a connection that is no terminal.
_NEEDS_TERMINAL = re.compile(r"must have a tty", re.I)
_NO_PYTHON = re.compile(r"interpreter .* was not found|python\S*: .*not found|requires a minimum of Python", re.I)


def api_addresses(settings: Mapping[str, Any], facts: HostFacts) -> dict[str, str]:
    """The URL at which a server publishes its API, and the address and port at which other nodes reach it."""
    port = settings["https_listen_port"]
    own = facts.node_ips[0]
    published = settings["advertise_address"] or own
    return {"url": f"https://{in_url(published)}:{port}", "api": f"{in_url(own)}:{port}"}


def fixed_address(url: str) -> str:
    """The host and port of a k3a_server_url, which without a port has that of HTTPS; nothing when there is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a finding already
        return ""
    return f"{in_url(host)}:{port or 443}" if host else ""


def cannot_run(message: str, stderr: str, user: str | None) -> Finding | None:
    """Why no module can run on a host, when that is for the operator to settle; None for a fault of another kind."""
    for line in (line.strip() for text in (stderr, message) for line in text.splitlines()):
        if _NEEDS_TERMINAL.search(line):
            message = f"sudo on the host wants a terminal ({line.rstrip('.')})"
            remedy = "take requiretty from its sudoers, for this user at least (Defaults:<user> !requiretty)"
            return Finding("root", FAIL, message, remedy)
        if _NO_ROOT.search(line):
            who = f"the user {user}" if user else "the user of the connection"
            remedy = "let it run sudo without a password, or give the password with --ask-become-pass"
            return Finding("root", FAIL, f"{who} cannot become root ({line.rstrip('.')})", remedy)
        if _NO_PYTHON.search(line):
            remedy = "install Python 3.9 or newer, or set ansible_python_interpreter"
            return Finding("python", FAIL, f"there is no usable Python on the host ({line.rstrip('.')})", remedy)
    return None


def bundle_finding(error: Exception) -> Finding:
    """A bundle that cannot be used."""
    message, _separator, remedy = str(error).partition(": build ")
    remedy = f"build {remedy}" if remedy else "build it anew, or set k3a_bundle to another"
    return Finding("bundle", FAIL, message, remedy)


def no_value(problem: NoValue) -> Finding:
    """A variable whose template fails."""
    if problem.variable == "k3a_bundle" and "build" in problem.reason:
        return bundle_finding(ValueError(problem.reason))
    return Finding("variable", FAIL, problem.sentence, problem.remedy)


def clock_offset(before: float, on_host: float, after: float) -> float:
    """Seconds by which the host's clock is certainly off: its time was taken between our two."""
    if on_host < before:
        return on_host - before
    return max(0.0, on_host - after)


def clock_findings(offset: float) -> list[Finding]:
    """A clock that is off makes certificates invalid and leases expire."""
    if abs(offset) <= CLOCK_TOLERANCE:
        return []
    message = f"the clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} the controller's"
    return [Finding("clock", FAIL, message, "synchronise both with the same time servers")]


def library_findings(find: Callable[[str], Any] = find_spec) -> list[HostFinding]:
    """The package that the controller's half needs, and that no host has to have."""
    if find("cryptography"):
        return []
    message, remedy = "its Python has no package cryptography", f"install it for {sys.executable}"
    return [HostFinding(("localhost",), Finding("library", FAIL, message, remedy))]


def tag_findings(run_tags: Collection[str]) -> list[HostFinding]:
    """No task has a tag, so that a run by tags would do nothing at all and end well."""
    if not run_tags or "all" in run_tags:
        return []
    message = f"no task has the tag {' or '.join(run_tags)}, since a playbook is run as a whole"
    return [HostFinding((), Finding("tags", FAIL, message, "leave out --tags; --limit chooses hosts"))]


def group_findings(groups: Groups) -> list[HostFinding]:
    """The groups of servers and agents are all the collection knows of who does what."""
    server, agent = servers(groups), agents(groups)
    found = []
    if not server:
        there = existing(groups, SERVER)
        problem = f"the group {there[0]} has no host" if there else "the group server is missing"
        remedy = "put the host that is to run the control plane into it"
        alike = get_close_matches("server", groups, 1, 0.8)
        if alike and not there:
            remedy = f"rename the group {alike[0]}"
        found.append(HostFinding((), Finding("group_server", FAIL, problem, remedy)))
    if server and len(server) % 2 == 0:
        count = len(server)
        message = f"{count} servers survive the loss of {(count - 1) // 2}, no more than {count - 1} do"
        remedy = f"use {count - 1} or {count + 1} of them"
        found.append(HostFinding((), Finding("group_server", WARN, message, remedy)))
    both = tuple(host for host in server if host in agent)
    if both:
        remedy = "leave it in server alone, since a server runs a node too"
        found.append(HostFinding(both, Finding("group_both", FAIL, "is in both groups, server and agent", remedy)))
    neither = tuple(host for host in groups["all"] if host not in server and host not in agent)
    if neither and server:
        remedy = "put it into one of them, unless it is no part of the cluster"
        found.append(HostFinding(neither, Finding("group_none", WARN, "is in neither group, server nor agent", remedy)))
    return found


def label_findings(reports: Sequence[HostReport]) -> list[HostFinding]:
    """Labels that a machine that joins by a token would have to give itself, and may not."""
    return [
        HostFinding(
            (report.name,),
            Finding(
                "label",
                FAIL,
                f"k3a_node_label: a node may not give itself {label}",
                "take it out, and have it set with kubectl label, or add the machine to the inventory",
            ),
        )
        for report in reports
        for label in report.settings.get("node_label", ())
        if not may_set_itself(label.partition("=")[0])
    ]


def external_findings(reports: Sequence[HostReport]) -> list[HostFinding]:
    """Addresses that a machine which joins by a token would have to be given certificates for, and is not."""
    message = "k3a_node_external_ip: a machine that joins by a token has certificates for its Node's addresses alone"
    remedy = "leave it out, or add the machine to the inventory"
    given = tuple(report.name for report in reports if report.settings.get("node_external_ip"))
    return [HostFinding(given, Finding("node_external_ip", FAIL, message, remedy))] if given else []


def cross_findings(reports: Sequence[HostReport]) -> list[HostFinding]:
    """What is wrong between hosts: two that are one, and values that must agree."""
    return [*_duplicates(reports), *_disagreements(reports)]


def _duplicates(reports: Sequence[HostReport]) -> Iterable[HostFinding]:
    kinds: list[tuple[str, Callable[[HostFacts], Iterable[str]], str, str]] = [
        (
            "machine_id",
            lambda facts: _listed(facts.machine_id),
            "have one machine id",
            "remove /etc/machine-id on one and run systemd-machine-id-setup, or take out a machine's second name",
        ),
        ("node_name", lambda facts: _listed(facts.node_name), "have one node name", "set k3a_node_name on one"),
        ("address", _distinctive, "have one address", "give each host its own address, or set k3a_node_ip"),
    ]
    told: set[tuple[str, ...]] = set()
    for name, values_of, problem, remedy in kinds:
        holders: dict[str, list[str]] = defaultdict(list)
        for report in reports:
            for value in values_of(report.seen):
                holders[value].append(report.name)
        for value, hosts in holders.items():
            # One machine under two names has one of everything: the first of it says all.
            if len(hosts) > 1 and tuple(hosts) not in told:
                told.add(tuple(hosts))
                yield HostFinding(tuple(hosts), Finding(name, FAIL, f"{problem} ({value})", remedy))


def _listed(value: str) -> list[str]:
    return [value] if value else []


def _distinctive(facts: HostFacts) -> Iterable[str]:
    """Node addresses only: bridges of container engines carry the same address on every host."""
    return [str(ipaddress.ip_address(ip)) for ip in facts.node_ips]


def _disagreements(reports: Sequence[HostReport]) -> Iterable[HostFinding]:
    servers = [report for report in reports if report.server]
    for names, among in ((CLUSTER_WIDE, reports), (SERVER_WIDE, servers)):
        for name in names:
            by_value: dict[str, list[str]] = defaultdict(list)
            for report in among:
                if name in report.settings:
                    by_value[json.dumps(report.settings[name])].append(report.name)
            if len(by_value) > 1:
                values = ", ".join(f"{value} on {named(hosts)}" for value, hosts in by_value.items())
                message = f"k3a_{name} differs between hosts: {values}"
                remedy = "set it once for all, for instance in group_vars/all.yml"
                yield HostFinding((), Finding("disagreement", FAIL, message, remedy))


def named(hosts: Sequence[str]) -> str:
    """Hosts in a sentence, not all of them where they are many."""
    others = len(hosts) - HOSTS_NAMED
    return " and ".join([*hosts[:HOSTS_NAMED], *([f"{others} more"] if others > 0 else [])])


def own_findings(reports: Sequence[HostReport]) -> list[HostFinding]:
    """The findings of each host; one that several hosts share, such as a misspelt group variable, is told once."""
    hosts: dict[Finding, list[str]] = defaultdict(list)
    for report in reports:
        for finding in report.findings:
            hosts[finding].append(report.name)
    return [HostFinding(tuple(names), finding) for finding, names in hosts.items()]


def by_host(findings: Iterable[HostFinding], order: Sequence[str]) -> list[HostFinding]:
    """Findings of one host together, in the inventory's order, the inventory's own first."""
    rank = {host: number for number, host in enumerate(order)}
    return sorted(findings, key=lambda found: [rank.get(host, -1) for host in found.hosts])


def excluded_agents(
    findings: Iterable[HostFinding], agents: Collection[str], hosts: Collection[str]
) -> dict[str, list[str]]:
    """The agents that are left out of a run, each with what is in its way.

    What is in the way of a server, of the inventory or of all hosts is in the way of the whole run: then nobody is.
    """
    reasons: dict[str, list[str]] = {}
    for found in findings:
        if found.finding.level != FAIL:
            continue
        if not found.hosts or not set(found.hosts) <= set(agents):
            return {}
        for host in found.hosts:
            reasons.setdefault(host, []).append(f"{found.finding.message}; {found.finding.remedy}")
    return reasons if set(hosts) - set(reasons) else {}


def failure(findings: Collection[HostFinding]) -> str:
    """The one message to end with, that names everything in the way; empty when nothing is."""
    told = [str(found) for found in failures(findings)]
    if not told:
        return ""
    count = "One thing is" if len(told) == 1 else f"{len(told)} things are"
    return "\n".join([f"{count} in the way, and nothing has been changed.", *told])


def failures(findings: Iterable[HostFinding]) -> list[HostFinding]:
    """What stops a run."""
    return [found for found in findings if found.finding.level == FAIL]


def warnings(findings: Collection[HostFinding]) -> list[str]:
    """What does not stop anything."""
    return [str(found) for found in findings if found.finding.level == WARN]


def in_order(reports: Collection[HostReport], excluded: Mapping[str, Sequence[str]]) -> str:
    """What to say when nothing is in the way of the run."""
    if not reports:
        return "The groups are in order."
    ready = len(reports) - len(excluded)
    sentence = f"{ready} host{' is' if ready == 1 else 's are'} ready for Kubernetes."
    left_out = [f"{host} is left out of this run: {'; '.join(reasons)}" for host, reasons in excluded.items()]
    return "\n".join([sentence, *left_out])
