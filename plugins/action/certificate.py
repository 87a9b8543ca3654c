# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.certificate): decides which certificates have to be signed, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate, leaves
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import ReportError, records
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki


@dataclass(frozen=True)
class Found:
    """What a host says of a certificate: as it is, whether its key is there, and a request of that key, or none."""

    name: str
    current: str
    has_key: bool
    request: str = ""


def requests_among(found: Any, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The certificates that have to be signed, each with its reasons.

    Whom a certificate names, who signs it and where it is comes from the step's arguments: a host that could say so
    itself would be whom it likes.
    """
    wanted = {leaf.name: leaf for leaf in leaves_of(arguments)}
    judged = []
    for each in records(Found, "certificates", _without_nothing(found)):
        if each.name not in wanted:
            raise ReportError(f"its certificates have {each.name!r:.100}, which the host is not to have")
        leaf = wanted[each.name].as_dict()
        authority = arguments["ca_certificates"].get(leaf["authority"], "")
        by_node = bool(arguments.get("renewed_by_node"))
        reasons = pki.renewal_reasons(leaf, each.current, each.has_key, authority, renewed_by_node=by_node)
        judged.append({**leaf, "current": each.current, "request": each.request, "reasons": reasons})
    return [request for request in judged if request["reasons"]]


def leaves_of(arguments: Mapping[str, Any]) -> tuple[leaves.Leaf, ...]:
    """The certificates that a host should have, by its step's arguments."""
    defaults = {name: option.get("default") for name, option in certificate.OPTIONS.items()}
    if not arguments.get("node_ip"):  # the module would look for those of the machine it runs on
        raise ReportError("the addresses of the host are not known, which its certificates name")
    return certificate.leaves_of({**defaults, **arguments})


def _without_nothing(found: Any) -> Any:
    """What a host says of certificates, less what it says is nothing: where it made no request."""
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        return found
    return [{name: value for name, value in each.items() if value is not None} for each in found]


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
        requests = requests_among(certificates, arguments)
        return {
            **found,
            "changed": found["changed"] or bool(requests),
            "warnings": [*found.get("warnings", []), *pki.ending_authorities(ca_certificates)],
            "requests": requests,
            "paths": [*found["paths"], *(request["certificate"] for request in requests)],
            "diff": [*found["diff"], *(request_diff(request) for request in requests)],
        }
