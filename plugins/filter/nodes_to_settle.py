# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: nodes_to_settle
short_description: The nodes that a run describes, and which of them it waits for
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - A node whose host left the run, or could not be changed, is not among them. One that was not ready before, and on
    whose host nothing was changed, is reported and not waited for.
positional: hosts, groups
options:
  _input:
    description: RV(k3a.cluster.check_cluster#module:nodes) and RV(k3a.cluster.check_cluster#module:not_ready_nodes).
    type: dict
    required: true
  hosts:
    description: The hosts that are still in the run.
    type: list
    elements: str
    required: true
  groups:
    description: The groups of the inventory, with those that the run has made.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Describe the nodes
  k3a.cluster.node:
    nodes: "{{ _k3a_verdict | k3a.cluster.nodes_to_settle(ansible_play_hosts, groups) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The nodes as M(k3a.cluster.node) takes them.
  type: list
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# The groups of hosts on which a run changes something, as the module drift parts them.
CHANGED = ("k3a_new", "k3a_changing")


def nodes_to_settle(
    verdict: Mapping[str, Any], hosts: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    present = set(hosts) - set(groups.get("k3a_failed", ()))
    changed = {host for name in CHANGED for host in groups.get(name, ())} - set(groups.get("k3a_left_alone", ()))
    not_ready = set(verdict["not_ready_nodes"])
    return [
        {
            **{key: value for key, value in node.items() if key != "host"},
            "wait": node["host"] in changed or node["name"] not in not_ready,
        }
        for node in verdict["nodes"]
        if node["host"] in present
    ]


class FilterModule:
    """Nodes at the end of a run."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"nodes_to_settle": nodes_to_settle}
