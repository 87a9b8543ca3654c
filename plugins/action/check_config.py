# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half: judges the host's variables, then has the module look at the host."""

from __future__ import annotations

import functools
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError, Manifest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT, SERVER
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import prompt
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import NotSecret, unlogged
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.vault import text_of
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import other_architecture, shared_bundle
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import findings as cluster
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import groups, identity, reports
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostFacts
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import components, spec, variables

# The module's options that are variables of the host by another name.
FROM_VARIABLES = (
    "allow_cgroup_v1",
    "cluster_cidr",
    "data_dir",
    "flannel_backend",
    "flannel_iface",
    "manage_firewall",
    "node_ip",
    "node_name",
    "protect_kernel_defaults",
    "proxy_mode",
    "resolv_conf",
    "secrets_encryption",
    "secrets_encryption_provider",
    "selinux",
    "service_cidr",
    "snapshotter",
    "swap",
    "with_node_id",
    "write_kubeconfig",
    "write_kubeconfig_group",
)

# Of a host that is no server, or of which it cannot be told where its API is.
NO_API = {"url": "", "api": ""}


def prepare() -> None:
    """Load what the look at every host needs: that this file is imported is all."""


class ActionModule(HostAction):
    """Finds what is wrong with a host; what to make of it is for check_cluster to say."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        values, findings = self._values(task_vars)
        manifest, bundle_findings = self._bundle(values)
        findings += bundle_findings
        wrong = variables.variable_findings(values, manifest.flags if manifest else {})
        wrong += variables.manifest_findings(values, functools.partial(text_of, self._loader))
        server = task_vars["inventory_hostname"] in groups.servers(task_vars["groups"])
        options = self._options(values, wrong, manifest, server, task_vars)

        before = time.time()
        seen, problems = self._look(options, task_vars)
        after = time.time()
        if seen.get("failed"):
            return {**result, **seen}
        facts, problem = usable_claims(seen)
        if problem:
            seen = {**seen, "facts": {}, "findings": []}
            findings.append(problem)
        if facts:
            findings += cluster.clock_findings(cluster.clock_offset(before, facts.clock, after))
        if manifest and facts:
            other = other_architecture(values["k3a_bundle"], manifest, facts.architecture)
            if other:
                findings.append(Finding("bundle_architecture", FAIL, other, "set k3a_bundle to one for the host"))
        bad = {finding.name for finding in wrong}
        good = {name: value for name, value in values.items() if name not in bad}
        settings = public_settings(good)
        published = {"https_listen_port", "advertise_address"} <= settings.keys()
        host = {
            "name": task_vars["inventory_hostname"],
            "server": server,
            "node": options["agent"],
            "without_peers": options["without_peers"],
            "versions": manifest.versions if manifest else {},
            "images": [image["name"] for image in manifest.images] if manifest else [],
            "bundle": values["k3a_bundle"] if manifest and not (facts and facts.bundle_present) else "",
            "settings": settings,
            **(cluster.api_addresses(settings, facts) if server and published and facts and facts.node_ips else NO_API),
            "fixed": cluster.fixed_address(values.get("k3a_server_url", "")),
            "replace": bool(values.get("k3a_replace")),
            "annotations": identity.node_annotations(
                identity.node_args(server, values, spec.specification(), spec.defaults())
            ),
        }
        unwise = variables.warnings(good) if server else []
        told = [*findings, *wrong, *unwise, *problems, *(self._secrecy() if server and facts else ())]
        return {**result, **seen, "host": host, "findings": [*map(vars, told), *seen.get("findings", [])]}

    def _secrecy(self) -> list[Finding]:
        """A connection by which no key of a CA can be brought, since it would be shown."""
        try:
            with unlogged(self):
                return []
        except NotSecret as error:
            message, _separator, remedy = str(error).partition("; ")
            return [Finding("connection", FAIL, message, remedy)]
        except K3aError:
            return []  # who repeats no text shows none; the exchange itself says why

    def _values(self, task_vars: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
        """The host's variables of the right type, the roles' defaults included, and findings about the others."""
        templates = Templates(self, {**spec.templates(), **task_vars})
        values, problems = spec.evaluate(
            spec.specification(), task_vars, templates.value, templates.text, prompt.answer
        )
        findings = [Finding("variable_unknown", FAIL, p.message, p.remedy) for p in spec.strangers(task_vars)]
        for problem in problems:
            if isinstance(problem, spec.NoValue):
                findings.append(cluster.no_value(problem))
            else:
                findings.append(Finding("variable_type", FAIL, problem.message, problem.remedy))
        return values, findings

    def _bundle(self, values: dict[str, Any]) -> tuple[Manifest | None, list[Finding]]:
        """The manifest of the host's bundle."""
        if not values.get("k3a_bundle"):
            return None, []  # told already
        try:
            return shared_bundle(values["k3a_bundle"]).manifest, []
        except BundleError as error:
            return None, [cluster.bundle_finding(error)]

    def _options(
        self,
        values: dict[str, Any],
        wrong: list[Finding],
        manifest: Manifest | None,
        server: bool,
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        """The module's options: the task's own, else the variables, less those that were found to be wrong."""
        bad = {finding.name for finding in wrong}
        options = {
            name: values[f"k3a_{name}"]
            for name in FROM_VARIABLES
            if f"k3a_{name}" in values and f"k3a_{name}" not in bad
        }
        options |= {"server": server, "agent": not (server and values.get("k3a_disable_agent"))}
        options["without_peers"] = groups.without_peers(task_vars["groups"])
        if server and "k3a_token" in values:
            options["token"] = values["k3a_token"]
        if manifest:
            options |= {"bundle_id": manifest.id, "bundle_size": manifest.size, "bundle_versions": manifest.versions}
        options |= self._task.args
        good = {name: value for name, value in values.items() if name not in bad}
        asked = {f"{spec.PREFIX}{name}": value for name, value in self._task.args.items()}
        roles = [role for role in (SERVER, AGENT) if options[role]]
        return {"components": components.components({**good, **asked}, roles), **options}

    def _look(self, options: dict[str, Any], task_vars: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
        """The module's result; a host on which no module can run has one finding that says why."""
        try:
            seen = self._execute_module("k3a.cluster.check_config", options, task_vars=task_vars)
        except AnsibleConnectionFailure:
            raise  # an unreachable host is for Ansible to report
        except AnsibleError as error:
            seen = {"failed": True, "msg": str(error)}
        if not seen.get("failed"):
            return seen, []
        user = task_vars.get("ansible_user")
        finding = cluster.cannot_run(str(seen.get("msg", "")), str(seen.get("module_stderr", "")), user)
        return ({}, [finding]) if finding else (seen, [])


def usable_claims(seen: dict[str, Any]) -> tuple[HostFacts | None, Finding | None]:
    """What a host says of itself, or why nothing that it says can be used: a finding about that host alone."""
    try:
        return reports.host_claims(seen)[0], None
    except reports.ReportError as error:
        message = f"what it says of itself cannot be used: {error}"
        return None, Finding("report", FAIL, message, "see what answers in its place")


def public_settings(values: dict[str, Any]) -> dict[str, Any]:
    """The typed values of the variables that are no secrets, by their names without the prefix."""
    known = spec.specification()
    return {name.removeprefix(spec.PREFIX): value for name, value in values.items() if not known[name].get("no_log")}
