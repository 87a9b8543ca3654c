# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_that_try
short_description: A host pattern of those that try each other's ports
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Returns the hosts that RV(k3a.cluster.port_check_plan#module:hosts) has, or a pattern that no host matches, and of
    which Ansible does not warn.
  - Reads the variables of the first host that has any; a playbook that is only listed has none.
options:
  _input:
    description: The groups of the inventory.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Preflight of the ports
  hosts: "{{ groups | k3a.cluster.hosts_that_try }}"
"""

RETURN = r"""
_value:
  description: The hosts, as a play takes them.
  type: list
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.k3a.cluster.plugins.filter.hosts_in import NOBODY
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import groups as _groups
from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def hosts_that_try(context: Context, groups: _groups.Groups) -> list[str]:
    known = context.get("hostvars") or {}
    hosts = _groups.members(groups, (*_groups.SERVER, *_groups.AGENT))
    # One plan is given to all hosts of a run.
    for host in hosts:
        if host in known and "_k3a_port_plan" in known[host]:
            return list(known[host]["_k3a_port_plan"].get("hosts") or ()) or NOBODY
    return NOBODY


class FilterModule:
    """Host patterns."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hosts_that_try": hosts_that_try}
