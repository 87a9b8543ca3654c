# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node objects: the labels, annotations and taints that are ours, and whether a node is ready.

Private to the collection: may change at any time.

What we have set is kept in an annotation of the node, so that it can be taken away again, and nothing that a kubelet, a
controller or an operator set. Server-side apply would keep that book for labels and annotations, but it has only one
owner for all taints of a node, and they have several.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import yaml

OWNED = "k3a.io/owned"
# What a kubelet taints its node with until the controller of a cloud has seen it, and says of one without a CNI plugin.
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
NO_NETWORK = "cni plugin not initialized"
ROLE_LABEL = "node-role.kubernetes.io/"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# Kubernetes's own labels that a node may give itself: the well-known ones and all of these namespaces, as upstream's
# admission plugin NodeRestriction and package k8s.io/kubelet/pkg/apis have them.
OWN_LABELS = frozenset(
    {
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
OWN_NAMESPACES = (".kubelet.kubernetes.io", ".node.kubernetes.io")
RESERVED_NAMESPACES = (".kubernetes.io", ".k8s.io")

NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_KEY = re.compile(rf"((?P<prefix>{_PART}(\.{_PART})*)/)?{NAME}")
_VALUE = re.compile(rf"({NAME})?")

Node = Mapping[str, Any]


class NodeError(K3aError, ValueError):
    """A label, annotation or taint that cannot be; the text is for the user."""


class Wanted(NamedTuple):
    """What a node is to carry."""

    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    taints: list[dict[str, str]]
    addresses: list[str]
    wait: bool = True
    # Whether somebody else brings its network.
    foreign_network: bool = False


def valid_key(text: str) -> bool:
    """Whether it can be the key of a label, an annotation or a taint."""
    match = _KEY.fullmatch(text)
    return match is not None and len(match["prefix"] or "") <= 253


def valid_value(text: str) -> bool:
    """Whether it can be the value of a label or a taint."""
    return _VALUE.fullmatch(text) is not None


def wanted_node(spec: Mapping[str, Any]) -> Wanted:
    """The node of an option, each entry written as for K3s: key=value, key=value:effect or key:effect."""
    name = spec["name"]
    labels = _pairs(spec.get("labels") or [], f"node {name}: label")
    for key, value in labels.items():
        if not valid_value(value):
            raise NodeError(f"node {name}: label {key}={value}: a value has at most 63 of the characters A-Za-z0-9-_.")
    annotations = _pairs(spec.get("annotations") or [], f"node {name}: annotation")
    taints = [_taint(text, f"node {name}: taint") for text in spec.get("taints") or []]
    addresses = list(spec.get("internal_ips") or [])
    foreign = bool(spec.get("foreign_network"))
    return Wanted(name, labels, annotations, taints, addresses, spec.get("wait", True), foreign)


def _pairs(entries: Iterable[str], what: str) -> dict[str, str]:
    pairs = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals:
            raise NodeError(f"{what} {entry!r} is not of the form key=value")
        pairs[_key(key, what, entry)] = value
    return pairs


def _key(key: str, what: str, entry: str) -> str:
    if not valid_key(key):
        raise NodeError(f"{what} {entry!r}: {key!r} is not a valid key")
    return key


def _taint(text: str, what: str) -> dict[str, str]:
    pair, _colon, effect = text.rpartition(":")
    key, equals, value = pair.partition("=")
    if effect not in EFFECTS:
        raise NodeError(f"{what} {text!r} does not end in an effect: {', '.join(':' + effect for effect in EFFECTS)}")
    if not valid_value(value):
        raise NodeError(f"{what} {text!r}: {value!r} is not a valid value")
    return {"key": _key(key, what, text), **({"value": value} if equals else {}), "effect": effect}


def may_set_itself(label: str) -> bool:
    """Whether the API lets a node put a label of this key on itself."""
    namespace = "." + label.rpartition("/")[0]
    return label in OWN_LABELS or namespace.endswith(OWN_NAMESPACES) or not namespace.endswith(RESERVED_NAMESPACES)


# --- what differs --------------------------------------------------------------------------------------------------


def owned(node: Node) -> dict[str, list[str]]:
    """What we have once set on a node."""
    text = (node["metadata"].get("annotations") or {}).get(OWNED, "{}")
    try:
        book = json.loads(text)
    except ValueError:
        book = {}
    return {field: list(book.get(field) or []) for field in ("annotations", "labels", "taints")}


def taint_id(taint: Mapping[str, str]) -> str:
    return f"{taint['key']}:{taint['effect']}"


def taint_text(taint: Mapping[str, str]) -> str:
    return f"{taint['key']}{'=' + taint['value'] if taint.get('value') else ''}:{taint['effect']}"


def merged_taints(
    live: Sequence[Mapping[str, str]], ours: Collection[str], target: Sequence[Mapping[str, str]]
) -> list[Mapping[str, str]]:
    """Those of others as they are, then ours; one that is there already stays as it is, with the time it was added."""
    ids = [taint_id(taint) for taint in target]
    there = {taint_text(taint): taint for taint in live}
    foreign = [taint for taint in live if taint_id(taint) not in ids and taint_id(taint) not in ours]
    return foreign + [there.get(taint_text(taint), taint) for taint in target]


def patch(node: Node, target: Wanted) -> dict[str, Any]:
    """The merge patch that a node needs; empty when it has all it should have."""
    metadata = node["metadata"]
    ours = owned(node)
    book = {
        "annotations": sorted(target.annotations),
        "labels": sorted(target.labels),
        "taints": sorted(taint_id(taint) for taint in target.taints),
    }
    annotations: dict[str, str | None] = {**target.annotations}
    if any(book.values()):
        annotations[OWNED] = json.dumps({field: keys for field, keys in book.items() if keys}, separators=(",", ":"))
    changes = {
        "labels": _changed(metadata.get("labels") or {}, target.labels, ours["labels"]),
        "annotations": _changed(metadata.get("annotations") or {}, annotations, [*ours["annotations"], OWNED]),
    }
    result: dict[str, Any] = {}
    if any(changes.values()):
        result["metadata"] = {field: pairs for field, pairs in changes.items() if pairs}
    live_taints = node["spec"].get("taints") or []
    taints = merged_taints(live_taints, ours["taints"], target.taints)
    if sorted(map(taint_text, taints)) != sorted(map(taint_text, live_taints)):
        # The list is replaced as a whole: not over a taint that was set or lifted meanwhile.
        result.setdefault("metadata", {})["resourceVersion"] = metadata["resourceVersion"]
        result["spec"] = {"taints": taints}
    return result


def _changed(live: Mapping[str, str], target: Mapping[str, Any], ours: Iterable[str]) -> dict[str, str | None]:
    changed = {key: value for key, value in target.items() if live.get(key) != value}
    return {**changed, **{key: None for key in ours if key in live and key not in target}}


def own_patch(node: Node, target: Wanted) -> dict[str, Any]:
    """The patch for a node that changes itself, which may not touch its taints: they stay, ours with their record."""
    ours = owned(node)["taints"]
    return patch(node, target._replace(taints=[t for t in node["spec"].get("taints") or [] if taint_id(t) in ours]))


def diff(name: str, node: Node | None, change: Mapping[str, Any]) -> dict[str, str]:
    """The two sides of a patch, as Ansible shows them."""
    before, after = before_and_after(node, change)
    title = f"Node {name}"
    return {"before_header": title, "after_header": title, "before": yaml.dump(before), "after": yaml.dump(after)}


def before_and_after(node: Node | None, change: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a patch touches of a node, before and after."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    metadata = (node or {}).get("metadata", {})
    for field in ("labels", "annotations"):
        touched = (change.get("metadata") or {}).get(field) or {}
        live = metadata.get(field) or {}
        if touched:
            before[field] = {key: live[key] for key in touched if key in live}
            after[field] = {key: value for key, value in touched.items() if value is not None}
    if "spec" in change:
        before["taints"] = [taint_text(taint) for taint in (node or {}).get("spec", {}).get("taints") or []]
        after["taints"] = [taint_text(taint) for taint in change["spec"]["taints"]]
    return before, after


def unregistered_node(target: Wanted) -> dict[str, Any]:
    """What is known of a node before its kubelet has registered it."""
    addresses = [{"type": "InternalIP", "address": address} for address in target.addresses]
    return {
        "metadata": {"name": target.name, "resourceVersion": ""},
        "spec": {},
        "status": {"addresses": addresses},
    }


# --- how it is -----------------------------------------------------------------------------------------------------


def lack(node: Node | None, now: datetime) -> str:
    """What keeps a node from being ready; empty when nothing does."""
    if node is None:
        return "is not registered: its kubelet has not reached the API; `journalctl -u k3a-kubelet` on it says why"
    conditions = {entry["type"]: entry for entry in node.get("status", {}).get("conditions") or []}
    if conditions.get("NetworkUnavailable", {}).get("status") == "True":
        return f"has no network: {_told(conditions['NetworkUnavailable'], now)}"
    ready = conditions.get("Ready")
    if ready is None:
        return "has not reported its state yet"
    return "" if ready["status"] == "True" else f"is not Ready: {_told(ready, now)}"


def waits_for(node: Node | None, foreign_network: bool) -> str:
    """For whose work a node waits that is none of ours, and can come at any time; empty when it waits for nobody."""
    conditions = {entry["type"]: entry for entry in (node or {}).get("status", {}).get("conditions") or []}
    ready = conditions.get("Ready", {})
    if node is None or not ready:
        return ""
    if ready["status"] == "True" and any(taint["key"] == UNINITIALIZED for taint in node["spec"].get("taints") or []):
        return "waits for the controller of its cloud, as cloud-provider=external says of the kubelet"
    if foreign_network and ready["status"] == "False" and NO_NETWORK in (ready.get("message") or ""):
        return "waits for a CNI plugin, which k3a_flannel_backend none leaves to others"
    return ""


def _told(condition: Mapping[str, str], now: datetime) -> str:
    message = " ".join((condition.get("message") or "").split())
    since = ""
    if condition.get("lastTransitionTime"):
        moment = datetime.strptime(condition["lastTransitionTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        since = f" (for {max(0, round((now - moment).total_seconds()))} s)"
    return f"{condition.get('reason', 'no reason given')}: {message}{since}"


def facts(node: Node) -> dict[str, Any]:
    """What others want to know of a node."""
    status = node.get("status", {})
    info = status.get("nodeInfo", {})
    addresses = status.get("addresses") or []
    internal, external = (
        [entry["address"] for entry in addresses if entry["type"] == kind] for kind in ("InternalIP", "ExternalIP")
    )
    labels = node["metadata"].get("labels") or {}
    return {
        "name": node["metadata"]["name"],
        "ready": not lack(node, datetime.now(timezone.utc)),
        "roles": sorted(key[len(ROLE_LABEL) :] for key in labels if key.startswith(ROLE_LABEL)),
        "internal_ip": next(iter(internal), ""),
        "internal_ips": internal,
        "external_ip": next(iter(external), ""),
        "external_ips": external,
        "hostname": next((entry["address"] for entry in addresses if entry["type"] == "Hostname"), ""),
        "pod_cidrs": node["spec"].get("podCIDRs") or [],
        "taints": [taint_text(taint) for taint in node["spec"].get("taints") or []],
        "kubelet_version": info.get("kubeletVersion", ""),
        "container_runtime": info.get("containerRuntimeVersion", ""),
        "os_image": info.get("osImage", ""),
        "kernel_version": info.get("kernelVersion", ""),
        "architecture": info.get("architecture", ""),
    }
