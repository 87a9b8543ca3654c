#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer
short_description: One address of the API on a node
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs a TCP load balancer as the unit C(k3a-load-balancer). On loopback it takes connections to the API, and brings
    each to a server that is well.
  - It asks every server for C(/readyz) each second. When a server is not well any more, its connections are closed as
    soon as another one is, and their clients connect anew.
  - New connections go to the preferred server, else to that of the last connection, else to any, as long as it is well.
    When none is, all are tried.
  - Other servers are taken over within a second without a restart, and without closing connections to those that stay.
  - Healthy means that it takes connections. C(http://127.0.0.1:6445/healthz) tells the state of all servers.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
options:
  state:
    description: Whether it runs. V(absent) stops it and removes its files.
    type: str
    choices: [present, absent]
    default: present
  servers:
    description: The API servers, each as C(host:port). Their order does not matter.
    type: list
    elements: str
    default: []
  prefer:
    description: The server that is used whenever it is well, such as the one on this host. Counts as one of O(servers).
    type: str
    default: ""
  fallback:
    description:
      - Further addresses of the API, such as that of a load balancer before the servers. They are not checked, and
        tried in this order when none of O(servers) can be reached.
    type: list
    elements: str
    default: []
  port:
    description: The port on loopback where it takes connections.
    type: int
    default: 6444
"""

EXAMPLES = r"""
- name: Bring connections to whichever server is well
  k3a.cluster.load_balancer:
    bundle: "{{ bundle.path }}"
    servers: ["192.0.2.10:6443", "192.0.2.11:6443", "192.0.2.12:6443"]

- name: Use the server on this host while it is well
  k3a.cluster.load_balancer:
    bundle: "{{ bundle.path }}"
    servers: ["192.0.2.10:6443", "192.0.2.11:6443", "192.0.2.12:6443"]
    prefer: 192.0.2.10:6443
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-load-balancer.service
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
  sample: [/var/lib/k3a/agent/etc/load-balancer.json]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import load_balancer


def main() -> None:
    load_balancer.run(AnsibleModule(argument_spec=load_balancer.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
