# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges on the controller whether nodes can be removed; no host is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import removal, servers

OPTIONS: dict[str, Any] = {
    "names": {"type": "list", "elements": "str", "default": []},
    "results": {"type": "list", "elements": "dict", "default": []},
    "asked": {"type": "list", "elements": "dict", "default": []},
}
DEFAULT_PORT = 6443


class ActionModule(ActionBase):
    """Fails with one sentence, or says what is to happen."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Find what is meant, and judge."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        found = {looked["host"]["name"]: looked for looked in options["results"] if looked.get("facts")}
        try:
            plan = removal.plan(options["names"], machines(task_vars or {}, found), options["asked"])
        except removal.RemovalError as error:
            return {**result, "failed": True, "msg": f"Nothing has been changed: {error}"}
        answer = servers.chosen([asked for asked in options["asked"] if asked.get("item") == plan["server"]])
        acting = found.get(plan["server"], {}).get("host", {})
        port = acting.get("cluster", {}).get("k3a_https_listen_port", DEFAULT_PORT)
        gone = [*plan["nodes"], *plan["members"]]
        staying = removal.staying_servers(list(found.values()), gone, answer, port)
        return {**result, "changed": False, **plan, "servers": staying}


def machines(task_vars: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> list[removal.Machine]:
    """The hosts of the inventory that are, or were, part of the cluster."""
    groups, hostvars = task_vars["groups"], task_vars["hostvars"]
    server = groups.get("server", [])
    hosts = dict.fromkeys([*server, *groups.get("agent", [])])
    return [removal.machine(host, host in server, found.get(host, {}), hostvars[host]) for host in hosts]
