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

import os

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import cache_root, lock_link
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component, bundle_key

COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class LookupModule(LookupBase):
    """Finds the bundle of the collection's own lock files."""

    def run(self, terms: list[str], variables: dict | None = None, **kwargs: object) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [find(os.path.join(COLLECTION, "bundle"), cache_root())]
        except BundleError as error:
            raise AnsibleLookupError(str(error)) from None


def find(source: str, cache: str) -> str:
    """The bundle that was built from these lock files."""
    with open(os.path.join(source, "components.yml"), encoding="utf-8") as stream:
        recipes = yaml.safe_load(stream)["components"]
    key = bundle_key([Component(name, recipe, source, cache) for name, recipe in recipes.items()])
    link = lock_link(cache, key)
    if not os.path.exists(link):
        raise BundleError(
            f"the bundle of this version is not in {cache}: build it with ansible-playbook k3a.cluster.bundle "
            "(in a checkout playbooks/bundle.yml), or set k3a_bundle to an existing bundle"
        )
    return os.path.realpath(link)
