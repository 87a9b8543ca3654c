# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: bundle
short_description: Path of the built bundle on the controller
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Returns the path of the bundle that C(playbooks/bundle.yml) built from the lock files of this collection, for the
    architecture of the controller.
  - Fails when it has not been built.
options:
  _terms:
    description: Takes no terms.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Bring the bundle to the node
  k3a.cluster.bundle:
    bundle: "{{ lookup('k3a.cluster.bundle') }}"
"""

RETURN = r"""
_raw:
  description: The path, one element.
  type: list
  elements: str
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import default_bundle


class LookupModule(LookupBase):
    """Finds the bundle of the collection's own lock files."""

    def run(self, terms: list[str], variables: dict | None = None, **kwargs: object) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [default_bundle()]
        except BundleError as error:
            raise AnsibleLookupError(str(error)) from None
