# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: password_hashes
short_description: The hashes of the node passwords that a run has made
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Reads each host's variables once, so it belongs into a task that runs once. A host that left the run has none.
positional: hostvars
options:
  _input:
    description: The hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep the hashes in the cluster
  k3a.cluster.node_identity:
    nodes: "{{ _k3a_verdict.hosts_without_password | k3a.cluster.password_hashes(hostvars) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: A name and a hash for each node that has a new one.
  type: list
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def password_hashes(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    passwords = {host: hostvars[host].get("_k3a_password") or {} for host in hosts}
    return [
        {"name": hostvars[host]["_k3a"]["node_name"], "hash": password["hash"]}
        for host, password in passwords.items()
        # In check mode a password that is still to be made has an empty one.
        if "hash" in password
    ]


class FilterModule:
    """What hosts have as a password."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"password_hashes": password_hashes}
