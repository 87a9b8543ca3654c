# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: lock_trouble
short_description: Why a playbook does not hold its cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - The Lease of one server's API is enough. Without it the file on every server that can be reached is, for what founds
    or repairs a cluster, and nothing is for what needs an API.
positional: leased, checked
options:
  _input:
    description: What M(k3a.cluster.cluster_lock) answered on each server.
    type: list
    elements: dict
    required: true
  leased:
    description: Whether the Lease is needed.
    type: bool
    default: false
  checked:
    description: Whether checks follow that say better why a server cannot be reached or keep no lock.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop when the cluster cannot be locked
  ansible.builtin.fail:
    msg: "{{ answers | k3a.cluster.lock_trouble }}"
  when: answers | k3a.cluster.lock_trouble != ''
"""

RETURN = r"""
_value:
  description: The reason, or nothing.
  type: str
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import one_line


def lock_trouble(answers: Iterable[Mapping[str, Any]], leased: bool = False, checked: bool = False) -> str:
    given = [answer for answer in answers if not answer.get("skipped")]
    there = [answer for answer in given if not answer.get("unreachable")]
    # One that failed is held by another playbook, or could not say what it is to say.
    failed = [answer for answer in there if answer.get("failed")]
    if failed:
        return one_line(str(failed[-1].get("msg", "")))
    if not given or any(answer.get("is_leased") for answer in there):
        return ""
    if leased and there:
        # A server that was asked twice is told once, with what it said last.
        reasons = {answer.get("item"): answer.get("unleased_reason") or answer.get("msg") for answer in there}
        told = one_line("; ".join(f"{host}: {reason}" for host, reason in reasons.items()))
        return f"the cluster cannot be locked, since no server's API answers ({told}); bring one back first"
    without = [answer for answer in (there or given) if not answer.get("is_holder")]
    return "" if checked or not without else one_line(str(without[-1].get("msg", "")))


class FilterModule:
    """Whether a playbook may go on."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lock_trouble": lock_trouble}
