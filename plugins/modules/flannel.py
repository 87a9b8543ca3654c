#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flannel
short_description: The network between the pods of all nodes
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs flannel as the unit C(k3a-flannel). It gets the node's part of the pod network from the API, connects it with
    the other nodes', and then writes the CNI configuration that makes the node Ready.
  - It is the user C(flannel), which M(k3a.cluster.host) makes. Another certificate restarts it, since systemd hands it
    that when it starts.
  - It has a name of its own on each node, C(system:k3a-flannel:<node>), by which the API lets it change its own Node's
    lease and network condition only.
  - When its node is deleted from the cluster, it ends, and systemd starts it to wait for the next of that name.
  - That one has another subnet. Pods that outlived the former node have addresses by which nobody reaches them. Their
    sandboxes are stopped, and the kubelet starts these pods anew with addresses of the node's subnet. Pods in the
    network of their host are left alone, and so is every pod with O(backend=none).
  - With O(backend=none) it stops flannel and removes its files; another CNI then has to write its configuration.
  - Healthy means that the CNI configuration is there and flannel has said that it is ready.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.server_url
  - k3a.cluster.options.node_name
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.proxy_mode
  - k3a.cluster.options.environment
  - k3a.cluster.options.v
options:
  backend:
    description: How packets travel between nodes.
    type: str
    choices: [vxlan, host-gw, wireguard-native, none]
    default: vxlan
  iface:
    description: The network interface towards the other nodes. Empty is that of the node's address.
    type: str
    default: ""
  proxy_mode:
    description: Which of the kernel's interfaces flannel uses for its rules; the same as kube-proxy's.
"""

EXAMPLES = r"""
- name: Run flannel
  k3a.cluster.flannel:
    bundle: "{{ bundle.path }}"
    server_url: https://192.0.2.10:6443
    backend: vxlan
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-flannel.service
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
  description:
    - The files and units that changed, or would in check mode.
    - And the pods that are started anew with an address of the node's subnet, such as C(pod shop/web-0), or
      C(sandbox <id>) where nothing says whose it is.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/k3a-flannel.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import flannel


def main() -> None:
    flannel.run(AnsibleModule(argument_spec=flannel.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
