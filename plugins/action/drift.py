# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.drift): what the tasks' arguments are, and which certificates are due."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.action.certificate import requests_among
from ansible_collections.k3a.cluster.plugins.module_utils._drift.drift import STEPS
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.role_tasks import RoleTask, RoleTaskError, tasks_of
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps as controller
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki

Arguments = dict[str, Any]

# The task files of a host in the order in which playbooks/site.yml has them run.
HOST_FILES = ("agent/identity", "agent/prepare")
SERVER_FILES = ("server/control_plane", "server/controllers", "server/kubeconfig")
NODE_FILES = ("agent/runtime", "agent/certificates", "agent/load_balancer", "agent/node", "agent/network")

# {{ name.key.key }}, and nothing else.
REFERENCE = re.compile(r"{{ ([a-z_]\w*(?:\.[a-z_]\w*)*) }}")

NEW, CHANGING, SETTLED = "new", "changing", "settled"


def prepare() -> None:
    """Load what the look at every host needs."""
    for file in (*HOST_FILES, *SERVER_FILES, *NODE_FILES):
        tasks_of(spec.ROLES, file)


class ActionModule(HostAction):
    """Give each host its record, and find out whether it differs: one module run, and none where that is known."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The host's record, with its state and the reason for it."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        verdict, host = variables["_k3a_verdict"], variables["inventory_hostname"]
        if host in verdict["excluded_hosts"]:
            reasons = "; ".join(verdict["excluded_hosts"][host])
            return {"changed": False, "failed": True, "msg": f"{host} is left out of this run: {reasons}"}
        record = verdict["hosts"][host]
        reason = known_reason(record) or self._difference(record, variables)
        state = NEW if is_new(record) else CHANGING if reason else SETTLED
        in_window = state == CHANGING and not record["is_server"]
        throttle = verdict["max_unavailable"] if state == CHANGING and record["is_server"] else 0
        about = {"state": state, "reason": reason, "in_window": in_window, "throttle": throttle}
        return {"changed": False, **record, **about}

    def _difference(self, record: Mapping[str, Any], task_vars: dict[str, Any]) -> str:
        """What the first step of the host that has something to do has to do, or nothing."""
        steps = self._steps(record, task_vars)
        secret = {step["name"]: secrets_of(step) for step in steps}
        arguments = {
            "steps": [{**step, "options": less(step["options"], secret[step["name"]])} for step in steps],
            "secrets": {name: options for name, options in secret.items() if options},
        }
        answer = self._execute_module("k3a.cluster.drift", module_args=arguments, task_vars=task_vars)
        if answer.get("failed"):
            raise K3aError(answer["msg"])
        observed = [step for step in steps if step["name"] == "certificate"]
        found = zip(observed, answer["certificates"], strict=False)  # none of those after a step that differs
        return answer["reason"] or next(filter(None, (due(*each) for each in found)), "")

    def _steps(self, record: Mapping[str, Any], task_vars: dict[str, Any]) -> list[Arguments]:
        """The modules of the host's tasks with their arguments, as when none of the tasks has anything to do.

        A task that acts on another host only follows one that had something to do here.
        """
        found: list[Arguments] = []
        known: Arguments = {
            "_k3a": record,
            "_k3a_ca_certificates": ca_certificates(task_vars),
            "_k3a_cluster_id": record["cluster_id"],
        }
        for task in (task for file in task_files(record) for task in tasks_of(spec.ROLES, file) if not task.delegated):
            variables = {**spec.templates(), **task_vars, **known, **task.variables}
            templates = Templates(self, variables)
            if not templates.hold(task.conditions):
                continue
            if task.module not in STEPS:
                raise RoleTaskError(f"the task {task.name!r} has a module that no look knows, {task.module}")
            arguments = {name: valued(value, known, templates.value) for name, value in task.arguments.items()}
            found.append({"name": task.module, "options": reaching(task, arguments)})
            if task.register:
                known[task.register] = controller.settled_result(task.module, arguments)
        return found


def task_files(record: Mapping[str, Any]) -> list[str]:
    """The task files that a host is converged by."""
    return [
        *HOST_FILES,
        *(SERVER_FILES if record["is_server"] else ()),
        *(NODE_FILES if record["is_node"] else ()),
    ]


def valued(value: Any, known: Mapping[str, Any], template: Callable[[Any], Any]) -> Any:
    """The value of an argument. A plain reference to what is data already is looked up, which costs no compilation."""
    reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return template(value)
    root, *keys = reference[1].split(".")
    found = known.get(root)
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            return template(value)
        found = found[key]
    return template(value) if found is None else found


def ca_certificates(task_vars: Mapping[str, Any]) -> Any:
    """The certificates of the cluster's CAs."""
    return task_vars["_k3a_verdict"]["ca_certificates"]


def is_new(record: Mapping[str, Any]) -> bool:
    """Whether the host has no part in the cluster yet."""
    return record["is_replaced"] or not record["is_known"]


def known_reason(record: Mapping[str, Any]) -> str:
    """Why a host differs, where no look at it is needed to tell."""
    if is_new(record):
        return "the host has no node yet"
    if record["lacks_password"]:
        return "the cluster does not have the hash of the node's password"
    return ""


def reaching(task: RoleTask, arguments: Arguments) -> Arguments:
    """The arguments that reach the module: those that it has, of the group's defaults, and what its action adds."""
    own = {name: value for name, value in arguments.items() if name in STEPS[task.module].OPTIONS}
    return controller.completed_arguments(task.module, own)


def secrets_of(step: Mapping[str, Any]) -> Arguments:
    """The arguments that must not be shown."""
    options = STEPS[step["name"]].OPTIONS
    return {name: value for name, value in step["options"].items() if value and options[name].get("no_log")}


def less(options: Mapping[str, Any], secrets: Mapping[str, Any]) -> Arguments:
    """The other arguments."""
    return {name: value for name, value in options.items() if name not in secrets}


def due(step: Mapping[str, Any], certificates: Any) -> str:
    """The first certificate that has to be signed, and why."""
    try:
        requests = requests_among(certificates, step["options"])
    except pki.PkiError as error:
        return str(error)
    return f"{requests[0]['certificate']}: {'; '.join(requests[0]['reasons'])}" if requests else ""
