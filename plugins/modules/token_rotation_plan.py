#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: token_rotation_plan
short_description: How the servers get from one server token to another
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Decides from what all servers say how a rotation goes on, whatever an earlier run has done of it, or says why the
    token cannot be rotated now.
  - Runs on the controller only.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  observations:
    description: The results of M(k3a.cluster.token_rotation_info), one for each server that answered.
    type: list
    elements: dict
    default: []
  servers:
    description: The names of all servers in the inventory.
    type: list
    elements: str
    default: []
  operator_token:
    description: Whether the new token is the operator's, and not one that a server makes.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Plan the rotation of the server token
  k3a.cluster.token_rotation_plan:
    observations: "{{ ansible_play_hosts | map('extract', hostvars, 'token_state') }}"
    servers: "{{ groups['server'] }}"
  run_once: true
"""

RETURN = r"""
holder:
  description:
    - The server that has the new token already, or makes it.
    - Empty when the operator gives it, or when all servers have it in its place.
  returned: success
  type: str
  sample: server-1
receivers:
  description: The servers to which the new token is brought.
  returned: success
  type: list
  elements: str
  sample: [server-2, server-3]
reason:
  description: What is to be done.
  returned: success
  type: str
  sample: an unfinished rotation
"""
