#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_removal
version_added: 1.0.0
short_description: Nodes that a cluster no longer knows
description:
  - Deletes nodes from the API, with the passwords that their machines identified themselves by, and waits until they
    are gone.
  - Their names are kept from everybody for as long as a certificate of their machines could be valid (see
    M(k3a.cluster.removed_node)), so that a machine that still runs does not come back. With O(release_names) another
    machine may have them at once.
  - Drains nothing (see M(k3a.cluster.drain)), and touches no machine (see M(k3a.cluster.reset)).
  - A node that does not exist is not missed.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
  - Outside of check mode it does nothing unless its playbook holds the cluster's lock (M(k3a.cluster.cluster_lock)).
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.api
author: [k3a.cluster contributors (@k3a)]
options:
  nodes:
    description: Names of the nodes.
    type: list
    elements: str
    required: true
  release_names:
    description:
      - Whether another machine may have the names at once. Only where nothing is left of the machines, since each of
        their certificates would be good for the name again.
    type: bool
    default: false
seealso:
  - module: k3a.cluster.removed_node
"""

EXAMPLES = r"""
- name: Forget a machine
  k3a.cluster.node_removal:
    nodes: [agent-1]
  delegate_to: server-1.example.org
"""

RETURN = r"""
removed_objects:
  description: What was deleted, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [Node agent-1, Secret k3a-system/agent-1.node-password.k3a]
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError, ApiRefused
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import NODES, SECRETS, ServerApi
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password as passwords
from ansible_collections.k3a.cluster.plugins.module_utils._joining import removed

OPTIONS: dict[str, Any] = {
    "nodes": {"type": "list", "elements": "str", "required": True},
    "release_names": {"type": "bool", "default": False},
    **server_api.OPTIONS,
}


class Target(NamedTuple):
    """An object that is to go."""

    label: str
    path: str


def targets(name: str) -> list[Target]:
    """What the cluster knows of a node. The Secret goes by name: an owner it has only once the node was approved."""
    secret = passwords.secret_name(name)
    return [
        Target(f"Node {name}", NODES.path(name=name)),
        Target(f"Secret {passwords.NAMESPACE}/{secret}", SECRETS.path(passwords.NAMESPACE, secret)),
    ]


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    result: dict[str, Any] = {"changed": False, "removed_objects": [], "diff": []}
    with during("Removal of nodes", result):
        api, names = server_api.connect(module), list(dict.fromkeys(module.params["nodes"]))
        # Before the nodes go, so that none comes back in between.
        kept, freed = ([], names) if module.params["release_names"] else (names, [])
        noted = removed.converge(api, kept, freed, module.check_mode)
        if noted:
            result |= {"changed": True, "diff": [noted[1]]}
        converge(api, names, module.check_mode, result)
    module.exit_json(**result)


def converge(api: ServerApi, names: list[str], check_mode: bool, result: dict[str, Any]) -> None:
    wanted = [target for name in names for target in targets(name)]
    found = [target for target in wanted if api.get(target.path) is not None]
    for target in found:
        if not check_mode:
            delete(api, target)
        note(target, result)
    pause = 0.1
    while found and not check_mode:
        left = {target: api.get(target.path) for target in found}
        there = {target: body for target, body in left.items() if body is not None}
        if not there:
            return
        if api.left < pause:
            told = "; ".join(f"{target.label} {held_nodes(body)}" for target, body in there.items())
            raise ApiError(f"deleted, but still there: {told}")
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def delete(api: ServerApi, target: Target) -> None:
    try:
        api.request("DELETE", target.path)
    except ApiRefused as error:
        if error.status != 404:
            raise ApiError(f"{target.label}: {error.message}") from None


def held_nodes(body: Mapping[str, Any]) -> str:
    finalizers = body["metadata"].get("finalizers") or []
    if finalizers:
        return f"waits for its finalizers {', '.join(finalizers)}"
    return "is ending" if body["metadata"].get("deletionTimestamp") else "was made anew by a kubelet that still runs"


def note(target: Target, result: dict[str, Any]) -> None:
    result["removed_objects"].append(target.label)
    texts = {"before": f"{target.label}\n", "after": ""}
    result["diff"].append({"before_header": target.label, "after_header": target.label, **texts})
    result["changed"] = True


if __name__ == "__main__":
    main()
