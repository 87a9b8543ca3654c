# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The controller's part in a step, in the one place that the step's own action and the look at all steps share.

What reaches a module when it observes is its task's arguments, completed here. What later tasks see of a step that has
nothing to do is said here, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.k3a.cluster.plugins.module_utils._components import registries, registry
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import shared_bundle

Arguments = dict[str, Any]


def completed_arguments(module: str, arguments: Arguments) -> Arguments:
    """The arguments with which a step's module observes."""
    return COMPLETIONS[module](arguments) if module in COMPLETIONS else arguments


def settled_result(module: str, arguments: Arguments) -> Arguments:
    """What later tasks see of a step that has nothing to do."""
    return SETTLED[module](arguments) if module in SETTLED else {}


def bundle_result(manifest: Manifest, data_dir: str) -> Arguments:
    """A bundle as it is on a node."""
    path = f"{data_dir}/data/{manifest.id}"
    images = [{**image, "path": f"{path}/{image['path']}"} for image in manifest.images]
    return {"path": path, "id": manifest.id, "versions": manifest.versions, "images": images, "programs": {}}


def _with_id(arguments: Arguments) -> Arguments:
    return {**arguments, "id": shared_bundle(arguments["bundle"]).manifest.id}


def _with_parted_registries(arguments: Arguments) -> Arguments:
    """A secret option hides every text in it from diffs and messages; mirrors and user names are no secrets."""
    public, secrets = registries.split_secrets(arguments.get("registries") or {})
    return {**arguments, "registries": public, "registry_secrets": secrets}


def _with_users(arguments: Arguments) -> Arguments:
    """The users that all components run as, and their interfaces; the host need not know the components."""
    return {**arguments, "users": registry.users(), "interfaces": list(registry.remains().interfaces)}


def _with_declared(arguments: Arguments) -> Arguments:
    """The certificates of the components that the profile stands for."""
    return {**arguments, "declared": registry.certificates(arguments["profile"])}


COMPLETIONS: dict[str, Callable[[Arguments], Arguments]] = {
    "bundle": _with_id,
    "certificate": _with_declared,
    "host": _with_users,
    "containerd": _with_parted_registries,
}
SETTLED: dict[str, Callable[[Arguments], Arguments]] = {
    "bootstrap": lambda _arguments: {"missing_paths": []},
    "bundle": lambda arguments: bundle_result(shared_bundle(arguments["bundle"]).manifest, arguments["data_dir"]),
    "certificate": lambda _arguments: {"requests": [], "paths": []},
}
