# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the steps of a settled host to the module of the same name, as the look at it gets them."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.action import drift


class ActionModule(drift.ActionModule):
    def run(self, tmp=None, task_vars=None):
        ActionBase.run(self, tmp, task_vars)
        steps = self._steps(task_vars["_k3a_verdict"]["hosts"][task_vars["inventory_hostname"]], task_vars)
        return ActionBase._execute_module(
            self, "truth_states", module_args={**self._task.args, "steps": steps}, task_vars=task_vars
        )
