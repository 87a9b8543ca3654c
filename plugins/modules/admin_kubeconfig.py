#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: admin_kubeconfig
short_description: The administrator's kubeconfig on the controller
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Keeps a kubeconfig on the controller, with a key of its own that is made there and an administrator's certificate
    that the server's client CA signs. Run it on, or delegated to, a server.
  - The certificate is of the group C(k3a:administrators), which the ClusterRoleBinding of that name makes
    administrators of the cluster. The playbooks apply it before this module runs.
  - Renewed when it is missing, expires within 120 days, or does not fit the cluster's CAs or URL any more.
  - Whether the API answers at that URL is looked at, and only told, since nothing of the collection needs it.
  - A file at O(path) of another cluster is never overwritten; the module fails and says so.
extends_documentation_fragment: [k3a.cluster.attributes, k3a.cluster.attributes.node]
options:
  path:
    description: Where the kubeconfig is on the controller; 0600.
    type: path
    required: true
  state:
    description:
      - V(absent) removes a file that this module wrote for the cluster of O(ca_certificates). Where these are empty,
        since the cluster is gone already, any that this module wrote. Another file stays.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The name of the cluster, the user and the context in it. Empty keeps those that a file has; a new one has
        V(default).
    type: str
    default: ""
  server_url:
    description: The URL of the API, as seen from the controller. Required with O(state=present).
    type: str
  server_urls:
    description: Further URLs of the API; a kubeconfig that has one of them stays as it is.
    type: list
    elements: str
    default: []
  ca_certificates:
    description: Certificates of the CAs by name, PEM, as RV(k3a.cluster.bootstrap#module:ca_certificates) has them.
    type: dict
    required: true
  data_dir:
    description: Where k3a keeps its files on the server.
    type: path
    default: /var/lib/k3a
  timeout:
    description: How many seconds to wait for another run on this host to end.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Keep the administrator's kubeconfig beside the inventory
  k3a.cluster.admin_kubeconfig:
    path: "{{ inventory_dir }}/kubeconfig"
    server_url: https://192.0.2.10:6443
    ca_certificates: "{{ server.ca_certificates }}"
"""

RETURN = r"""
path:
  description: Where the kubeconfig is on the controller.
  returned: success
  type: str
  sample: /home/me/cluster/kubeconfig
obstacle:
  description: Why the API does not answer from the controller at the URL in the kubeconfig, or nothing.
  returned: when O(state=present)
  type: str
  sample: "the API at https://192.0.2.10:6443 cannot be reached: it did not answer in time"
"""
