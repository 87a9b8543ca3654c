# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.host): which users the components need. The host need not know them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry


def with_users(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The module's arguments with the users of all components."""
    return {**arguments, "users": registry.users()}


class ActionModule(ActionBase):
    """Hand the users over, and run the module."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once."""
        super().run(tmp, task_vars)
        return self._execute_module("k3a.cluster.host", module_args=with_users(self._task.args), task_vars=task_vars)
