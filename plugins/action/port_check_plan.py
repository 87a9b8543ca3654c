# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans on the controller who tries which ports; no host is touched."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import port_check
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import host_reports

OPTIONS: dict[str, Any] = {"host_reports": {"type": "list", "elements": "dict", "default": []}}


class ActionModule(ActionBase):
    """Says what each host has to do."""

    _requires_connection = False

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Plan."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        hosts = port_check.plan(host_reports(options["host_reports"]), (task_vars or {})["ansible_forks"])
        return {**result, "changed": False, "hosts": hosts}
