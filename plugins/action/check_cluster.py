# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges the whole cluster on the controller; no host is touched."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import BundleError
from ansible_collections.k3a.cluster.plugins.plugin_utils import _cluster as cluster
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle import open_bundle


class ActionModule(ActionBase):
    """Fails with one message that names everything in the way, or says that nothing is."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(
            {"results": {"type": "list", "elements": "dict", "default": []}}
        )
        groups = (task_vars or {})["groups"]
        # A host whose check broke, or that was unreachable, has no findings: Ansible has told why.
        results = [looked for looked in options["results"] if "host" in looked]
        findings = [
            *cluster.library_findings(),
            *cluster.group_findings(groups),
            *cluster.own_findings(results),
            *cluster.cross_findings(results),
            *damaged_bundles(results),
        ]
        message, warnings = cluster.verdict(cluster.by_host(findings, groups["all"]))
        result |= {"changed": False, "warnings": warnings, "failed": bool(message)}
        result["msg"] = message or cluster.in_order(results)
        return result


def damaged_bundles(results: list[dict[str, Any]]) -> list[cluster.HostFinding]:
    """Bundles that are about to be shipped, read to the last byte: once, since later runs know what they read."""
    found = []
    for path in sorted({looked["host"]["bundle"] for looked in results} - {""}):
        try:
            open_bundle(path).verify()
        except BundleError as error:
            found.append(cluster.HostFinding((), cluster.bundle_finding(error)))
    return found
