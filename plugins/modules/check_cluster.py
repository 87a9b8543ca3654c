#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: check_cluster
short_description: Judge all hosts of a cluster together, before anything changes
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Takes what M(k3a.cluster.check_config) found on each host, compares the hosts with each other, and fails with one
    message that names everything that is in the way of an install, host by host, with what to do about it.
  - Finds two hosts that are one (machine id, node name, address), variables that must agree between hosts and do not,
    a missing or empty group C(server), and hosts in both groups or in neither.
  - Reads the bundles that are about to be shipped to the last byte, once.
  - What does not stop an install becomes a warning.
  - Runs on the controller only. Without O(results) it judges the groups alone.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  results:
    type: list
    elements: dict
    default: []
    description: The results of M(k3a.cluster.check_config), one for each host.
"""

EXAMPLES = r"""
- name: Judge what was found
  k3a.cluster.check_cluster:
    results: "{{ ansible_play_hosts | map('extract', hostvars, '_k3a_check') }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: Everything that is in the way, a line each, or that nothing is.
  returned: always
  type: str
  sample: |-
    2 things are in the way, and nothing has been changed.
    server-1: the host has no command nft; install it (package nftables)
    agent-1: the clock is 95 s behind the controller's; synchronise both with the same time servers
"""
