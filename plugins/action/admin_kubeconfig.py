# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the administrator's kubeconfig on the controller: all of M(k3a.cluster.admin_kubeconfig)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError, ApiRefused, NodeApi
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.module_utils._trust.bootstrap import CN_PREFIXES
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import unlogged
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.operator_kubeconfig import (
    ForeignFileError,
    parse,
    place,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki

# The same as on a server, but that its key is made here, and that it is in no file of its own.
LEAF = leaves.leaf_of(kubeconfig.ADMINISTRATOR, "", leaves.Names("", (), ())).as_dict()
SHOWN = f"kubeconfig of {kubeconfig.ADMINISTRATOR.common_name}\n"

# So long, in seconds, the API is tried from here; nothing but a line of the closing message depends on it.
PATIENCE = 3.0


def reasons_to_write(
    content: bytes | None, url: str, ca_certificates: dict[str, str], urls: Collection[str] = (), name: str = ""
) -> list[str]:
    """Why the kubeconfig has to be written (again); a foreign one is refused. One of the other URLs will do, too."""
    if content is None:
        return ["it is missing"]
    current = parse(content)
    if current["authority"] != ca_certificates["server"]:
        raise ForeignFileError("it belongs to a cluster with another CA")
    has_key = pki.belongs(current["key"], current["certificate"])
    reasons = pki.renewal_reasons(LEAF, current["certificate"], has_key, ca_certificates["client"])
    if current["url"] not in (url, *urls):
        reasons.append(f"its server is {current['url']}, not {url}")
    if name and current["name"] != name:
        reasons.append(f"its name is {current['name']}, not {name}")
    return reasons


def name_in(content: bytes | None, name: str) -> str:
    """The name that a kubeconfig gets: as asked for, else the one that it has, else that of all."""
    kept = parse(content)["name"] if content and not name else ""
    return name or kept or kubeconfig.NAME


def obstacle(url: str, authority: str) -> str:
    """Why the API does not answer at a URL from here; empty when it does."""
    try:
        # By the name in the URL, as kubectl will.
        NodeApi(url, ca_data=authority, timeout=PATIENCE, server_name="").request("GET", "/livez")
    except ApiRefused:
        return ""
    except ApiError as error:
        return str(error)
    return ""


def is_ours(content: bytes, ca_certificates: dict[str, str]) -> bool:
    """Whether this plugin wrote a kubeconfig for this cluster, or for one whose CA is gone already."""
    try:
        current = parse(content)
    except ForeignFileError:
        return False
    if ca_certificates.get("server"):
        return current["authority"] == ca_certificates["server"]
    return pki.is_authority(current["authority"], CN_PREFIXES["server"])


class ActionModule(HostAction):
    """Judge the file here; only when it has to be written ask the server for the CA's key."""

    answers = {"signing_cas": {"type": "dict"}}

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Converge the file."""
        super().run(tmp, task_vars)
        path = place(self._task.args["path"])
        ca_certificates = self._task.args["ca_certificates"]
        current = files.read_bytes(path)
        if self._task.args.get("state", "present") == "absent":
            return self._remove(path, current, ca_certificates)
        url = self._task.args.get("server_url")
        if not url:
            raise K3aError("server_url is required, the URL of the API as seen from the controller")
        try:
            # Before the first server is installed there is no CA to compare with.
            others = self._task.args.get("server_urls") or []
            name = self._task.args.get("name") or ""
            reasons = ["the cluster is new"]
            if ca_certificates:
                reasons = reasons_to_write(current, url, ca_certificates, others, name)
        except ForeignFileError as error:
            problem = f"{path} on the controller would be overwritten, but {error}"
            raise K3aError(f"{problem}; move it away or set k3a_kubeconfig") from None
        diff = files.Change(path, "\n".join(reasons) + "\n", SHOWN).as_diff()
        if reasons and not self._task.check_mode:
            failure = self._write(path, url, ca_certificates, name_in(current, name), task_vars)
            if failure:
                return failure
        told = ""
        if ca_certificates:
            told = obstacle(url if reasons or current is None else parse(current)["url"], ca_certificates["server"])
        return {"changed": bool(reasons), "path": path, "obstacle": told, "diff": [diff] if reasons else []}

    def _remove(self, path: str, current: bytes | None, ca_certificates: dict[str, str]) -> dict[str, Any]:
        ours = current is not None and is_ours(current, ca_certificates)
        if ours and not self._task.check_mode:
            files.remove_file(path)
        diff = files.Change(path, SHOWN, "").as_diff()
        return {"changed": ours, "path": path, "diff": [diff] if ours else []}

    def _write(
        self, path: str, url: str, ca_certificates: dict[str, str], name: str, task_vars: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Write the file; what the server answers instead of the CA's key is returned."""
        arguments = {"requests": {"controller": [{"authority": "client"}]}}
        if "data_dir" in self._task.args:
            arguments["data_dir"] = self._task.args["data_dir"]
        with unlogged(self):
            found = self._execute_module(
                "k3a.cluster.certificate_signature", module_args=arguments, task_vars=task_vars
            )
        if found.get("failed"):
            return found
        certificate, key = pki.issue(LEAF, *found["signing_cas"]["client"])
        authority = ca_certificates["server"].encode()
        text = kubeconfig.embedded(url, authority, certificate.encode(), key.encode(), name)
        files.write_file(files.owned_by_me(path, text.encode()))
        return None
