# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.server_info): asks a server by its own variables."""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

OF_THE_SERVER = ("data_dir", "node_ip", "advertise_address", "cluster_cidr", "https_listen_port")


class ActionModule(HostAction):
    """Ask the server that a task is delegated to."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the server says, and which one it is."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        host = self._task.args.get("host") or variables["inventory_hostname"]
        options = spec.usable(OF_THE_SERVER, variables["hostvars"][host])
        seen = (variables["hostvars"][host].get("_k3a_check") or {}).get("facts") or {}
        # A host that was looked at has the addresses that it is known by, from flannel's interface for one.
        options["node_ip"] = seen.get("node_ips") or options.get("node_ip", [])
        given = {name: value for name, value in self._task.args.items() if name != "host"}
        answer = self._execute_module(module_args={**options, **given}, task_vars=task_vars)
        return {**answer, "host": host}
