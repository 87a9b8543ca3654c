# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugins run as in a task, on this machine, with the real module as their other half."""

from __future__ import annotations

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.connection.local import Connection


@pytest.fixture
def run_action(run_module):
    """Run an action plugin; `run.exchanges` says of each exchange with the node whether it was kept out of the log."""

    def run(plugin, module, check=False, **arguments):
        task = Task()
        task.action = f"k3a.cluster.{module.__name__.rpartition('.')[2]}"
        task.args = arguments
        task.check_mode = check
        context = PlayContext()
        connection = Connection(context)
        action = plugin.ActionModule(task, connection, context, None, None, None)

        def execute(_name=None, module_args=None, task_vars=None):
            assert task_vars == {}
            run.exchanges.append(bool(connection._play_context.no_log))
            return run_module(module, check=check, **module_args)

        action._execute_module = execute
        return action.run(task_vars={})

    run.exchanges = []
    return run
