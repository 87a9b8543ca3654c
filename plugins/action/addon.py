# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.addon): reads the manifests and ships the objects."""

from __future__ import annotations

import functools
from typing import Any

from ansible_collections.k3a.cluster.plugins.modules.addon import OPTIONS
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon.manifest import load
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.vault import text_of


class ActionModule(HostAction):
    """Nothing on a node reads YAML, and no host is asked before all of it is right."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read what is to be present, and run the module once."""
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        addons = options["addons"] if options["state"] == "present" else []
        objects = load(addons, functools.partial(text_of, self._loader))
        shipped = [{"addon": item.addon, "where": item.where, "object": item.body} for item in objects]
        names = [{"name": addon["name"]} for addon in options["addons"]]
        arguments = {**self._task.args, "addons": names, "objects": shipped}
        return self._execute_module("k3a.cluster.addon", module_args=arguments, task_vars=task_vars)
