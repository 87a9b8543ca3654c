# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: window
short_description: How many nodes a run may restart at once
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Returns what RV(k3a.cluster.check_cluster#module:max_unavailable) says, or 1 where nothing was judged.
  - Reads the variables of one host where there are any; a playbook that is only listed has none.
options:
  _input:
    description: The groups of the inventory, with those that the run has made.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Change the nodes
  hosts: "{{ groups | k3a.cluster.hosts_in(['k3a_changing']) }}"
  serial: "{{ groups | k3a.cluster.window }}"
"""

RETURN = r"""
_value:
  description: The number.
  type: int
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def window(context: Context, groups: Mapping[str, Sequence[str]]) -> int:
    # One verdict is given to all hosts of a run.
    for host in groups.get("k3a_changing", ())[:1]:
        return int(context["hostvars"][host]["_k3a_verdict"]["max_unavailable"])
    return 1


class FilterModule:
    """Bounds of a run."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"window": window}
