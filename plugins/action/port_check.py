# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half: says whose outcomes they are, which the host cannot."""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction


class ActionModule(HostAction):
    """Run the module once."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's answer, with the host's name in the inventory."""
        super().run(tmp, task_vars)
        answer = self._execute_module("k3a.cluster.port_check", self._task.args, task_vars=task_vars)
        return {**answer, "host": (task_vars or {})["inventory_hostname"]}
