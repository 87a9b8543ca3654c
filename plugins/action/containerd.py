# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.containerd): keeps the registries' secrets apart from the rest.

A secret option hides every text in it from diffs and messages. Mirrors and user names are no secrets.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._components import registries
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors


class ActionModule(ActionBase):
    """Part the registries, and run the module."""

    _requires_connection = True

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once."""
        super().run(tmp, task_vars)
        public, secrets = registries.parted(self._task.args.get("registries") or {})
        arguments = {**self._task.args, "registries": public, "registry_secrets": secrets}
        return self._execute_module("k3a.cluster.containerd", module_args=arguments, task_vars=task_vars)
