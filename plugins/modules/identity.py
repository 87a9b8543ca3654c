#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: identity
short_description: What a host records of who it is
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Keeps C(/etc/k3a/identity.json), with the host's machine id, its cluster, its node's name and addresses, the data
    directory, and the settings that a cluster cannot change. There is no secret in it.
  - M(k3a.cluster.check_cluster) compares hosts with their records before anything changes. M(k3a.cluster.reset) removes
    the record.
  - What a record says of the cluster stays. Fails where it is of another machine or of another cluster, and where it
    cannot be read.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.service_cidr
  - k3a.cluster.options.cluster_domain
  - k3a.cluster.options.node_name
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.timeout
options:
  cluster_id:
    description: The UID of the namespace C(kube-system); empty while the cluster has not begun, or is not known.
    type: str
    default: ""
  ca_certificates:
    description: The certificates of the cluster's CAs by name, PEM; empty before the cluster has any.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Record who the host is
  k3a.cluster.identity:
    cluster_id: 0b2d3c6e-6a8f-4f0e-9d3b-5a1c1f0e7d42
    ca_certificates: "{{ cluster.ca_certificates }}"
"""

RETURN = r"""
changes:
  description: The record and its directory, where they changed, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/k3a, /etc/k3a/identity.json]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._host import identity


def main() -> None:
    identity.run(AnsibleModule(argument_spec=identity.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
