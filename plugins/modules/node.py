#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: node
version_added: 1.0.0
short_description: Labels, annotations and taints of the nodes of a cluster
description:
  - Gives any number of nodes their labels, annotations and taints, in one call, each as soon as it has registered.
  - What this module once set and is no longer asked for is taken away. What others set stays; the annotation
    C(k3a.io/owned) of a node says which is which.
  - Nodes that the call does not name are left as they are.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.api
author: [k3a.cluster contributors (@k3a)]
options:
  nodes:
    description: The nodes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node in Kubernetes.
        type: str
        required: true
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
        description: Taints, each V(key=value:effect) or V(key:effect).
        type: list
        elements: str
        default: []
      wait:
        description: Whether to wait for this one, when O(wait) says so. Of others RV(nodes[].ready) tells how they are.
        type: bool
        default: true
      foreign_network:
        description:
          - Whether somebody else brings the node's network. It is not waited for then where only that is missing.
        type: bool
        default: false
      internal_ips:
        description: Addresses that the node will have; in check mode RV(nodes) tells them of a node that is to come.
        type: list
        elements: str
        default: []
  wait:
    description:
      - Whether to wait until all of O(nodes) have registered and are ready.
      - When one does not come, the module says which condition of it is not met, and why.
      - Otherwise nodes that have not registered are passed over.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Set apart a node for builds
  k3a.cluster.node:
    nodes:
      - name: builder-1
        labels: [example.com/pool=builds]
        taints: [example.com/pool=builds:NoSchedule]
  delegate_to: server-1.example.org
"""

RETURN = r"""
nodes:
  description:
    - All nodes of the cluster, also those that the call does not name.
    - In check mode also those that the call names and that have not registered yet.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
    ready:
      description: Whether the node is ready and has its network.
      type: bool
    roles:
      description: Roles of the node, from its labels.
      type: list
      elements: str
    internal_ip:
      description: First address inside the cluster.
      type: str
    internal_ips:
      description: All addresses inside the cluster.
      type: list
      elements: str
    external_ip:
      description: First address outside the cluster, or nothing.
      type: str
    external_ips:
      description: All addresses outside the cluster.
      type: list
      elements: str
    hostname:
      description: Hostname that the kubelet reports.
      type: str
    pod_cidrs:
      description: Networks of the pods of the node.
      type: list
      elements: str
    taints:
      description: All taints of the node.
      type: list
      elements: str
    kubelet_version:
      description: Version of the kubelet.
      type: str
    container_runtime:
      description: Container runtime and its version.
      type: str
    os_image:
      description: Operating system.
      type: str
    kernel_version:
      description: Kernel.
      type: str
    architecture:
      description: Architecture, in Go's words.
      type: str
  sample:
    - {name: server-1, ready: true, roles: [control-plane], internal_ip: 10.0.0.1, kubelet_version: v1.37.2}
waiting:
  description:
    - The nodes among O(nodes) that wait for the work of somebody else, for a CNI plugin or the controller of a cloud,
      and were not waited for. Pods come to them when that has been done.
  returned: always
  type: list
  elements: str
  sample: [agent-1 waits for a CNI plugin, which k3a_flannel_backend none leaves to others]
