# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.node): where somebody looks on, it tells which nodes are still waited for."""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import progress
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction


class ActionModule(HostAction):
    """Run the module once, or on a terminal for some seconds again and again."""

    answers = {"reasons_to_wait": {"type": "list", "elements": "str"}}

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's answer."""
        super().run(tmp, task_vars)

        def attempt(timeout: int) -> dict[str, Any]:
            arguments = {**self._task.args, "timeout": timeout}
            return self._execute_module("k3a.cluster.node", module_args=arguments, task_vars=task_vars)

        timeout = int(self._task.args.get("timeout") or options.TIMEOUT["default"])
        result = progress.in_slices(attempt, timeout)
        result.pop("reasons_to_wait", None)
        return result
