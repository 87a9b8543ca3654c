# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.join_info): what a machine's variables say of its cluster."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import variables as rules

OF_THE_MACHINE = ("data_dir", "server_url")
# What the cluster decides; where the operator has said it, too, it must be the same.
OF_THE_CLUSTER = (
    "cluster_cidr",
    "cluster_dns",
    "cluster_domain",
    "flannel_backend",
    "https_listen_port",
    "proxy_mode",
    "service_cidr",
)


class ActionModule(HostAction):
    """Ask the cluster that a machine is going to join, or has joined."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        known = spec.specification()
        names = [name for name in OF_THE_CLUSTER if spec.PREFIX + name in variables]
        options = {spec.PREFIX + name: known[spec.PREFIX + name] for name in (*OF_THE_MACHINE, *names)}
        templates = Templates(self, {**spec.templates(), **variables})
        values, problems = spec.evaluate(options, variables, templates.value)
        clauses = [f"{problem.sentence}; {problem.remedy}" for problem in problems]
        clauses += [f"{wrong.message}; {wrong.remedy}" for wrong in rules.variable_findings(values, {})]
        if clauses:
            raise AnsibleActionFail(f"Nothing was changed: {'; '.join(clauses)}")
        own = {name: values[spec.PREFIX + name] for name in OF_THE_MACHINE}
        expected = {name: values[spec.PREFIX + name] for name in names}
        arguments = {**own, "expected": expected, **self._task.args}
        return self._execute_module(module_args=arguments, task_vars=task_vars)
