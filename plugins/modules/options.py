#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: options
short_description: The values of a playbook's variables
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Returns variables by their names without C(k3a_), with their defaults and as the types that they have, whether they
    were given as YAML, in an inventory in INI form or by C(-e). Paths on the controller become absolute.
  - Fails with one message that names every variable that cannot be used, and every C(k3a_*) variable that does not
    exist, before the playbook changes anything.
  - The variables of hosts that become nodes are judged by M(k3a.cluster.check_config), which does more.
  - Runs on the controller only, and not on the host.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  playbook:
    description: The playbook whose own variables to return, as C(token_create).
    type: str
    default: ""
  names:
    description: Variables of the roles to return besides.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Read the variables
  k3a.cluster.options:
    playbook: token_create
    names: [k3a_kubeconfig]
  run_once: true
  register: _k3a
"""

RETURN = r"""
kubeconfig:
  description:
    - The value of C(k3a_kubeconfig). So has every other variable that is asked for a key of its own.
    - Ansible shows nothing of the result when a secret is among them.
  returned: when O(names) has C(k3a_kubeconfig)
  type: str
  sample: /home/ann/cluster/kubeconfig
task_timeout:
  description:
    - How many seconds a task may take whose module waits for C(k3a_wait_timeout).
    - C(shipping_timeout) is the same for one that ships a bundle, C(drain_task_timeout) for one that drains.
  returned: when O(names) has C(k3a_wait_timeout)
  type: int
  sample: 420
"""
