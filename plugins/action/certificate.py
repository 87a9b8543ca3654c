# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.certificate): decides which certificates have to be signed, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki


def requests_among(found: list[dict[str, Any]], ca_certificates: Mapping[str, str]) -> list[dict[str, Any]]:
    """The certificates that have to be signed, each with its reasons."""
    judged = [
        {
            **leaf,
            "reasons": pki.renewal_reasons(
                leaf, leaf["current"], leaf["has_key"], ca_certificates.get(leaf["authority"], "")
            ),
        }
        for leaf in found
    ]
    return [leaf for leaf in judged if leaf["reasons"]]


def request_diff(request: Mapping[str, Any]) -> dict[str, str]:
    """A certificate that has to be signed, as a diff shows it."""
    before = f"{'; '.join(request['reasons'])}\n"
    return {
        "before_header": request["certificate"],
        "after_header": request["certificate"],
        "before": before,
        "after": pki.describe(request),
    }


class ActionModule(HostAction):
    """Observe on the node, decide here."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and turn what it found into requests."""
        super().run(tmp, task_vars)
        arguments = steps.completed_arguments("certificate", self._task.args)
        found = self._execute_module("k3a.cluster.certificate", module_args=arguments, task_vars=task_vars)
        certificates = found.pop("certificates", [])
        if found.get("failed") or self._task.args.get("signed"):
            return found
        ca_certificates = self._task.args["ca_certificates"]
        requests = requests_among(certificates, ca_certificates)
        return {
            **found,
            "changed": found["changed"] or bool(requests),
            "warnings": [*found.get("warnings", []), *pki.ending_authorities(ca_certificates)],
            "requests": requests,
            "paths": [*found["paths"], *(request["certificate"] for request in requests)],
            "diff": [*found["diff"], *(request_diff(request) for request in requests)],
        }
