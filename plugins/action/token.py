# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.token): writes the token to a file of its own."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import TokenError, parse
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import unlogged


class ActionModule(HostAction):
    """Without a file it is the module and nothing else."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once, unlogged where its result goes to a file."""
        super().run(tmp, task_vars)
        arguments = {name: value for name, value in self._task.args.items() if name != "path"}
        path = self._task.args.get("path")
        if not path or arguments.get("state", "present") != "present":
            result = self._execute_module("k3a.cluster.token", module_args=arguments, task_vars=task_vars)
            token = whole(result, arguments.get("token"))
            return {**result, "token": token} if token else result
        path = os.path.abspath(os.path.expanduser(path))
        # A token that has been made and cannot be kept would be lost.
        if os.path.isdir(path) or not os.access(os.path.dirname(path), os.W_OK):
            problem = f"nothing was changed, since {path} cannot be written on the controller"
            return {"failed": True, "msg": f"Token: {problem}"}
        if holds_another_secret(files.read_bytes(path)):
            problem = f"nothing was changed, since {path} holds something else than a bootstrap token"
            return {"failed": True, "msg": f"Token: {problem}; name another file"}
        with unlogged(self):
            result = self._execute_module("k3a.cluster.token", module_args=arguments, task_vars=task_vars)
        return result if result.get("failed") else self._kept(path, arguments.get("token"), result)

    def _kept(self, path: str, given: Any, result: dict[str, Any]) -> dict[str, Any]:
        """The result, less the token that is in the file now."""
        token = whole(result, given)
        file = dataclasses.replace(files.owned_by_me(path, f"{token}\n".encode()), secret=True)
        change = files.file_change(file)
        result.pop("token", None)
        if change is not None:
            if not self._task.check_mode:
                files.write_file(file)
            result |= {"changed": True, "diff": [*result.get("diff", []), change.as_diff()]}
        return result


def holds_another_secret(content: bytes | None) -> bool:
    """Whether a file has anything in it that is no bootstrap token, such as the server token."""
    text = (content or b"").decode(errors="replace").strip()
    try:
        return bool(text) and not parse(text).id
    except TokenError:
        return True


def whole(result: Mapping[str, Any], given: Any) -> str:
    """The token in its long form. What was given is hidden in the result; what check mode would make is not there."""
    if not given or not result.get("ca_hash"):
        return str(result.get("token", ""))
    first = given if isinstance(given, str) else given[0]
    return f"K10{result['ca_hash']}::{parse(str(first)).bearer}"
