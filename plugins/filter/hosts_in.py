# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_in
short_description: A host pattern of what is in groups that a run has made
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Returns, in the inventory's order and servers first, the hosts that are in any of the groups and in none of
    O(without), or a pattern that no host matches, and of which Ansible does not warn.
  - With O(along_with), the first host of another group is one of them. Ansible ends a playbook where all hosts of a
    play have failed; a host that does nothing in the play keeps it going for those that have no part in it.
positional: names
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups) has them.
    type: dict
    required: true
  names:
    description: The groups whose hosts are meant; one that does not exist has none.
    type: list
    elements: str
    required: true
  without:
    description: Groups whose hosts are left out.
    type: list
    elements: str
    default: []
  along_with:
    description: A group of which one host is in the play, too, if anybody else is.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Converge the hosts that differ
  hosts: "{{ groups | k3a.cluster.hosts_in(['k3a_new', 'k3a_changing']) }}"
"""

RETURN = r"""
_value:
  description: The hosts, as a play takes them.
  type: list
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import groups as _groups

NOBODY = ["!all"]


def hosts_in(
    groups: Mapping[str, Sequence[str]], names: Sequence[str], without: Sequence[str] = (), along_with: str = ""
) -> list[str]:
    left_out = {host for name in without for host in groups.get(name, ())}
    hosts = {host for name in names for host in groups.get(name, ())} - left_out
    hosts.update(groups.get(along_with, ())[:1] if hosts else ())
    # A group that a run has made has its hosts in the order in which they answered; servers join in the inventory's.
    in_order = _groups.members(groups, (*_groups.SERVER, *_groups.AGENT, "all"))
    return [host for host in in_order if host in hosts] or NOBODY


class FilterModule:
    """Host patterns."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hosts_in": hosts_in}
