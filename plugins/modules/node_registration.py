#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_registration
short_description: What a node says of itself in its cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Gives the Node of this machine its labels and annotations with the kubelet's own certificate, as soon as the kubelet
    has registered it, and waits until it is ready. It is for a machine that joined by a token; whoever has the
    cluster's kubeconfig uses M(k3a.cluster.node).
  - What this module or M(k3a.cluster.node) once set and is no longer asked for is taken away. What others set stays;
    the annotation C(k3a.io/owned) of the node says which is which.
  - A node may not change its taints. Those that it registered with are compared, and one that it lacks is warned of.
  - Fails when a label is one that the API does not let a node give itself, when the API refuses a change, and when the
    node has not registered or is not ready in time, with the condition that it lacks and the reason.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.server_url
  - k3a.cluster.options.node_name
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  labels:
    description: Labels, each V(key=value).
    type: list
    elements: str
    default: []
  annotations:
    description: Annotations, each V(key=value).
    type: list
    elements: str
    default: []
  taints:
    description: Taints that the node should have registered with, each V(key=value:effect) or V(key:effect).
    type: list
    elements: str
    default: []
  foreign_network:
    description: Whether somebody else brings the node's network. It is not waited for then where only that is missing.
    type: bool
    default: false
  timeout:
    description: How many seconds to wait until the node is ready.
"""

EXAMPLES = r"""
- name: Say what kind of node this is
  k3a.cluster.node_registration:
    server_url: https://127.0.0.1:6444
    labels: [example.com/pool=builds]
"""

RETURN = r"""
node:
  description: RV(k3a.cluster.node#module:nodes) of this node alone.
  returned: success
  type: dict
  sample: {name: agent-1, ready: true, internal_ip: 10.0.0.4, kubelet_version: v1.37.2}
"""

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import node as _node
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves

PAUSE = 0.2
ENTRIES: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
OPTIONS: dict[str, Any] = {
    "server_url": options.SERVER_URL,
    "node_name": options.NODE_NAME,
    "labels": ENTRIES,
    "annotations": ENTRIES,
    "taints": ENTRIES,
    "foreign_network": {"type": "bool", "default": False},
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
}


class OwnNode:
    """The Node of this machine in the API."""

    def __init__(self, api: node_api.NodeApi, name: str) -> None:
        self._api = api
        self._path = node_api.object_path("/api/v1", "nodes", name=name)

    def seen(self) -> _node.Node | None:
        """The object, or None before the kubelet has made it."""
        return self._api.get(self._path)

    def settle(self, target: _node.Wanted, timeout: float, changes: list[dict[str, str]]) -> _node.Node:
        """Change the node to what it should be, noting each change, and wait until it is ready."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                node = self.seen()
                change = _node.own_patch(node, target) if node else {}
                if change:
                    self._api.request("PATCH", self._path, None, change, node_api.MERGE_PATCH)
                    changes.append(_node.diff(target.name, node, change))
                lack = _node.lack(node, datetime.now(timezone.utc))
                if node and (not lack or _node.waits_for(node, target.foreign_network)):
                    return node
            except node_api.ApiError as error:
                if not passing(error):
                    raise
                lack = f"cannot be looked at: {error}"
            if time.monotonic() + PAUSE > deadline:
                raise _node.NodeError(f"node {target.name} {lack}; given up after {timeout:.0f} s")
            time.sleep(PAUSE)


def passing(error: node_api.ApiError) -> bool:
    """Whether it is worth asking again: a server restarts, or the node was deleted and its kubelet makes it anew."""
    return error.later or (isinstance(error, node_api.ApiRefused) and error.status == 404)


def forbidden(labels: Mapping[str, str]) -> str:
    """The labels that the API would refuse, in words; empty when there are none."""
    found = [label for label in labels if not _node.may_set_itself(label)]
    return f"a node may not give itself the label {' or '.join(found)}" if found else ""


def lacking(node: _node.Node, taints: list[dict[str, str]]) -> list[str]:
    """What to say of taints that a node has not registered with."""
    live = {_node.taint_text(taint) for taint in node["spec"].get("taints") or []}
    told = [text for text in map(_node.taint_text, taints) if text not in live]
    if not told:
        return []
    name = node["metadata"]["name"]
    missing = f"node {name} lacks {', '.join(told)}"
    return [f"{missing}, and may not taint itself now that it is registered; set it with kubectl taint"]


def own_node(params: Mapping[str, Any], name: str) -> OwnNode | None:
    """The Node as its kubelet may see it; None on a machine that has not joined."""
    authority = Layout(params["data_dir"]).agent_tls("server-ca.crt")
    if not (files.read_bytes(authority) and files.read_bytes(leaves.KUBELET_CLIENT)):
        return None
    return OwnNode(node_api.NodeApi(params["server_url"], authority, certificate=leaves.KUBELET_CLIENT), name)


def as_registered(target: _node.Wanted) -> _node.Node:
    """The node as its kubelet is going to make it."""
    bare = _node.unregistered_node(target)
    return {**bare, "metadata": {**bare["metadata"], "labels": target.labels}, "spec": {"taints": target.taints}}


def foreseen(own: OwnNode | None, target: _node.Wanted, changes: list[dict[str, str]]) -> _node.Node:
    """The node, noting what would be changed; in check mode its kubelet and what reaches the API may be to come."""
    try:
        found = own.seen() if own else None
    except node_api.ApiUnreachable:
        found = None
    node = found or as_registered(target)
    change = _node.own_patch(node, target)
    if change:
        changes.append(_node.diff(target.name, found, change))
    return node


@reports_errors
def run(module: AnsibleModule) -> None:
    params = module.params
    changes: list[dict[str, str]] = []
    try:
        target = _node.wanted_node({**params, "name": params["node_name"] or address.host_name()})
        refused = forbidden(target.labels)
        if refused:
            raise _node.NodeError(refused)
        own = own_node(params, target.name)
        if module.check_mode:
            node = foreseen(own, target, changes)
        elif own:
            node = own.settle(target, params["timeout"], changes)
        else:
            raise _node.NodeError(f"{leaves.KUBELET_CLIENT} is missing: this machine is no node yet; join it first")
    except (_node.NodeError, node_api.ApiError) as error:
        raise K3aError(str(error), changed=bool(changes), diff=changes) from None
    waits = _node.waits_for(node, target.foreign_network)
    for text in [*lacking(node, target.taints), *([f"node {target.name} {waits}"] if waits else [])]:
        module.warn(text)
    module.exit_json(changed=bool(changes), diff=changes, node=_node.facts(node))


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
