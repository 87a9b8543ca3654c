#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig
short_description: The administrator's kubeconfig on a server
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Writes a kubeconfig that holds the server's own administrator certificate and key, for C(kubectl) on this server.
  - The certificate is of the group C(k3a:administrators), which the ClusterRoleBinding of that name makes
    administrators of the cluster. The playbooks apply it before this module runs.
  - Fails when the certificate or its key is not there.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.https_listen_port
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  path:
    description: Where to write it.
    type: path
    default: /etc/k3a/k3a.yaml
  mode:
    description: Its mode, octal. It is as good as a password of root on every node.
    type: str
    default: "0600"
  group:
    description: The group of the file, which the host has. Empty is that of root.
    type: str
    default: ""
  name:
    description: The name of the cluster, the user and the context in it.
    type: str
    default: default
  pending:
    description: Paths that another step of this run replaces; check mode announces what follows from them.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Write the admin kubeconfig on the server
  k3a.cluster.kubeconfig:
    mode: "0640"
"""

RETURN = r"""
path:
  description: Where the kubeconfig is.
  returned: success
  type: str
  sample: /etc/k3a/k3a.yaml
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig


def main() -> None:
    kubeconfig.run(AnsibleModule(argument_spec=kubeconfig.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
