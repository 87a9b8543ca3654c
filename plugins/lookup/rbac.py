# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rbac
short_description: What the components, and others, may do in the API
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Returns the objects that give the components their permissions, as far as Kubernetes does not make these by itself,
    with the namespaces that they need and the policies by which the API judges what is asked of it, for
    M(k3a.cluster.addon) to apply.
  - Each component declares its own; this is half of the role C(addons), and may change in any release.
options:
  _terms:
    description: Takes no terms.
    type: list
    elements: str
    default: []
  config:
    description: RV(k3a.cluster.check_cluster#module:config), on which some of it depends.
    type: dict
    required: true
  ca_certificates:
    description:
      - The certificates of the CAs by name, PEM. By the times from which they are valid, identities of earlier versions
        end a year after the cluster was taken over.
    type: dict
    required: true
seealso:
  - module: k3a.cluster.addon
"""

EXAMPLES = r"""
- name: Show what the components may do
  ansible.builtin.debug:
    msg: "{{ lookup('k3a.cluster.rbac', config={'flannel_backend': 'vxlan'}, ca_certificates={}) }}"
"""

RETURN = r"""
_raw:
  description: One element, the list of all objects.
  type: list
  elements: list
"""

from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.k3a.cluster.plugins.module_utils._components.registry import DECLARATIONS
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import EARLIER
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust import kubelet_authorities
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import rbac


class LookupModule(LookupBase):
    """Turns what components declare into objects."""

    def run(
        self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[list[dict[str, Any]]]:
        if terms:
            raise AnsibleLookupError("the lookup k3a.cluster.rbac takes no terms")
        try:
            earlier = kubelet_authorities.may_be_earlier(kwargs["ca_certificates"], datetime.now(timezone.utc))
        except K3aError as error:
            raise AnsibleLookupError(str(error)) from None
        return [rbac.objects(DECLARATIONS, {**kwargs["config"], EARLIER: "yes" if earlier else ""})]
