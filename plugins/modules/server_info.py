#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: What a node has to know of its server
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Returns the public part of what a server keeps. Run it on, or delegated to, a server, and give its result to the
    steps that make a node.
extends_documentation_fragment: [k3a.cluster.attributes, k3a.cluster.attributes.node]
options:
  data_dir:
    description: Where k3a keeps its files on the server.
    type: path
    default: /var/lib/k3a
  timeout:
    description: How many seconds to wait for another run on this host to end.
    type: int
    default: 300
  node_ip:
    description: The server's addresses. Empty is the address of the default route.
    type: list
    elements: str
    default: []
  advertise_address:
    description: The address that the API server publishes. Empty is the server's first.
    type: str
    default: ""
  https_listen_port:
    description: The port of the API.
    type: int
    default: 6443
  cluster_cidr:
    description: The networks of pods; their families are those that the server needs addresses of.
    type: list
    elements: str
    default: [10.42.0.0/16]
"""

EXAMPLES = r"""
- name: Read the cluster from a server
  k3a.cluster.server_info:
  delegate_to: server-1
  run_once: true
  register: server
"""

RETURN = r"""
url:
  description: The URL of the API on this server.
  returned: success
  type: str
  sample: https://192.0.2.10:6443
authorities:
  description: The certificates of the cluster's authorities by name, PEM; empty before the server is installed.
  returned: success
  type: dict
  sample:
    server: "-----BEGIN CERTIFICATE-----..."
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils import _address as address
from ansible_collections.k3a.cluster.plugins.module_utils import _bootstrap as bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout

OPTIONS = {
    "data_dir": {"type": "path", "default": "/var/lib/k3a"},
    "timeout": {"type": "int", "default": 300},
    "node_ip": {"type": "list", "elements": "str", "default": []},
    "advertise_address": {"type": "str", "default": ""},
    "https_listen_port": {"type": "int", "default": 6443},
    "cluster_cidr": {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]},
}


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    params = module.params
    try:
        node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    except address.AddressError as error:
        module.fail_json(msg=str(error))
    host = address.in_url(params["advertise_address"] or node_ips[0])
    module.exit_json(
        changed=False,
        url=f"https://{host}:{params['https_listen_port']}",
        authorities=bootstrap.read_authorities(Layout(params["data_dir"])),
    )


if __name__ == "__main__":
    main()
