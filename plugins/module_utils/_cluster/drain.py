# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods leave a node, which may not, and when one counts as gone.

Private to the collection: may change at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

# Set by the kubelet on what it runs from a file: nobody else can end such a pod.
MIRROR = "kubernetes.io/config.mirror"
FINISHED = ("Succeeded", "Failed")
# Why the API does not evict: a budget, or that the namespace ends and its pods anyway.
BUDGET = "DisruptionBudget"
TERMINATING = "NamespaceTerminating"

Pod = Mapping[str, Any]


class Options(NamedTuple):
    """What the operator allows."""

    force: bool = False
    delete_emptydir_data: bool = True
    grace_period: int = -1


def label(pod: Pod) -> str:
    """Namespace and name."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def leaves(pod: Pod) -> bool:
    """Whether a drain is about this pod: not when it is the node's own, or has finished."""
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        return False
    controller = _controller(pod)
    if controller is not None and controller["kind"] == "DaemonSet":
        return False
    return pod.get("status", {}).get("phase") not in FINISHED


def is_ending(pod: Pod) -> bool:
    """Whether the pod has been told to end."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def obstacle(pod: Pod, options: Options) -> str:
    """What would be lost with a pod that the operator has not given up; empty when nothing would."""
    if is_ending(pod):
        return ""
    if not options.force and _controller(pod) is None:
        return "no controller would make it anew; force=true gives it up"
    volumes = [volume["name"] for volume in pod["spec"].get("volumes") or [] if "emptyDir" in volume]
    if not options.delete_emptydir_data and volumes:
        return f"its emptyDir {' and '.join(volumes)} would be lost; delete_emptydir_data=true gives it up"
    return ""


def _controller(pod: Pod) -> Mapping[str, Any] | None:
    owners = pod["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def answers(node: Mapping[str, Any]) -> bool:
    """Whether the node's kubelet is there to end pods."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def remaining(pods: Iterable[Pod], nodes: Mapping[str, Mapping[str, Any]]) -> list[Pod]:
    """The pods that still have to go. On a node that does not answer none ever ends: it is enough that it is to."""
    return [
        pod for pod in pods if leaves(pod) and not (is_ending(pod) and not answers(nodes[pod["spec"]["nodeName"]]))
    ]


def is_cordoned(node: Mapping[str, Any]) -> bool:
    """Whether no new pods are put on the node."""
    return bool(node["spec"].get("unschedulable"))


def eviction(pod: Pod, options: Options) -> dict[str, Any]:
    """The request to evict this very pod, and not another that has got its name meanwhile."""
    delete: dict[str, Any] = {"preconditions": {"uid": pod["metadata"]["uid"]}}
    if options.grace_period >= 0:
        delete["gracePeriodSeconds"] = options.grace_period
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]},
        "deleteOptions": delete,
    }


def causes(details: Mapping[str, Any], reason: str) -> list[str]:
    """What the API's answer says of one reason."""
    found = [cause for cause in details.get("causes") or [] if cause.get("reason") == reason]
    return [str(cause.get("message") or reason) for cause in found]


def ending_since(pod: Pod) -> str:
    """What is told of a pod that has been evicted and is still there."""
    finalizers = pod["metadata"].get("finalizers") or []
    held = f", held by its finalizers {', '.join(finalizers)}" if finalizers else ""
    return f"it has been told to end by {pod['metadata'].get('deletionTimestamp', 'now')}{held}"


def nodes_text(nodes: Iterable[str], unschedulable: Iterable[str], pods: Sequence[Pod]) -> str:
    """Nodes and their pods, as a diff shows them."""
    off = set(unschedulable)
    lines = []
    for node in nodes:
        lines.append(f"{node}{' (no new pods)' if node in off else ''}")
        lines += sorted(f"  {label(pod)}" for pod in pods if pod["spec"]["nodeName"] == node)
    return "".join(f"{line}\n" for line in lines)
