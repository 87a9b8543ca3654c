# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.bootstrap_record): encrypts what a server has, when it has to be recorded."""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust.record import digest
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import parse
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import unlogged
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import record as codec

INTERNAL = ("export", "record", "digest")


class ActionModule(HostAction):
    """Observe; when the record is not current, read, encrypt and write it, unlogged."""

    answers = {"files": {"type": "dict"}, "password": {"type": "str"}, "needs_record": {"type": "bool"}}

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once when the record is current, three times otherwise."""
        super().run(tmp, task_vars)
        arguments = {key: value for key, value in self._task.args.items() if key not in INTERNAL}

        def module(**more: Any) -> dict[str, Any]:
            name = "k3a.cluster.bootstrap_record"
            return self._execute_module(name, module_args={**arguments, **more}, task_vars=task_vars)

        found = module()
        if found.get("failed") or not found.pop("needs_record", False):
            return found
        with unlogged(self):
            kept = module(export=True)
            if kept.get("failed"):
                return kept
            if "files" in kept:
                return module(**encrypt_record(kept, arguments.get("new_token") or ""))
        # Somebody else has written it meanwhile; what is left to do, if anything, needs no record.
        again = module()
        if again.pop("needs_record", False):
            raise K3aError("Bootstrap record: others change it at the same time; run again")
        return again


def encrypt_record(kept: dict[str, Any], new_token: str) -> dict[str, Any]:
    """The record of what a server has, and its digest."""
    password = parse(new_token).password if new_token else kept["password"]
    content = codec.encode(kept["files"])
    record = codec.encrypt(password, content)
    return {"record": record.decode(), "digest": digest(record, codec.decode(content), password)}
