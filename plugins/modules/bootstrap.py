#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bootstrap
short_description: What all servers of a cluster share
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Keeps on a server what K3s calls the bootstrap data. These are the CAs (server, kubelet serving, client, request
    header, etcd server, etcd peer), the key that signs service account tokens, the configuration of encryption at rest,
    and the server token.
  - What is missing is made on the first server of a cluster (O(may_create)), and brought to a further one from there
    (O(shared)); what exists is never replaced.
  - A server that an earlier version installed has no CA for kubelets' serving certificates. It is made and brought like
    the others; one that the server already works with is not made anew.
  - CAs are made on the controller's memory and kept on the server only, in files that only root reads.
  - Fails when a CA has a certificate but no key, and when O(token) belongs to another cluster.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  token:
    description:
      - The server token, short (a password) or in K3s's secure form. Empty makes one.
      - Kept in C(<data_dir>/server/token) in the secure form,
        C(K10<SHA-256 of the server CA>::server:<password>).
    type: str
    default: ""
  secrets_encryption:
    description: Whether Secrets are encrypted in the datastore. A configuration that exists is always kept.
    type: bool
    default: true
  secrets_encryption_provider:
    description: How Secrets are encrypted.
    type: str
    choices: [secretbox, aescbc, aesgcm]
    default: secretbox
  may_create:
    description:
      - Whether what is missing may be made here. On a server that joins a cluster it must not, and the module then says
        only what is missing, unless O(shared) brings it.
    type: bool
    default: true
  shared:
    description: RV(material) of another server of the cluster.
    type: dict
    default: {}
  export:
    description: Whether to return what this server keeps, for another server. Set C(no_log) on such a task.
    type: bool
    default: false
  material:
    description: Contents for the missing files by their path; set by the action plugin, of no use elsewhere.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep the cluster's CAs, keys and token
  k3a.cluster.bootstrap:
    secrets_encryption: true

- name: Read them for a further server
  k3a.cluster.bootstrap:
    export: true
  delegate_to: server-1
  no_log: true
  register: kept

- name: Bring them to a further server
  k3a.cluster.bootstrap:
    may_create: false
    shared: "{{ kept.material }}"
"""

RETURN = r"""
ca_certificates:
  description: The certificates of the CAs by their name, PEM; a CA that does not exist yet is left out.
  returned: success
  type: dict
  sample:
    server: "-----BEGIN CERTIFICATE-----..."
missing_paths:
  description: Paths that did not exist before this run; a key whose certificate did not counts as missing, too.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/k3a/server/tls/server-ca.crt]
material:
  description: What this server keeps, by the path below its O(data_dir); secret.
  returned: with O(export)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap


def main() -> None:
    bootstrap.run(AnsibleModule(argument_spec=bootstrap.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
