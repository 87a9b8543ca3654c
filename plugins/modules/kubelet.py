#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet
short_description: The node agent that runs pods
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs the kubelet as the unit C(k3a-kubelet), hardened, with K3s's defaults for eviction, image pulls and swap.
  - Pods keep running when the unit stops or restarts.
  - A kubelet registers its node only when it starts. One whose node was deleted from the cluster is restarted.
  - Healthy means that C(/healthz) on loopback answers; that the node is Ready is what M(k3a.cluster.node) waits for.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.server_url
  - k3a.cluster.options.node_name
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.service_cidr
  - k3a.cluster.options.cluster_domain
  - k3a.cluster.options.environment
  - k3a.cluster.options.v
  - k3a.cluster.options.vmodule
  - k3a.cluster.options.extra_args
options:
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
  cluster_cidr:
    description: The networks of pods; their families are those that the node needs addresses of.
  cluster_dns:
    description: Addresses of the cluster's DNS. Empty is the tenth address of each service network.
    type: list
    elements: str
    default: []
  node_labels:
    description:
      - Labels, C(key=value) each, that the kubelet gives its node when it registers, so that no pod is placed before
        them, for nodes that no inventory knows. What changes later is for M(k3a.cluster.node_registration).
      - Others get theirs from M(k3a.cluster.node).
    type: list
    elements: str
    default: []
  node_taints:
    description: Taints, C(key=value:effect), that the node has from its registration on.
    type: list
    elements: str
    default: []
  resolv_conf:
    description:
      - The resolver configuration that pods with the node's DNS, CoreDNS among them, get.
      - Empty is C(/etc/resolv.conf) or systemd-resolved's own, whichever names servers that a pod can reach.
    type: path
    default: ""
  allow_cgroup_v1:
    description: Whether the kubelet runs on cgroup v1, which upstream refuses by default.
    type: bool
    default: false
  pod_pids_limit:
    description: How many processes and threads a pod may have; V(-1) is as many as the node.
    type: int
    default: 4096
  protect_kernel_defaults:
    description: Whether the kubelet fails, instead of changing them, when kernel settings differ from what it wants.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run the kubelet
  k3a.cluster.kubelet:
    bundle: "{{ bundle.path }}"
    server_url: https://192.0.2.10:6443
    extra_args:
      - max-pods=200
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-kubelet.service
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
  sample: [/etc/systemd/system/k3a-kubelet.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubelet


def main() -> None:
    kubelet.run(AnsibleModule(argument_spec=kubelet.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
