#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_identity
short_description: The cluster's side of the passwords of nodes
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Keeps the hashes that M(k3a.cluster.node_password) returns in the cluster, each in a Secret
    C(<node>.node-password.k3a) of the namespace C(k3a-system) that its Node owns, so that it goes with the Node.
  - A Secret that exists is replaced, since these nodes are known to the inventory; the password itself is not known
    here. From then on a machine that joins by a token under one of these names has to have the password.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.api
options:
  nodes:
    description: The nodes and their hashes; none is logged.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node in Kubernetes.
        type: str
        required: true
      hash:
        description: RV(k3a.cluster.node_password#module:hash) of the node.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Keep the hash of a node's password
  k3a.cluster.node_identity:
    nodes:
      - name: agent-1
        hash: "{{ password.hash }}"
  delegate_to: server-1.example.org
"""

RETURN = r"""
secrets:
  description: The Secrets that were made, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [agent-1.node-password.k3a]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiRefused
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import NODES, SECRETS, ServerApi
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password as passwords

OPTIONS: dict[str, Any] = {
    "nodes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "hash": {"type": "str", "required": True, "no_log": True},
        },
    },
    **server_api.OPTIONS,
}


def keep(api: ServerApi, node: str, hashed: str) -> None:
    """Replace the Secret of a node; its content is immutable, so the old one goes first."""
    found = api.request("GET", NODES.path(name=node))
    path = SECRETS.path(passwords.NAMESPACE, passwords.secret_name(node))
    wanted = passwords.secret(node, hashed, found["metadata"]["uid"])
    # A request whose answer was lost is sent again: what it asked for is there then, or gone.
    once(api, 404, "DELETE", path)
    once(api, 409, "POST", SECRETS.path(passwords.NAMESPACE), {"fieldManager": "k3a-node"}, wanted)


def once(api: ServerApi, done: int, *request: Any) -> None:
    """Send a request; the status that says that it has been carried out already is as good."""
    try:
        api.request(*request)
    except ApiRefused as error:
        if error.status != done:
            raise


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    nodes = module.params["nodes"]
    with during("Passwords of nodes"):
        if not module.check_mode:
            api = server_api.connect(module)
            for node in nodes:
                keep(api, node["name"], node["hash"])
    names = [passwords.secret_name(node["name"]) for node in nodes]
    module.exit_json(
        changed=bool(names),
        secrets=names,
        diff=[
            {"before_header": name, "after_header": name, "before": "", "after": "the hash of the node's password\n"}
            for name in names
        ],
    )


if __name__ == "__main__":
    main()
