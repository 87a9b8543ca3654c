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
  - A C(/etc/crictl.yaml) that the host had is kept as C(/etc/crictl.yaml.before-k3a).
    M(k3a.cluster.reset) puts it back.
  - Imports and pins the images of the bundle that the runtime does not have.
  - Containers keep running when the unit stops or restarts.
  - Healthy means that its socket accepts connections.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.environment
  - k3a.cluster.options.debug
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
      component:
        description: The component that it is the image of.
        type: str
        default: ""
  pause_image:
    description:
      - The image that holds a pod's namespaces.
      - Empty is the one of O(images) whose component is C(pause); when none is, it is for containerd to know.
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
  http_proxy:
    description: The URL of the proxy for C(http://).
    type: str
    default: ""
  https_proxy:
    description: The URL of the proxy for C(https://).
    type: str
    default: ""
  no_proxy:
    description: Hosts, domains and networks that are reached without a proxy.
    type: list
    elements: str
    default: []
  restrict_oom_score_adj:
    description: Whether containers get no lower OOM score than containerd, for hosts that forbid it to lower scores.
    type: bool
    default: false
  nonroot_devices:
    description: Whether the devices of a container belong to the user and the group of its security context.
    type: bool
    default: false
  flannel_backend:
    description:
      - With V(none) containerd looks for CNI plugins in C(/opt/cni/bin) too, and for their configuration in
        C(/etc/cni/net.d), where those put them who bring a network. Otherwise the network is flannel's.
    type: str
    choices: [vxlan, host-gw, wireguard-native, none]
    default: vxlan
  selinux:
    description: Whether containers run with the labels of SELinux that container-selinux has for them.
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
unhealthy_reason:
  description: In check mode, why the component that would stay as it is does not work; else empty, since a run waits.
  returned: success
  type: str
  sample: ""
changes:
  description: The files and units that changed, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/k3a-containerd.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import containerd


def main() -> None:
    containerd.run(AnsibleModule(argument_spec=containerd.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