"""

import time
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import node as _node
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import (
    MERGE_PATCH,
    ApiError,
    ApiRefused,
    ApiUnreachable,
)
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import NODES, ServerApi
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors

ENTRIES: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
OPTIONS: dict[str, Any] = {
    "nodes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "labels": ENTRIES,
            "annotations": ENTRIES,
            "taints": ENTRIES,
            "internal_ips": ENTRIES,
            "wait": {"type": "bool", "default": True},
            "foreign_network": {"type": "bool", "default": False},
        },
    },
    "wait": {"type": "bool", "default": True},
    **server_api.OPTIONS,
}


class Late(ApiError):
    """Not all of it in time; C(lacking) says of what, so that the action can tell it and have the wait go on."""

    def __init__(self, message: str, lacking: list[str]) -> None:
        super().__init__(message)
        self.lacking = lacking


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    result: dict[str, Any] = {"changed": False, "nodes": [], "waiting": [], "diff": []}
    with during("Nodes", result):
        targets = [_node.wanted_node(spec) for spec in module.params["nodes"]]
        try:
            converge(module, targets, result)
        except ApiError as error:
            result["reasons_to_wait"] = lacking(error)
            raise
    module.exit_json(**result)


def lacking(error: ApiError) -> list[str]:
    """What may still come after an error; nothing when it is final."""
    if isinstance(error, Late):
        return error.lacking
    return [str(error)] if error.later else []


def converge(module: AnsibleModule, targets: list[_node.Wanted], result: dict[str, Any]) -> None:
    try:
        api = server_api.connect(module)
        nodes = observe(api)
    except ApiUnreachable:
        if not module.check_mode:
            raise
        nodes = {}
    if not module.check_mode:
        try_out(api, targets, nodes)
        awaited = [target.name for target in targets if target.wait and module.params["wait"]]
        settle(api, targets, nodes, awaited, result)
    else:
        for target in targets:
            node = nodes.get(target.name)
            nodes.setdefault(target.name, _node.unregistered_node(target))
            note(target, node, _node.patch(nodes[target.name], target), result)
        result["nodes"] = [_node.facts(node) for node in nodes.values()]


def observe(api: ServerApi) -> dict[str, Mapping[str, Any]]:
    return {node["metadata"]["name"]: node for node in api.request("GET", NODES.path())["items"]}


def try_out(api: ServerApi, targets: list[_node.Wanted], nodes: Mapping[str, Mapping[str, Any]]) -> None:
    """What the API would refuse of one node is refused before another is changed."""
    for target in targets:
        change = _node.patch(nodes[target.name], target) if target.name in nodes else {}
        if change:
            send(api, target, change, {"dryRun": "All", "fieldValidation": "Strict"})


def settle(
    api: ServerApi,
    targets: list[_node.Wanted],
    nodes: dict[str, Mapping[str, Any]],
    awaited: Collection[str],
    result: dict[str, Any],
) -> None:
    """Patch each node as soon as it is there, until those that are awaited are ready or the time is over."""
    started = time.monotonic()
    pause = 0.1
    while True:
        result["nodes"] = [_node.facts(node) for node in nodes.values()]
        stale = False
        for target in targets:
            node = nodes.get(target.name)
            change = _node.patch(node, target) if node else {}
            if change and send(api, target, change):
                note(target, node, change, result)
            stale = stale or bool(change)
        now = datetime.now(timezone.utc)
        lacks = {name: _node.lack(nodes.get(name), now) for name in sorted(awaited)}
        waiting = waits(targets, nodes)
        result["waiting"] = [f"{name} {what}" for name, what in waiting.items()]
        unready = {name: lack for name, lack in lacks.items() if lack and name not in waiting}
        if not unready and not stale:
            return
        if api.left < pause:
            after = f"after {time.monotonic() - started:.0f} s"
            late = [f"{name} {lack}" for name, lack in unready.items()] or ["others change them all the time"]
            raise Late("\n".join([after, *late]), late)
        if not stale:
            time.sleep(pause)
            pause = min(pause * 1.3, 1.0)
        nodes = observe(api)


def waits(targets: list[_node.Wanted], nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The nodes that wait for somebody else, and for whom."""
    found = {each.name: _node.waits_for(nodes.get(each.name), each.foreign_network) for each in targets}
    return {name: what for name, what in found.items() if what}


def send(
    api: ServerApi, target: _node.Wanted, change: Mapping[str, Any], query: Mapping[str, str] | None = None
) -> bool:
    """Whether the patch met the node it was made for; if not, it is made anew."""
    try:
        query = {"fieldManager": "k3a-node", **(query or {})}
        api.request("PATCH", NODES.path(name=target.name), query, change, MERGE_PATCH)
    except ApiRefused as error:
        if error.status in (404, 409):
            return False
        raise ApiError(f"{target.name}: {'; '.join(error.reasons)}") from None
    return True


def note(
    target: _node.Wanted, node: Mapping[str, Any] | None, change: Mapping[str, Any], result: dict[str, Any]
) -> None:
    if change:
        result["diff"].append(_node.diff(target.name, node, change))
        result["changed"] = True


if __name__ == "__main__":
    main()
