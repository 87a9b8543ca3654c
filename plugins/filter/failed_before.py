# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: failed_before
short_description: Whether all nodes of an earlier turn could not be changed
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - A turn that failed as a whole is the last one, since the next nodes would be unavailable in addition.
positional: host, turns
options:
  _input:
    description: The groups of the inventory, with those that the run has made; C(k3a_failed) has the hosts that failed.
    type: dict
    required: true
  host:
    description: The host whose turn it is.
    type: str
    required: true
  turns:
    description: The hosts of each turn, in their order.
    type: list
    elements: list
    required: true
"""

EXAMPLES = r"""
- name: Skip the node when all nodes before it failed
  ansible.builtin.meta: end_host
  when: groups | k3a.cluster.failed_before(inventory_hostname, turns)
"""

RETURN = r"""
_value:
  description: Whether it is so.
  type: bool
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def failed_before(groups: Mapping[str, Sequence[str]], host: str, turns: Iterable[Sequence[str]]) -> bool:
    failed = set(groups.get("k3a_failed", ()))
    for turn in turns:
        if host in turn:
            return False
        if failed.issuperset(turn):
            return True
    return False


class FilterModule:
    """How a run goes on."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"failed_before": failed_before}
