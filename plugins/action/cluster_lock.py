# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.cluster_lock): says who takes the lock, and has it kept."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lock, lock_file
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_keeper as keeper
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_status, shipping
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction


def holder(pid: int, playbooks: Sequence[str]) -> str:
    """Who runs what, for others to read."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in many containers
        user = "somebody"
    names = [Path(name).name for name in playbooks]
    return ", ".join([f"{user}@{socket.gethostname()}", f"process {pid}", *names])


class ActionModule(HostAction):
    """Take the lock, over a holder that is known to be dead too, and leave a keeper behind."""

    answers = {"interpreter": {"type": "str"}}

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take the cluster, give it back, or in check mode tell who holds it."""
        super().run(tmp, task_vars)
        process = keeper.playbook()
        name = holder(process.pid, keeper.playbooks())
        arguments = {**self._task.args, "id": process.identity, "holder": name}
        required = arguments.pop("required", True)
        since = lock_status.now()
        result = self._answer(arguments, task_vars)
        other: dict[str, Any] = result.get("other_lock") or {}
        if result.get("failed") and not other and not boolean(required):
            return {"changed": False, "is_holder": False, "is_leased": False, "msg": result.get("msg", "")}
        dead = bool(other) and keeper.is_dead(str(other.get("id", "")))
        if result.get("failed") and dead:
            arguments["replaces"] = other["id"]
            result = self._answer(arguments, task_vars)
        interpreter = result.pop("interpreter", "")
        is_leased = not result.get("failed") and not result.get("unleased_reason")
        if self._task.check_mode:
            if other and not dead:
                self._display.warning(lock_file.told(other))
        elif interpreter and arguments.get("state", "present") == "present":
            book = lock_status.Book(self._task.delegate_to or (task_vars or {}).get("inventory_hostname", ""))
            book.write(lock_status.Status(since, since if is_leased else None))
            if not result["was_holder"]:
                keeper.start(process, self._command(interpreter, process.identity), book)
        return {**result, "is_holder": not result.get("failed"), "is_leased": is_leased}

    def _answer(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """The module's answer; a host on which no module can run is one that cannot keep a lock."""
        try:
            return self._execute_module("k3a.cluster.cluster_lock", module_args=arguments, task_vars=task_vars)
        except AnsibleConnectionFailure:
            raise  # an unreachable host is for Ansible to report
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}

    def _command(self, interpreter: str, identity: str) -> keeper.Command:
        def run(verb: str) -> int:
            return shipping.command(self, [interpreter, "-IS", lock.PROGRAM, "lock", verb, identity])

        return run
