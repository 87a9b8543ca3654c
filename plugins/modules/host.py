#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: What a host needs before it can be a node
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Makes a user for each component that is not root, and the directories of k3a, loads the kernel modules and sets the
    kernel settings that containers and their network need, and keeps all of it over a reboot.
  - Kernel settings that are changed are recorded with their former values, which M(k3a.cluster.reset) puts back.
  - A kernel module that is built in, or that the kernel does not have, is no change; M(k3a.cluster.check_config) judges
    what is missing.
  - Fails when a kernel setting cannot be written.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.timeout
options:
  cluster_cidr:
    description: The networks of pods; their families decide which packets are forwarded.
  flannel_backend:
    description: How packets travel between nodes; flannel loads no kernel module by itself.
    type: str
    choices: [vxlan, host-gw, wireguard-native, none]
    default: vxlan
  selinux:
    description:
      - Give what k3a has on a host with SELinux the labels of container-selinux, by a policy module C(k3a) that
        M(k3a.cluster.reset) removes.
    type: bool
    default: false
  manage_firewall:
    description:
      - Whether to open firewalld and ufw, where they filter packets on the host, for O(firewall_ports) and for
        O(firewall_networks). M(k3a.cluster.reset) closes again what was opened so.
    type: bool
    default: false
  firewall_ports:
    description: The ports that other hosts have to reach, such as C(6443/tcp).
    type: list
    elements: str
    default: []
  firewall_networks:
    description: The networks of pods, whose packets the host forwards.
    type: list
    elements: str
    default: []
  node_ip:
    description: The addresses of the node. Ports are as good as open where a network that the firewall trusts has them.
  interfaces:
    description:
      - For the action plugin, which fills it in. The interfaces that the components make.
      - Where a host has NetworkManager, it is told to leave them alone.
    type: list
    elements: str
    default: []
  users:
    description: For the action plugin, which fills it in. The users that the components run as, and what each is for.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Prepare the host
  k3a.cluster.host:
"""

RETURN = r"""
changes:
  description: What changed, or would in check mode. These are files, users, kernel modules and kernel settings.
  returned: success
  type: list
  elements: str
  sample: [/etc/sysctl.d/60-k3a.conf, net.ipv4.conf.all.forwarding]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._host import host


def main() -> None:
    host.run(AnsibleModule(argument_spec=host.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
