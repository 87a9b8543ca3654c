#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: join_info
short_description: What a machine with a token has to know of its cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Proves, with nothing but a URL and a token, that an API is that of the token's cluster, and returns what it takes to
    make this machine a node of it. It changes nothing; run it on the machine before anything else.
  - The cluster has to serve the CA whose hash the token has, and to have signed what it publishes
    with the token's secret. Only then is the token shown to it.
  - A token without C(K10<hash>::) pins no CA. It works with a warning, as in K3s.
  - A machine that is a node already proves itself by its kubelet's certificate. Then the token is not looked at, so
    that further runs work when it has expired.
  - Fails, with the reason, when the token is of another cluster, expired, deleted or mistyped, when it is a server
    token, which is no credential, when the API cannot be reached, when the machine is a node of another cluster or has
    all that it keeps in another directory, and when a variable differs from the cluster's.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
options:
  server_url:
    description:
      - The URL of the API, that of a server or of what stands before all of them. Empty is C(k3a_server_url).
    type: str
    default: ""
  token:
    description:
      - A bootstrap token as M(k3a.cluster.token) returns it, C(K10<hash>::<id>.<secret>).
      - May be empty on a machine that is a node already.
    type: str
    default: ""
  expected:
    description:
      - What the variables of this machine say of the cluster, by their names without C(k3a_); one that is not set is
        empty. Whatever differs from the cluster is refused.
    type: dict
    default: {}
  timeout:
    description: For how many seconds to try, while the API is not there or does not know the token yet.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Learn of the cluster what this machine has to know
  k3a.cluster.join_info:
    server_url: https://192.0.2.10:6443
    token: "{{ k3a_token }}"
  register: cluster

- name: Make the machine's keys and requests
  k3a.cluster.certificate:
    profile: agent
    ca_certificates: "{{ cluster.ca_certificates }}"
    cluster_cidr: "{{ cluster.config.cluster_cidr }}"
"""

RETURN = r"""
url:
  description: The URL of the API.
  returned: success
  type: str
  sample: https://192.0.2.10:6443
ca_certificates:
  description: The certificates of the CAs that the node verifies others with, by name, PEM.
  returned: success
  type: dict
  sample:
    server: "-----BEGIN CERTIFICATE-----..."
    client: "-----BEGIN CERTIFICATE-----..."
servers:
  description: The addresses of the cluster's servers, each with its port.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.10:6443"]
config:
  description: What all nodes of the cluster have in common, by the names of the variables without C(k3a_).
  returned: success
  type: dict
  sample:
    cluster_cidr: [10.42.0.0/16]
    flannel_backend: vxlan
is_member:
  description: Whether the machine is a node already, so that no token was needed.
  returned: success
  type: bool
  sample: false
is_pinned:
  description: Whether the CA was known beforehand, by the token's hash or because the machine is a node.
  returned: success
  type: bool
  sample: true
token_id:
  description: The public part of the token; empty when none was needed.
  returned: success
  type: str
  sample: f00bar
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._host import identity
from ansible_collections.k3a.cluster.plugins.module_utils._joining import join as joining

OPTIONS = {
    "server_url": {"type": "str", "default": ""},
    "token": {"type": "str", "default": "", "no_log": True},
    "expected": {"type": "dict", "default": {}},
    "data_dir": options.DATA_DIR,
    "timeout": {"type": "int", "default": 5},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    params = module.params
    # Elsewhere there is no certificate of the node, and without that the machine would pass for a new one.
    kept = identity.own_data_dir(params["data_dir"])
    if os.path.normpath(kept) != os.path.normpath(params["data_dir"]):
        raise K3aError(
            f"k3a_data_dir is {params['data_dir']}, and this machine has all that it keeps in {kept}; set k3a_data_dir"
            f" to {kept}, or take the machine out of its cluster first, with reset.yml -e join_hosts=<this machine>"
        )
    # With a token it is told by the preflight, which can be told to make the machine anew.
    if identity.is_emptied(kept) and not params["token"]:
        raise K3aError(
            f"{kept} holds nothing of k3a any more: it is not mounted, or was emptied; mount it, or put it back from a"
            " backup, or give k3a_token and set k3a_replace=true when that is lost, to have this machine made anew"
        )
    cluster, token = joining.join(params["server_url"], params["token"], Layout(params["data_dir"]), params["timeout"])
    differing = joining.differences(params["expected"], cluster.config)
    if differing:
        raise K3aError(f"{'; '.join(differing)}; remove the variable, since a node takes the cluster's values")
    if token and not token.ca_hash:
        module.warn(
            f"the token {token.id} pins no CA, so whoever knows it could pose as the cluster;"
            " give it with the K10<hash>:: before it"
        )
    module.exit_json(
        changed=False,
        url=cluster.url,
        ca_certificates=cluster.ca_certificates,
        servers=joining.servers(cluster.config),
        config=cluster.config,
        is_member=cluster.member,
        is_pinned=cluster.member or bool(token and token.ca_hash),
        token_id=token.id if token else "",
    )


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
