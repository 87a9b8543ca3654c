# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses on the controller the server whose API is asked; no host is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

OPTIONS: dict[str, Any] = {"asked": {"type": "list", "elements": "dict", "required": True}}


class ActionModule(ActionBase):
    """Fails with what each server said, or names one that is healthy."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Choose."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        asked = options["asked"]
        server = next((str(answer["item"]) for answer in asked if answer.get("healthy")), "")
        if not server:
            told = "".join(f"\n{answer.get('item')}: {reason(answer)}" for answer in asked)
            return {**result, "failed": True, "msg": f"No server of the cluster answers; nothing was changed{told}"}
        variables = (task_vars or {})["hostvars"][server]
        port, data_dir = (variable(variables, name) for name in ("k3a_https_listen_port", "k3a_data_dir"))
        return {**result, "changed": False, "server": server, "data_dir": data_dir, "https_listen_port": port}


def reason(answer: Mapping[str, Any]) -> str:
    """Why a server is not the one."""
    return "cannot be reached" if answer.get("unreachable") else str(answer.get("reason") or answer.get("msg") or "")


def variable(variables: Mapping[str, Any], name: str) -> Any:
    """The value of a host's variable, or its default."""
    return spec.checked(variables.get(name, spec.defaults()[name]), spec.specification()[name])
