# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_hosts
short_description: The host pattern of a cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Returns the groups C(server), C(agent), C(k3a_server) and C(k3a_agent) as far as they exist, or a pattern that no
    host matches, and of which Ansible does not warn.
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups) has them.
    type: dict
    required: true
  servers:
    description: Whether only the groups of servers are meant.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check
  hosts: "{{ groups | k3a.cluster.cluster_hosts }}"
"""

RETURN = r"""
_value:
  description: The pattern, as a play takes it.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import groups as _groups
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import inheritance

NOBODY = "!all"


def cluster_hosts(groups: _groups.Groups, servers: bool = False) -> str:
    # Of a play's hosts this is evaluated by the process that forks all workers.
    inheritance.prepare()
    names = _groups.SERVER if servers else (*_groups.SERVER, *_groups.AGENT)
    return ":".join(_groups.existing(groups, names)) or NOBODY


class FilterModule:
    """Host patterns."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_hosts": cluster_hosts}
