#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: containerd
short_description: The container runtime of a node
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs containerd as the unit C(k3a-containerd), with its configuration, those of its registries, and C(crictl.yaml).
  - Imports and pins the images of the bundle that the runtime does not have.
  - Containers keep running when the unit stops or restarts.
  - Healthy means that its socket accepts connections.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
options:
  images:
    description: Images to import, RV(k3a.cluster.bundle#module:images).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The image's name.
        type: str
        required: true
      path:
        description: The image's archive on the node.
        type: path
        required: true
  pause_image:
    description: The image that holds a pod's namespaces. Empty is the bundle's.
    type: str
    default: ""
  snapshotter:
    description: How layers become a container's file system.
    type: str
    choices: [overlayfs, native]
    default: overlayfs
  registries:
    description:
      - Mirrors and credentials of registries, as K3s's C(registries.yaml) has them.
      - C(mirrors) maps a registry (or C(*)) to a list C(endpoint); C(configs) maps a registry to C(auth) (C(username),
        C(password), C(auth), C(identity_token)) and C(tls) (C(ca_file), C(cert_file), C(key_file),
        C(insecure_skip_verify)). K3s's C(rewrite) needs a patched containerd and is refused.
    type: dict
    default: {}
  registry_secrets:
    description: The secrets of O(registries); set by the action plugin, which takes them out of O(registries).
    type: dict
    default: {}
  restrict_oom_score_adj:
    description: Whether containers get no lower OOM score than containerd, for hosts that forbid it to lower scores.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run containerd
  k3a.cluster.containerd:
    bundle: "{{ bundle.path }}"
    images: "{{ bundle.images }}"
    registries:
      mirrors:
        docker.io:
          endpoint: [https://mirror.example.org]
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-containerd.service
restarted:
  description: Whether the unit was started anew, or would be in check mode.
  returned: success
  type: bool
  sample: false
changes:
  description: The files and units that changed, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/k3a-containerd.service]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _containerd as containerd
from ansible_collections.k3a.cluster.plugins.module_utils import _registries as registries

OPTIONS = {
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


def present_images(params: dict, foreseen: bool) -> set[str]:
    """The images that the runtime has; in check mode it may not run yet, and its bundle may still be the former one."""
    bundles = (params["bundle"], f"{params['data_dir']}/data/current")
    tools = next((bundle for bundle in bundles if os.path.exists(f"{bundle}/bin/crictl")), params["bundle"])
    if foreseen and not (containerd.runs() and os.path.exists(f"{tools}/bin/crictl")):
        return set()
    return containerd.images_present(tools)


def main() -> None:
    module = AnsibleModule(argument_spec=component.argument_spec(OPTIONS), supports_check_mode=True)
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


if __name__ == "__main__":
    main()
