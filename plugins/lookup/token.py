# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: token
short_description: A new random bootstrap token
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Returns a new random bootstrap token in its short form, as C(k3s token generate) prints it. No cluster knows it
    until M(k3a.cluster.token) creates it there.
  - Gives another one each time that the template which holds it is evaluated.
options:
  _terms:
    description: Takes no terms.
    type: list
    elements: str
    default: []
seealso:
  - module: k3a.cluster.token
"""

EXAMPLES = r"""
- name: Make a token to be created in several clusters
  ansible.builtin.copy:
    content: "{{ lookup('k3a.cluster.token') }}\n"
    dest: agent-token
    mode: "0600"
    force: false
  delegate_to: localhost
  no_log: true
"""

RETURN = r"""
_raw:
  description: The token, V(<id>.<secret>), one element.
  type: list
  elements: str
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import bootstrap_token


class LookupModule(LookupBase):
    """Makes a token."""

    def run(self, terms: list[str], variables: dict | None = None, **kwargs: object) -> list[str]:
        if terms:
            raise AnsibleLookupError("the lookup k3a.cluster.token takes no terms")
        return [bootstrap_token()]
