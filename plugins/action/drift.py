# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.drift): what the tasks' arguments are, and which certificates are due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.action import bundle as bundle_action
from ansible_collections.k3a.cluster.plugins.action.certificate import requests_among, with_declared
from ansible_collections.k3a.cluster.plugins.action.host import with_users
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._components import registries
from ansible_collections.k3a.cluster.plugins.module_utils._drift.drift import STEPS
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.role_tasks import RoleTask, RoleTaskError, tasks_in
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import open_bundle
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki

Arguments = dict[str, Any]


def with_id(arguments: Arguments) -> Arguments:
    """What the bundle's action plugin adds."""
    return {**arguments, "id": open_bundle(arguments["bundle"]).manifest.id}


def with_parted_registries(arguments: Arguments) -> Arguments:
    """What containerd's action plugin adds."""
    public, secrets = registries.parted(arguments.get("registries") or {})
    return {**arguments, "registries": public, "registry_secrets": secrets}


# What the action plugins of modules do before, and what later tasks see of them when they have nothing to do.
COMPLETED: dict[str, Callable[[Arguments], Arguments]] = {
    "bundle": with_id,
    "certificate": with_declared,
    "containerd": with_parted_registries,
    "host": with_users,
}
NOTHING_DONE: dict[str, Callable[[Arguments], Arguments]] = {
    "bootstrap": lambda _arguments: {"missing": []},
    "bundle": lambda arguments: bundle_action.placed(open_bundle(arguments["bundle"]).manifest, arguments["data_dir"]),
    "certificate": lambda _arguments: {"requests": [], "paths": []},
}


class ActionModule(ActionBase):
    """Ask once what a host's tasks would do."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once, unless a task has something to do that only it can tell."""
        super().run(tmp, task_vars)
        files = self._task.args.get("tasks") or []
        try:
            steps, reason = self._steps(files, task_vars or {})
        except (RoleTaskError, BundleError) as error:
            raise AnsibleActionFail(str(error)) from None
        if reason:
            return {"changed": False, "reason": reason}
        secret = {step["name"]: secrets_of(step) for step in steps}
        arguments = {
            "tasks": files,
            "steps": [{**step, "options": less(step["options"], secret[step["name"]])} for step in steps],
            "secrets": {name: options for name, options in secret.items() if options},
        }
        found = self._execute_module("k3a.cluster.drift", module_args=arguments, task_vars=task_vars)
        certificates = found.pop("certificates", [])
        if found.get("failed") or found["reason"]:
            return found
        asked = [step for step in steps if step["name"] == "certificate"]
        return {**found, "reason": next(filter(None, map(due, asked, certificates)), "")}

    def _steps(self, files: list[str], task_vars: dict[str, Any]) -> tuple[list[Arguments], str]:
        """The modules with their arguments; or the reason why they need not be asked."""
        steps: list[Arguments] = []
        defaults = spec.templates()
        registered: Arguments = {}
        for file in files:
            role, _slash, name = file.partition("/")
            known = self._load(f"{role}/vars/main.yml")
            for task in tasks_in(self._load(f"{role}/tasks/{name}.yml")):
                variables = {**defaults, **task_vars, **known, **task.variables, **registered}
                templar = self._templar.copy_with_new_env(available_variables=variables)
                if not all(templar.evaluate_conditional(condition) for condition in task.conditions):
                    continue
                if task.delegated or task.module not in STEPS:
                    return [], f"{task.name} has something to do"
                arguments = templar.template(dict(task.arguments))
                steps.append({"name": task.module, "options": completed(task, arguments)})
                if task.register:
                    registered[task.register] = NOTHING_DONE[task.module](arguments)
        return steps, ""

    def _load(self, path: str) -> Any:
        return self._loader.load_from_file(str(spec.ROLES / path), trusted_as_template=True)


def completed(task: RoleTask, arguments: Arguments) -> Arguments:
    """The arguments that reach the module: those that it has, of the group's defaults, and what its plugin adds."""
    known = {name: value for name, value in arguments.items() if name in STEPS[task.module].OPTIONS}
    return COMPLETED.get(task.module, lambda same: same)(known)


def secrets_of(step: Mapping[str, Any]) -> Arguments:
    """The arguments that must not be shown."""
    options = STEPS[step["name"]].OPTIONS
    return {name: value for name, value in step["options"].items() if value and options[name].get("no_log")}


def less(options: Mapping[str, Any], secrets: Mapping[str, Any]) -> Arguments:
    """The other arguments."""
    return {name: value for name, value in options.items() if name not in secrets}


def due(step: Mapping[str, Any], certificates: list[dict[str, Any]]) -> str:
    """The first certificate that has to be signed, and why."""
    try:
        requests = requests_among(certificates, step["options"]["authorities"])
    except pki.PkiError as error:
        return str(error)
    return f"{requests[0]['certificate']}: {'; '.join(requests[0]['reasons'])}" if requests else ""
