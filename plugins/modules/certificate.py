#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: The certificates of a node
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Keeps the certificates of the control plane (O(profile=server)) or of a node that runs pods (O(profile=agent)), each
    with a key that is made on this host and never leaves it.
  - Works in two steps. The first makes missing keys and returns a signing request for each certificate that is missing,
    expires within 120 days, or does not fit any more (subject, names, usages, CA); the reasons are in the diff.
    M(k3a.cluster.certificate_signature) signs the requests, and the second step installs what it returns as O(signed).
  - The kubelet's client certificate is renewed by the kubelet, so it is replaced only when it is missing, expired or of
    another CA.
  - What M(k3a.cluster.certificate_renewal) has renewed on this host is taken as it is.
  - Removes what it or M(k3a.cluster.certificate_renewal) has made for a former certificate and nothing reads
    any more.
  - Fails when C(openssl) is missing, when a certificate was signed for another key than the one that is there by then,
    and when this host has no address in a family that the cluster needs.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.node_name
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.advertise_address
  - k3a.cluster.options.service_cidr
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.cluster_domain
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  profile:
    description: Which certificates.
    type: str
    choices: [server, agent]
    required: true
  declared:
    description: For the action plugin, which fills it in. The certificates that the profile's components declare.
    type: list
    elements: dict
    default: []
  ca_certificates:
    description: Certificates of the CAs by name, PEM, as RV(k3a.cluster.bootstrap#module:ca_certificates) has them.
    type: dict
    required: true
  signed:
    description: Signed certificates by name, PEM, to install. Empty is the first step.
    type: dict
    default: {}
  renewed_by_node:
    description:
      - Whether M(k3a.cluster.certificate_renewal) renews the certificates on this host. What lives shorter than a year
        is then left to it until the last third of its life.
      - Where it does not, as on a host of the inventory, what it has left is issued anew for a year.
    type: bool
    default: false
  node_external_ip:
    description: Addresses by which the node is reached from outside.
    type: list
    elements: str
    default: []
  tls_san:
    description: Further names and addresses by which the servers are reached.
    type: list
    elements: str
    default: []
  service_cidr:
    description: The networks of services; the API server has the first address of each.
  cluster_cidr:
    description: The networks of pods; the node needs an address in each of their families.
"""

EXAMPLES = r"""
- name: Request the control plane's certificates
  k3a.cluster.certificate:
    profile: server
    ca_certificates: "{{ bootstrap.ca_certificates }}"
  register: requested

- name: Sign them on a server
  k3a.cluster.certificate_signature:
    requests: "{{ {inventory_hostname: requested.requests} }}"
  register: signature
  when: requested.requests | length > 0

- name: Install the control plane's certificates
  k3a.cluster.certificate:
    profile: server
    ca_certificates: "{{ bootstrap.ca_certificates }}"
    signed: "{{ signature.certificates[inventory_hostname] }}"
  when: requested.requests | length > 0
"""

RETURN = r"""
requests:
  description: What has to be signed; each is a description of the certificate with its signing request.
  returned: first step
  type: list
  elements: dict
  sample:
    - name: client-scheduler
      authority: client
      common_name: system:kube-scheduler
      request: "-----BEGIN CERTIFICATE REQUEST-----..."
paths:
  description: The files that are about to change, or have changed.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/k3a/server/tls/client-scheduler.crt]
certificates:
  description: The certificates that exist, for the action plugin.
  returned: first step, without the action plugin
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate


def main() -> None:
    certificate.run(AnsibleModule(argument_spec=certificate.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
