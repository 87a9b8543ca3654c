# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Bring a bundle of binaries and images to a node: what M(k3a.cluster.bundle) does."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store as store_of
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import upgrade
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError, go_architecture
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options, selinux
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = {
    "bundle": {"type": "path", "required": True},
    "data_dir": options.DATA_DIR,
    "command_dir": {"type": "path", "default": "/usr/local/bin"},
    "link": {"type": "bool", "default": True},
    "server": {"type": "bool", "default": False},
    "timeout": options.TIMEOUT,
    "id": {"type": "str"},
    "receiver": {"type": "int"},
    "stream": {"type": "path"},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    with during(f"The bundle {module.params['bundle']} cannot be brought to {module.params['data_dir']}"):
        if module.check_mode:
            # A real run that only asks (drift) looks again the next time, and remembers as one that acts does.
            result = look(module.params, remember=getattr(module, "of_a_real_run", False))
        else:
            with host_lock(module.params["timeout"]):
                result = converge(module.params) if module.params["receiver"] is None else receive(module.params)
    module.exit_json(**result)


def look(params: dict[str, Any], remember: bool) -> dict[str, Any]:
    """How the bundle stands on the node, and what there would be to do once it is complete."""
    store = store_in(params)
    state = store_of.inspect(store, params["id"], remember)
    wanted = store_of.plan(store, params["id"], params["link"])
    held = {} if state.complete else store_of.held_bundles(store)
    changes = wanted.changes()
    return {
        "changed": bool(changes),
        "complete": state.complete,
        "damaged_files": list(state.damaged),
        "held_files": sorted(held),
        "removed_directories": list(wanted.remove),
        "foreign_commands": list(wanted.foreign),
        "current": {"id": store.linked(store_of.CURRENT), "versions": store_of.versions(store, store_of.CURRENT)},
        "installed": upgrade.installed(store),
        "free": store_of.free_space(store.root),
        "architecture": go_architecture(),
        "diff": [change.as_diff() for change in changes],
    }


def receive(params: dict[str, Any]) -> dict[str, Any]:
    """Make the place where the user that Ansible logs in as brings the stream: their home may be small, or missing."""
    store_of.receive(store_in(params), params["receiver"])
    return {"changed": False}


def converge(params: dict[str, Any]) -> dict[str, Any]:
    """Unpack what was shipped, and finish when the bundle is complete; else say what is missing."""
    store = store_in(params)
    shipped = []
    if params["stream"] and os.path.exists(params["stream"]):
        try:
            shipped = store_of.install(store, params["id"], params["stream"])
        finally:
            shutil.rmtree(store.incoming, ignore_errors=True)
    result = look(params, remember=True)
    if params["stream"] and not result["complete"]:
        raise BundleError("another run on this host took what was shipped away, for a bundle of its own: run again")
    if result["complete"]:
        store_of.apply(store_of.plan(store, params["id"], params["link"]))
        if params["link"]:
            store_of.sweep(store)
        # Also what a run that was killed has left without.
        selinux.restore(store.root)
    return {**result, "changed": bool(shipped or result["changed"]), "installed_files": shipped}


def store_in(params: dict[str, Any]) -> store_of.Store:
    """Where the bundles of this node are."""
    return store_of.Store(params["data_dir"], params["command_dir"])
