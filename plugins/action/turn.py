# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of what changes the servers of a cluster: it is done only while the cluster's lock is held.

Of those that have their turns (throttle: 1) the ones after one that fails do nothing.

Ansible itself takes note of a failure only when all hosts have had their turn of a task, whatever C(any_errors_fatal)
says. So a turn that has begun is written down where all processes of a run see it, until it has ended well.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import lock_keeper, lock_status, shipping
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction

# What changes the members of etcd looks at the lock again by itself, just before it does.
LOOK_AGAIN = ("etcd", "etcd_member")


class ActionModule(HostAction):
    """Run the module, unless the lock is lost or the turn before failed. Check mode breaks nothing, and hears all."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's answer."""
        super().run(tmp, task_vars)
        host = (task_vars or {}).get("inventory_hostname", "")
        if not self._task.check_mode:
            lock_status.require(self._task.delegate_to or host)
        arguments = dict(self._task.args)
        if self._task.action.rpartition(".")[2] in LOOK_AGAIN:
            arguments["lock_id"] = lock_keeper.playbook().identity
        if self._task.check_mode or self._task.throttle != 1:
            return self._execute_module(module_args=arguments, task_vars=task_vars)
        turn = Path(shipping.run_directory(), f"turn-{self._task._uuid}")
        with contextlib.suppress(FileNotFoundError):
            failed = turn.read_text(encoding="utf-8")
            if failed != host:
                raise K3aError(f"nothing was done on {host}, since {failed} failed in its turn: see there why")
        turn.write_text(host, encoding="utf-8")
        result = self._execute_module(module_args=arguments, task_vars=task_vars)
        if not result.get("failed"):
            turn.unlink()
        return result
