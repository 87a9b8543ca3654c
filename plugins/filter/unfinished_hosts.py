# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: unfinished_hosts
short_description: The hosts that a run could not finish
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Hosts that left the run, or could not be changed, and those that were left alone since all before them failed.
positional: hosts, all_hosts, excluded
options:
  _input:
    description: The groups of the inventory, with those that the run has made, if any.
    type: dict
    required: true
  hosts:
    description: The hosts that are still in the run.
    type: list
    elements: str
    required: true
  all_hosts:
    description: These, and the hosts that have left it.
    type: list
    elements: str
    required: true
  excluded:
    description: The hosts that the run goes on without, RV(k3a.cluster.check_cluster#module:excluded_hosts).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell what failed
  ansible.builtin.debug:
    msg: "{{ groups | k3a.cluster.unfinished_hosts(ansible_play_hosts, ansible_play_hosts_all, {}) }}"
"""

RETURN = r"""
_value:
  description: The hosts that failed as C(failed), and those that were left alone as C(left_alone).
  type: dict
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any


def unfinished_hosts(
    groups: Mapping[str, Sequence[str]], hosts: Sequence[str], all_hosts: Sequence[str], excluded: Collection[str]
) -> dict[str, list[str]]:
    present = set(hosts)
    gone = [host for host in all_hosts if host not in present and host not in excluded]
    return {
        "failed": [*gone, *groups.get("k3a_failed", ())],
        "left_alone": list(groups.get("k3a_left_alone", ())),
    }


class FilterModule:
    """Who is told of at the end."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"unfinished_hosts": unfinished_hosts}
