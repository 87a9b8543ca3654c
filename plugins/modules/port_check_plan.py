#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_check_plan
short_description: Which hosts try which ports of which others
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Says what M(k3a.cluster.port_check) does on which hosts. Ports are tried between two hosts of which at least one has
    no part in a cluster yet, by up to eight others each. A host whose firewall the run is going to open is not tried.
  - Runs on the controller; touches no host.
extends_documentation_fragment: [k3a.cluster.attributes]
options:
  host_reports:
    description: The results of M(k3a.cluster.check_config).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: "Preflight: plan which ports are tried"
  k3a.cluster.port_check_plan:
    host_reports: "{{ ansible_play_hosts | map('extract', hostvars, '_k3a_check') }}"
  run_once: true
  register: _k3a_port_plan
"""

RETURN = r"""
hosts:
  description: The options of M(k3a.cluster.port_check) for each host that has a part in it.
  returned: success
  type: dict
  sample:
    server-2:
      listeners: [{ip: 10.89.0.12, protocol: tcp, port: 6443}]
      visitors: [{host: server-1, ask: 0fd5e0, answer: 9ab1c4, ports: [tcp/6443]}]
      targets: [{host: server-1, ip: 10.89.0.11, protocol: tcp, port: 6443, ask: 77c2aa, answer: 4be01d}]
      meets: true
"""
