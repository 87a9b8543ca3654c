# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half: judges the host's variables, then has the module look at the host."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError, Manifest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT, SERVER
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import open_bundle
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import findings as cluster
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import identity
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import components, spec, variables

# The module's options that are variables of the host by another name.
FROM_VARIABLES = (
    "allow_cgroup_v1",
    "cluster_cidr",
    "data_dir",
    "flannel_backend",
    "flannel_iface",
    "node_ip",
    "node_name",
    "proxy_mode",
    "resolv_conf",
    "service_cidr",
    "snapshotter",
    "swap",
    "with_node_id",
)


class ActionModule(ActionBase):
    """Finds what is wrong with a host; what to make of it is for check_cluster to say."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        values, findings = self._values(task_vars)
        manifest, bundle_findings = self._bundle(values)
        findings += bundle_findings
        wrong = variables.variable_findings(values, manifest.flags if manifest else {})
        server = task_vars["inventory_hostname"] in task_vars["groups"].get("server", [])
        options = self._options(values, wrong, manifest, server)

        before = time.time()
        seen, problems = self._look(options, task_vars)
        after = time.time()
        if seen.get("failed"):
            return {**result, **seen}
        facts = seen.get("facts", {})
        if facts:
            findings += cluster.clock_findings(cluster.clock_offset(before, facts["clock"], after))
        if manifest and facts.get("architecture", manifest.architecture) != manifest.architecture:
            bundle = f"the bundle {values['k3a_bundle']} is for {manifest.architecture}"
            message = f"{bundle}, and the host is {facts['architecture']}"
            findings.append(Finding("bundle_architecture", FAIL, message, "set k3a_bundle to one for the host"))
        host = {
            "name": task_vars["inventory_hostname"],
            "server": server,
            "node": options["agent"],
            "versions": manifest.versions if manifest else {},
            "images": [image["name"] for image in manifest.images] if manifest else [],
            "bundle": values["k3a_bundle"] if manifest and not facts.get("bundle_present") else "",
            "cluster": cluster.critical(values),
            **(cluster.api_addresses(values, facts) if server and facts.get("node_ips") else {}),
            "fixed": cluster.fixed_address(values.get("k3a_server_url", "")),
            "replace": bool(values.get("k3a_replace")),
            "labels": values.get("k3a_node_label", []),
            "annotations": identity.node_annotations(
                identity.node_args(server, values, spec.specification(), spec.defaults())
            ),
        }
        told = [*findings, *wrong, *problems]
        return {**result, **seen, "host": host, "findings": [*map(vars, told), *seen.get("findings", [])]}

    def _values(self, task_vars: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
        """The host's variables of the right type, the roles' defaults included, and findings about the others."""
        defaults = spec.templates()
        given = {name: value for name, value in task_vars.items() if name.startswith(spec.PREFIX)}
        templar = self._templar.copy_with_new_env(available_variables={**defaults, **task_vars})
        values, findings = {}, []
        for name, meant in spec.unknown(given).items():
            remedy = f"did you mean {meant}?" if meant else "remove it, or see the roles' documentation for its name"
            findings.append(Finding("variable_unknown", FAIL, f"there is no variable {name}", remedy))
        for name, option in spec.specification().items():
            value = given.get(name, defaults[name])
            try:
                value = templar.template(value)
                values[name] = spec.checked(value, option)
            except spec.Mistyped as problem:
                message = f"{name} {problem}"
                remedy = f"correct {spec.shown(value, option)}"
                findings.append(Finding("variable_type", FAIL, message, remedy))
            except AnsibleError as error:
                findings.append(cluster.no_value(name, str(error)))
        return values, findings

    def _bundle(self, values: dict[str, Any]) -> tuple[Manifest | None, list[Finding]]:
        """The manifest of the host's bundle."""
        if "k3a_bundle" not in values:
            return None, []
        try:
            return open_bundle(values["k3a_bundle"]).manifest, []
        except BundleError as error:
            return None, [cluster.bundle_finding(error)]

    def _options(
        self, values: dict[str, Any], wrong: list[Finding], manifest: Manifest | None, server: bool
    ) -> dict[str, Any]:
        """The module's options: the task's own, else the variables, less those that were found to be wrong."""
        bad = {finding.name for finding in wrong}
        options = {
            name: values[f"k3a_{name}"]
            for name in FROM_VARIABLES
            if f"k3a_{name}" in values and f"k3a_{name}" not in bad
        }
        options |= {"server": server, "agent": not (server and values.get("k3a_disable_agent"))}
        if server and "k3a_token" in values:
            options["token"] = values["k3a_token"]
        if manifest:
            options |= {"bundle_id": manifest.id, "bundle_size": manifest.size}
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
