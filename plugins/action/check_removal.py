# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges on the controller whether nodes can be removed; no host is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import groups, removal
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostReport,
    host_reports,
    server_reports,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

OPTIONS: dict[str, Any] = {
    "names": {"type": "list", "elements": "str", "default": []},
    "host_reports": {"type": "list", "elements": "dict", "default": []},
    "server_reports": {"type": "list", "elements": "dict", "default": []},
}


class ActionModule(ActionBase):
    """Fails with one sentence, or says what is to happen."""

    _requires_connection = False

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Find what is meant, and judge."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        with during("Nothing has been changed"):
            hosts = {report.name: report for report in host_reports(options["host_reports"])}
            servers = server_reports(options["server_reports"])
            plan = removal.plan(options["names"], machines(task_vars or {}, hosts), servers)
        acting = next(report for report in servers if report.host == plan.server)
        settings = spec.usable(("data_dir", "https_listen_port"), (task_vars or {})["hostvars"][plan.server])
        port = settings["https_listen_port"]
        staying = removal.staying_servers(list(hosts.values()), [*plan.nodes, *plan.members], acting, port)
        about = {"servers": staying, "server_data_dir": settings["data_dir"], "https_listen_port": port}
        return {**result, "changed": False, **plan.as_result(), **about}


def machines(task_vars: Mapping[str, Any], reports: Mapping[str, HostReport]) -> list[removal.Machine]:
    """The hosts of the inventory that are, or were, part of the cluster."""
    hostvars, servers = task_vars["hostvars"], groups.servers(task_vars["groups"])
    hosts = dict.fromkeys([*servers, *groups.agents(task_vars["groups"])])
    return [removal.machine(host, host in servers, reports.get(host), hostvars[host]) for host in hosts]
