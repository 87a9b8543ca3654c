# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses on the controller the server whose API is asked; no host is touched."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import ServerReport, server_reports
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

OPTIONS: dict[str, Any] = {"server_reports": {"type": "list", "elements": "dict", "required": True}}


class ActionModule(ActionBase):
    """Fails with what each server said, or names one that is healthy."""

    _requires_connection = False

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Choose."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        reports = server_reports(options["server_reports"])
        server = next((report.host for report in reports if report.healthy), "")
        if not server:
            told = "".join(f"\n{report.host}: {reason(report)}" for report in reports)
            return {**result, "failed": True, "msg": f"No server of the cluster answers; nothing was changed{told}"}
        settings = spec.usable(("data_dir", "https_listen_port"), (task_vars or {})["hostvars"][server])
        return {**result, "changed": False, "server": server, **settings}


def reason(report: ServerReport) -> str:
    """Why a server is not the one."""
    return report.reason or "cannot be reached"
