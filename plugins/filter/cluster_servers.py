# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_servers
short_description: The servers of a cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Returns the hosts of the groups C(server) and C(k3a_server), in the inventory's order.
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups) has them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Ask each server
  k3a.cluster.server_info:
    host: "{{ item }}"
  delegate_to: "{{ item }}"
  loop: "{{ groups | k3a.cluster.cluster_servers }}"
"""

RETURN = r"""
_value:
  description: The names of the hosts.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.groups import servers


class FilterModule:
    """The inventory's groups."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_servers": servers}
