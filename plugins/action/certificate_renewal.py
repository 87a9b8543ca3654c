# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.certificate_renewal): which certificates a node has."""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction


class ActionModule(HostAction):
    """Hand the declared certificates over, which nobody needs to take the renewal away, and run the module."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state") != "absent":
            arguments["declared"] = registry.certificates(AGENT)
        return self._execute_module(module_args=arguments, task_vars=task_vars)
