#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: check_removal
version_added: 1.0.0
short_description: Judge whether nodes can be removed from a cluster, before anything changes
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Finds the node, the host and the member of etcd that are meant by a name. It may be that of a host in the inventory
    or that of a node, also of one that is dead, or that the inventory does not name any more.
  - Fails with one sentence when a name is unknown, when no server would be left, when etcd would have no healthy
    majority, or when no server that stays is healthy.
  - Runs on the controller only.
extends_documentation_fragment:
  - k3a.cluster.attributes
author: [k3a.cluster contributors (@k3a)]
options:
  names:
    description: The names of what is to go.
    type: list
    elements: str
    default: []
  host_reports:
    description: The results of M(k3a.cluster.check_config), one for each host that can be reached.
    type: list
    elements: dict
    default: []
  server_reports:
    description:
      - The results of M(k3a.cluster.server_info), one for each server that was asked.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: "Preflight: evaluate the removal"
  k3a.cluster.check_removal:
    names: [server-1]
    host_reports: "{{ ansible_play_hosts | map('extract', hostvars, '_k3a_check') }}"
    server_reports: "{{ _k3a_servers.results }}"
  run_once: true
"""

RETURN = r"""
server_data_dir:
  description: The data directory of RV(server).
  returned: success
  type: str
  sample: /var/lib/k3a
https_listen_port:
  description: The port of the API.
  returned: success
  type: int
  sample: 6443
nodes:
  description: The nodes that are to go.
  returned: success
  type: list
  elements: str
  sample: [server-1]
hosts:
  description: Their hosts in the inventory, as far as they can be reached.
  returned: success
  type: list
  elements: str
  sample: [server-1]
members:
  description: Their members of etcd, by name, or by id where there is no name.
  returned: success
  type: list
  elements: str
  sample: [server-1]
load_balancers:
  description: The hosts that stay and whose load balancer has to forget the servers that go; none where no server goes.
  returned: success
  type: list
  elements: str
  sample: [agent-1]
server:
  description: The healthy server, as the inventory names it, that stays and acts for the cluster.
  returned: success
  type: str
  sample: server-2
servers:
  description: Address and port of the API of all servers that stay.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.11:6443", "192.0.2.12:6443"]
urls:
  description: URLs of the API of the healthy servers that stay, that of RV(server) first.
  returned: success
  type: list
  elements: str
  sample: ["https://192.0.2.11:6443"]
ca_certificates:
  description: The certificates of the cluster's CAs by name, PEM.
  returned: success
  type: dict
todo:
  description: What is left for the operator to do, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["Take server-1 out of the inventory, or site.yml makes it a node again."]
"""
