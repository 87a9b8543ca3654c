# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: requests_of
short_description: The certificates that hosts of a play have requested
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Reads each host's variables once, so it belongs into a task that runs once.
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
- name: Sign what was requested
  k3a.cluster.certificate_signature:
    requests: "{{ ansible_play_hosts | k3a.cluster.requests_of(hostvars) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The requests of each host that has any, by its name.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def requests_of(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    results = {host: hostvars[host].get("_k3a_node_request") or {} for host in hosts}
    return {host: result["requests"] for host, result in results.items() if result.get("requests")}


class FilterModule:
    """What hosts have requested."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"requests_of": requests_of}
