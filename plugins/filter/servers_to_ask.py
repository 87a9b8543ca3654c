# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: servers_to_ask
short_description: The servers that can say what the cluster is like
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Servers that are there and have a cluster already, and those that a run does not look at; else the first that is
    there.
  - Servers that lack a CA come last, since the one that answers is where the others get theirs from.
positional: hostvars, hosts, all_hosts
options:
  _input:
    description: The servers of the inventory.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  hosts:
    description: The hosts that are in the run.
    type: list
    elements: str
    required: true
  all_hosts:
    description: These, and the hosts that have left it.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Ask a server about the cluster
  k3a.cluster.server_info:
    host: "{{ item }}"
  loop: "{{ groups['server'] | k3a.cluster.servers_to_ask(hostvars, ansible_play_hosts, ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: Their names.
  type: list
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def servers_to_ask(
    servers: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], all_hosts: Sequence[str]
) -> list[str]:
    present, looked_at = set(hosts), set(all_hosts)
    facts = {host: (hostvars[host].get("_k3a_check") or {}).get("facts") or {} for host in servers if host in present}
    candidates = [host for host in servers if facts.get(host, {}).get("authority") or host not in looked_at]
    candidates.sort(key=lambda host: bool(facts.get(host, {}).get("lacks_ca")))
    return candidates or [host for host in servers if facts.get(host, {}).get("node_name")][:1]


class FilterModule:
    """Whom to ask."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"servers_to_ask": servers_to_ask}
