# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans on the controller how the server token is rotated; no host is touched."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import token_rotation as rotation

OPTIONS: dict[str, Any] = {
    "observations": {"type": "list", "elements": "dict", "default": []},
    "servers": {"type": "list", "elements": "str", "default": []},
    "operator_token": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Fails with one sentence, or says what is to happen."""

    _requires_connection = False

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Plan."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        with during("Server token"):
            seen = rotation.observations(options["observations"])
            plan = rotation.plan(seen, options["servers"], options["operator_token"])
        return {**result, "changed": False, **plan.as_result()}
