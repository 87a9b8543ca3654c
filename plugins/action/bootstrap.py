# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(k3a.cluster.bootstrap): makes the authorities and the key that are missing."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils import _bootstrap as bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.plugin_utils import _pki as pki
from ansible_collections.k3a.cluster.plugins.plugin_utils._secret import unlogged


def material_for(missing: list[str], layout: Layout) -> dict[str, str]:
    """Contents for the missing authorities and the service account key, by path.

    An authority is made whole: a key without a certificate has signed nothing, so it is made anew with it.
    """
    made = {}
    for name, prefix in bootstrap.CN_PREFIXES.items():
        certificate, key = bootstrap.authority_paths(layout, name)
        if certificate in missing:
            made[certificate], made[key] = pki.new_authority(prefix)
    service = layout.tls("service.key")
    if service in missing:
        made[service] = pki.key_pem(pki.new_key())
    return made


def certificates_in(made: dict[str, str], layout: Layout) -> dict[str, str]:
    """The authorities' certificates among new contents, by the authority's name."""
    paths = {name: bootstrap.authority_paths(layout, name)[0] for name in bootstrap.CN_PREFIXES}
    return {name: made[path] for name, path in paths.items() if path in made}


class ActionModule(ActionBase):
    """Observe, then make and bring what is missing."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once when nothing is missing, twice otherwise."""
        super().run(tmp, task_vars)
        arguments = {key: value for key, value in self._task.args.items() if key != "material"}
        found = self._execute_module("k3a.cluster.bootstrap", module_args=arguments, task_vars=task_vars)
        if found.get("failed") or not found["changed"] or self._task.check_mode:
            return found
        layout = Layout(arguments.get("data_dir") or Layout().data_dir)
        made = material_for(found["missing"], layout)
        arguments["material"] = made or {"none": ""}
        with unlogged(self):
            done = self._execute_module("k3a.cluster.bootstrap", module_args=arguments, task_vars=task_vars)
        if done.get("failed"):
            return done
        # Ansible hides from the module's answer whatever came in as a secret, the certificates in the material, too.
        return {**done, "authorities": {**found["authorities"], **certificates_in(made, layout)}}
