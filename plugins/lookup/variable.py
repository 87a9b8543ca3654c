# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: variable
short_description: The typed value of a variable
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Returns variables of the collection with their defaults and as the types that they have, in whichever form they were
    given.
  - For secrets, which the results of M(k3a.cluster.check_config) leave out. What is no secret comes from there, or from
    M(k3a.cluster.options).
  - Internal to the roles of this collection; may change in any release.
options:
  _terms:
    description: Names of variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Run containerd
  k3a.cluster.containerd:
    bundle: "{{ _k3a_bundle.path }}"
    registries: "{{ lookup('k3a.cluster.variable', 'k3a_registries') }}"
"""

RETURN = r"""
_raw:
  description: The values.
  type: list
  elements: raw
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import prompt
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec


class LookupModule(LookupBase):
    """Evaluates variables of the task in which it is used."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: object) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        known = {**spec.specification(), **spec.of_playbooks()}
        strangers = [term for term in terms if term not in known]
        if strangers:
            raise AnsibleLookupError(f"there is no variable {strangers[0]}")
        given = variables or {}
        templates = Templates(self, {**spec.templates(), **given})
        values, problems = spec.evaluate(
            {term: known[term] for term in terms}, given, templates.value, templates.text, prompt.answer
        )
        if problems:
            raise AnsibleLookupError(f"{problems[0].sentence}; {problems[0].remedy}")
        return [values[term] for term in terms]
