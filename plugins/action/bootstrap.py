# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.bootstrap): makes the CAs and the key that are missing."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import unlogged
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki


def material_for(missing: list[str], layout: Layout) -> dict[str, str]:
    """Contents for the missing CAs and the service account key, by path.

    A CA is made whole: a key without a certificate has signed nothing, so it is made anew with it. Those that are made
    together are valid from the same moment, by which it is known that they were.
    """
    made = {}
    started = pki.now()
    for name, prefix in bootstrap.CN_PREFIXES.items():
        certificate, key = bootstrap.authority_paths(layout, name)
        if certificate in missing:
            made[certificate], made[key] = pki.new_authority(prefix, started)
    service = layout.tls("service.key")
    if service in missing:
        made[service] = pki.key_pem(pki.new_key())
    return made


def certificates_in(made: dict[str, str], layout: Layout) -> dict[str, str]:
    """The CAs' certificates among new contents, by the CA's name."""
    paths = {name: bootstrap.authority_paths(layout, name)[0] for name in bootstrap.CN_PREFIXES}
    return {name: made[path] for name, path in paths.items() if path in made}


def material_from(shared: dict[str, str], missing: list[str], layout: Layout) -> dict[str, str]:
    """Contents for what is missing, from what another server keeps, by path."""
    here = {f"{layout.data_dir}/{path}": content for path, content in shared.items()}
    return {path: here[path] for path in missing if path in here}


class ActionModule(HostAction):
    """Observe, then make and bring what is missing."""

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once when nothing is missing, twice otherwise."""
        super().run(tmp, task_vars)
        shared = self._task.args.get("shared") or {}
        arguments = {key: value for key, value in self._task.args.items() if key not in ("material", "shared")}
        if "shared" in self._task.args:
            # That something is going to be brought is all that the observing run has to know.
            arguments["shared"] = {"from": "another server"}
        found = self._execute_module("k3a.cluster.bootstrap", module_args=arguments, task_vars=task_vars)
        if found.get("failed") or not found["changed"]:
            return found
        layout = Layout(arguments.get("data_dir") or options.DATA_DIR["default"])
        # Who must not found a cluster makes nothing, even when the other server turns out to keep nothing.
        founds = not shared and boolean(self._task.args.get("may_create", True))
        made = {} if founds else material_from(shared, found["missing_paths"], layout)
        lacking = [] if founds else sorted(set(found["missing_paths"]) - set(made))
        if self._task.check_mode:
            # The other server has not made yet what it will make first.
            later = {path for name in bootstrap.LATER for path in bootstrap.authority_paths(layout, name)}
            lacking = sorted(set(lacking) - later)
        # In check mode the first server of a new cluster has nothing yet.
        if lacking and (shared or not self._task.check_mode):
            raise K3aError(f"the other server does not have {', '.join(lacking)} either")
        if self._task.check_mode:
            return found
        if founds:
            made = material_for(found["missing_paths"], layout)
        arguments["material"] = made or {"none": ""}
        with unlogged(self):
            done = self._execute_module("k3a.cluster.bootstrap", module_args=arguments, task_vars=task_vars)
        if done.get("failed"):
            return done
        # Ansible hides from the module's answer whatever came in as a secret, the certificates in the material, too.
        return {**done, "ca_certificates": {**found["ca_certificates"], **certificates_in(made, layout)}}
