# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_dns
short_description: Addresses of the cluster's DNS service
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Returns the addresses that are set, or the tenth address of each service network when there are none, as K3s does.
positional: service_cidr
options:
  _input:
    description: Addresses as set by the operator, possibly none.
    type: list
    elements: str
    required: true
  service_cidr:
    description: Networks of the services.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say where DNS answers
  ansible.builtin.debug:
    msg: "{{ [] | k3a.cluster.cluster_dns(['10.43.0.0/16']) }}"  # 10.43.0.10
"""

RETURN = r"""
_value:
  description: The addresses, one for each family.
  type: list
  elements: str
"""

from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address as _address


def cluster_dns(configured: Sequence[str], service_cidr: Sequence[str]) -> list[str]:
    try:
        return _address.cluster_dns(configured, service_cidr)
    except _address.AddressError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Arithmetic on the cluster's networks."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"cluster_dns": cluster_dns}
