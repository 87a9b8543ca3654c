# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Bring a bundle of binaries and images to a node: what M(k3a.cluster.bundle) does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store as store_of
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import go_architecture
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = {
    "bundle": {"type": "path", "required": True},
    "data_dir": options.DATA_DIR,
    "command_dir": {"type": "path", "default": "/usr/local/bin"},
    "link": {"type": "bool", "default": True},
    "timeout": options.TIMEOUT,
    "id": {"type": "str"},
    "stream": {"type": "path"},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    with during(f"The bundle {module.params['bundle']} cannot be brought to {module.params['data_dir']}"):
        if module.check_mode:
            result = look(module.params, remember=False)
        else:
            with host_lock(module.params["timeout"]):
                result = converge(module.params)
    module.exit_json(**result)


def look(params: dict, remember: bool) -> dict[str, object]:
    """How the bundle stands on the node, and what there would be to do once it is complete."""
    store = store_of.Store(params["data_dir"], params["command_dir"])
    state = store_of.inspect(store, params["id"], remember)
    wanted = store_of.plan(store, params["id"], params["link"])
    held = {} if state.complete else store_of.held(store)
    changes = wanted.changes()
    return {
        "changed": bool(changes),
        "complete": state.complete,
        "damaged": list(state.damaged),
        "held": sorted(held),
        "removed": list(wanted.remove),
        "foreign_commands": list(wanted.foreign),
        "current": {"id": store.linked(store_of.CURRENT), "versions": store_of.versions(store, store_of.CURRENT)},
        "free": store_of.free_space(store.root),
        "architecture": go_architecture(),
        "diff": [change.as_diff() for change in changes],
    }


def converge(params: dict) -> dict[str, object]:
    """Unpack what was shipped, and finish when the bundle is complete; else say what is missing."""
    store = store_of.Store(params["data_dir"], params["command_dir"])
    shipped = []
    if params["stream"]:
        try:
            shipped = store_of.install(store, params["id"], params["stream"])
        finally:
            # The controller removes it too, but may have been killed.
            os.unlink(params["stream"])
    result = look(params, remember=True)
    if result["complete"]:
        store_of.apply(store_of.plan(store, params["id"], params["link"]))
    return {**result, "changed": bool(shipped or result["changed"]), "installed": shipped}
