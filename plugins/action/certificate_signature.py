# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.certificate_signature): signs in memory."""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import unlogged
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki

Requests = dict[str, list[dict[str, Any]]]


Certificates = dict[str, dict[str, str]]


def sign_all(requests: Requests, signing_cas: dict[str, tuple[str, str]]) -> tuple[Certificates, list[str]]:
    """The certificates for all requests, by host and name, and what to say of those that cannot be signed.

    A bad request is its own host's trouble: what has no certificate fails there, and the others go on.
    """
    certificates: Certificates = {}
    problems = []
    for host, own in requests.items():
        certificates[host] = {}
        for request in own:
            try:
                signed = pki.sign(request, request["request"] or "", *signing_cas[request["authority"]])
            except pki.SigningRequestError as error:
                signed = ""
                key = request["certificate"] if request["pair"] and request["current"] else request["key"]
                problems.append(f"{host}: {error}; remove its private key, {key}, on this host and run again")
            certificates[host][request["name"]] = signed
    return certificates, problems


class ActionModule(HostAction):
    """Read the CAs from the server, sign, forget them."""

    answers = {"signing_cas": {"type": "dict"}}

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sign every request; in check mode say only what would be signed."""
        super().run(tmp, task_vars)
        requests = {host: own for host, own in self._task.args["requests"].items() if own}
        if not requests:
            return {"changed": False, "certificates": {}}
        if self._task.check_mode:
            return {"changed": False, "certificates": {h: {r["name"]: "" for r in own} for h, own in requests.items()}}
        only_names = {host: [{"authority": request["authority"]} for request in own] for host, own in requests.items()}
        arguments = {**self._task.args, "requests": only_names}
        with unlogged(self):
            found = self._execute_module(
                "k3a.cluster.certificate_signature", module_args=arguments, task_vars=task_vars
            )
        signing_cas = found.pop("signing_cas", {})
        if found.get("failed"):
            return found
        certificates, problems = sign_all(requests, signing_cas)
        return {"changed": False, "certificates": certificates, "warnings": [*found.get("warnings", []), *problems]}
