# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The container runtime of a node: what M(k3a.cluster.containerd) does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _containerd as containerd
from ansible_collections.k3a.cluster.plugins.module_utils import _registries as registries

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = component.argument_spec(
    {
        "images": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": {"type": "str", "required": True}, "path": {"type": "path", "required": True}},
        },
        "pause_image": {"type": "str", "default": ""},
        "snapshotter": {"type": "str", "choices": ["overlayfs", "native"], "default": "overlayfs"},
        "registries": {"type": "dict", "default": {}, "no_log": False},
        "registry_secrets": {"type": "dict", "default": {}, "no_log": True},
        "restrict_oom_score_adj": {"type": "bool", "default": False},
    }
)


def present_images(params: dict, foreseen: bool) -> set[str]:
    """The images that the runtime has; in check mode it may not run yet, and its bundle may still be the former one."""
    bundles = (params["bundle"], f"{params['data_dir']}/data/current")
    tools = next((bundle for bundle in bundles if os.path.exists(f"{bundle}/bin/crictl")), params["bundle"])
    if foreseen and not (containerd.runs() and os.path.exists(f"{tools}/bin/crictl")):
        return set()
    return containerd.images_present(tools)


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    params["registries"] = registries.joined(params["registries"], params["registry_secrets"])
    result = component.converge(module, containerd.containerd_component(params), params["pending"])
    try:
        present = present_images(params, module.check_mode)
    except containerd.ContainerdError as error:
        module.fail_json(msg=str(error))
    missing = [image for image in params["images"] if image["name"] not in present]
    result["changed"] = result["changed"] or bool(missing)
    result["changes"] += [image["name"] for image in missing]
    result["diff"] += [containerd.announced(image["name"]) for image in missing]
    if not module.check_mode:
        for image in missing:
            problem = containerd.import_image(params["bundle"], image["path"])
            if problem:
                module.fail_json(msg=f"containerd does not import {image['path']}: {problem}")
    module.exit_json(**result)
