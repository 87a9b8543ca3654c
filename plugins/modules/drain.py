#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drain
version_added: 1.0.0
short_description: Nodes without pods
description:
  - Marks nodes as unschedulable and evicts their pods, so that budgets (PodDisruptionBudget) are kept; returns when the
    pods are gone.
  - Pods of a DaemonSet, static pods and pods that have finished stay.
  - A pod that a budget protects is tried again until O(timeout); then the module fails and says of each pod what keeps
    it. The nodes stay unschedulable.
  - When a pod may not be given up (see O(force) and O(delete_emptydir_data)), nothing is changed at all.
  - On a node that is not ready nothing ends pods any more. There a pod counts as gone as soon as it is marked for
    deletion.
  - A node that does not exist has nothing to be drained.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
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
  grace_period:
    description: Seconds that each pod has to end. V(-1) is what the pod itself asks for.
    type: int
    default: -1
  delete_emptydir_data:
    description:
      - Whether pods that keep data in an C(emptyDir) are evicted, which loses it.
      - Unlike with C(kubectl drain) this is the default, since most pods have such a volume and no pod may rely on it.
    type: bool
    default: true
  force:
    description: Whether pods that no controller would make anew elsewhere are evicted, too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Free two nodes of pods within ten minutes
  k3a.cluster.drain:
    nodes: [agent-1, agent-2]
    timeout: 600
  delegate_to: server-1.example.org
"""

RETURN = r"""
evicted_pods:
  description: The pods that were evicted, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [default/web-5d8c7b9f4-abcde]
remaining_pods:
  description: The pods that are still there, and why.
  returned: always
  type: list
  elements: dict
  contains:
    pod:
      description: Namespace and name of the pod.
      type: str
    node:
      description: The node that it is on.
      type: str
    reason:
      description: What keeps it.
      type: str
  sample: []
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import drain as _drain
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import (
    MERGE_PATCH,
    ApiError,
    ApiRefused,
    ApiUnreachable,
)
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import NODES, PODS
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors

OPTIONS: dict[str, Any] = {
    "nodes": {"type": "list", "elements": "str", "required": True},
    **server_api.OPTIONS,
    "grace_period": {"type": "int", "default": -1},
    "delete_emptydir_data": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
}


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    result: dict[str, Any] = {"changed": False, "evicted_pods": [], "remaining_pods": [], "diff": []}
    with during("Drain", result):
        Drain(module).run(result)
    module.exit_json(**result)


class Drain:
    """One drain of several nodes."""

    def __init__(self, module: AnsibleModule) -> None:
        params = module.params
        self.names = list(dict.fromkeys(params["nodes"]))
        self.timeout = params["timeout"]
        self.options = _drain.Options(params["force"], params["delete_emptydir_data"], params["grace_period"])
        self.check_mode = module.check_mode
        self.api = server_api.connect(module)

    def run(self, result: dict[str, Any]) -> None:
        nodes, pods = self.observe()
        obstacles = [(pod, _drain.obstacle(pod, self.options)) for pod in pods]
        self.refuse("nothing was changed", [(pod, reason) for pod, reason in obstacles if reason], result)
        cordon = [name for name, node in nodes.items() if not _drain.is_cordoned(node)]
        self.note(nodes, cordon, pods, result)
        if self.check_mode:
            result["evicted_pods"] = [_drain.label(pod) for pod in pods if not _drain.is_ending(pod)]
            return
        for name in cordon:
            self.cordon(name)
        self.settle(result)

    def observe(self) -> tuple[dict[str, dict[str, Any]], list[_drain.Pod]]:
        """The nodes that exist, and the pods that have to leave them."""
        found = {name: self.api.get(NODES.path(name=name)) for name in self.names}
        nodes = {name: node for name, node in found.items() if node is not None}
        pods = []
        for name in nodes:
            pods += self.api.request("GET", PODS.path(), {"fieldSelector": f"spec.nodeName={name}"})["items"]
        return nodes, _drain.remaining(pods, nodes)

    def note(self, nodes: Mapping[str, Any], cordon: list[str], pods: list[_drain.Pod], result: dict[str, Any]) -> None:
        if not cordon and not pods:
            return
        before = _drain.nodes_text(nodes, set(nodes) - set(cordon), pods)
        after = _drain.nodes_text(nodes, nodes, [])
        result["changed"] = True
        result["diff"].append({"before_header": "nodes", "after_header": "nodes", "before": before, "after": after})

    def cordon(self, name: str) -> None:
        try:
            change = {"spec": {"unschedulable": True}}
            self.api.request("PATCH", NODES.path(name=name), {"fieldManager": "k3a-drain"}, change, MERGE_PATCH)
        except ApiRefused as error:
            if error.status != 404:
                raise ApiError(f"{name}: {'; '.join(error.reasons)}") from None

    def settle(self, result: dict[str, Any]) -> None:
        """Evict what is there, until nothing is; pods that come meanwhile too."""
        pause = 0.1
        while True:
            _nodes, pods = self.observe()
            kept = []
            for pod in pods:
                if _drain.is_ending(pod):
                    kept.append((pod, _drain.ending_since(pod)))
                    continue
                reason = self.evict(pod)
                if reason is None:
                    result["evicted_pods"].append(_drain.label(pod))
                    reason = "it was evicted a moment ago"
                kept.append((pod, reason))
            if not kept:
                return
            if self.api.left < pause:
                self.refuse(f"not finished after {self.timeout} s", kept, result)
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def evict(self, pod: _drain.Pod) -> str | None:
        """Why the pod was not evicted, or None."""
        path = PODS.path(pod["metadata"]["namespace"], pod["metadata"]["name"]) + "/eviction"
        try:
            # A pod that a budget keeps must not hold up the others.
            self.api.once("POST", path, None, _drain.eviction(pod, self.options))
        except ApiUnreachable as error:
            if not error.later:
                raise
            return str(error)
        except ApiRefused as error:
            # Gone, or another pod has its name now.
            if error.status in (404, 409):
                return "it was replaced a moment ago"
            ending = _drain.causes(error.details, _drain.TERMINATING)
            if not error.later and not ending:
                raise ApiError(f"{_drain.label(pod)} cannot be evicted: {error.message}") from None
            return "; ".join(_drain.causes(error.details, _drain.BUDGET) or ending) or error.message
        return None

    def refuse(self, outcome: str, kept: list[tuple[_drain.Pod, str]], result: dict[str, Any]) -> None:
        result["remaining_pods"] = [
            {"pod": _drain.label(pod), "node": pod["spec"]["nodeName"], "reason": reason} for pod, reason in kept
        ]
        if kept:
            told = "".join(f"\n{pod['pod']} on {pod['node']}: {pod['reason']}" for pod in result["remaining_pods"])
            raise ApiError(f"{outcome}, since {len(kept)} pod{'s do' if len(kept) > 1 else ' does'} not leave{told}")


if __name__ == "__main__":
    main()
