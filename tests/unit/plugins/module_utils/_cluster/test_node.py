# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import node as _node

NOW = datetime(2026, 11, 24, 4, 0, 30, tzinfo=timezone.utc)
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def node(**metadata: Any) -> dict[str, Any]:
    taints = metadata.pop("taints", None)
    status = metadata.pop("status", {})
    spec = {"taints": taints} if taints else {}
    return {"metadata": {"name": "n1", "resourceVersion": "7", **metadata}, "spec": spec, "status": status}


def target(**entries: list[str]) -> _node.Wanted:
    return _node.wanted_node({"name": "n1", **entries})


def after(live: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """What the API makes of a merge patch."""
    merged = {field: dict(live["metadata"].get(field) or {}) for field in ("labels", "annotations")}
    for field, pairs in merged.items():
        for key, value in (patch.get("metadata", {}).get(field) or {}).items():
            pairs.pop(key, None) if value is None else pairs.update({key: value})
    taints = patch["spec"]["taints"] if "spec" in patch else live["spec"].get("taints")
    return node(taints=taints, **merged)


def test_a_new_node_gets_everything_and_then_nothing() -> None:
    wanted = target(
        labels=["a=1", "node-role.kubernetes.io/control-plane=true"],
        annotations=["x.io/y=z=1"],
        taints=["k=v:NoExecute"],
    )
    live = node(labels={"kubernetes.io/hostname": "n1"}, taints=[NOT_READY])
    patch = _node.patch(live, wanted)
    assert patch["metadata"]["labels"] == {"a": "1", "node-role.kubernetes.io/control-plane": "true"}
    assert json.loads(patch["metadata"]["annotations"]["k3a.io/owned"]) == {
        "annotations": ["x.io/y"],
        "labels": ["a", "node-role.kubernetes.io/control-plane"],
        "taints": ["k:NoExecute"],
    }
    assert patch["metadata"]["annotations"]["x.io/y"] == "z=1"
    assert patch["spec"]["taints"] == [NOT_READY, {"key": "k", "value": "v", "effect": "NoExecute"}]
    assert patch["metadata"]["resourceVersion"] == "7"
    assert _node.patch(after(live, patch), wanted) == {}


def test_what_left_the_list_goes_and_what_others_set_stays() -> None:
    first = target(labels=["a=1", "b=1"], annotations=["c=1"], taints=["k=v:NoSchedule", "l:NoExecute"])
    live = node(labels={"foreign": "1"}, taints=[NOT_READY])
    live = after(live, _node.patch(live, first))
    second = target(labels=["b=2"], taints=["k=w:NoSchedule"])
    live = after(live, _node.patch(live, second))
    assert live["metadata"]["labels"] == {"foreign": "1", "b": "2"}
    assert live["metadata"]["annotations"] == {"k3a.io/owned": '{"labels":["b"],"taints":["k:NoSchedule"]}'}
    assert live["spec"]["taints"] == [NOT_READY, {"key": "k", "value": "w", "effect": "NoSchedule"}]
    live = after(live, _node.patch(live, target()))
    assert live["metadata"] == {"name": "n1", "resourceVersion": "7", "labels": {"foreign": "1"}, "annotations": {}}
    assert live["spec"]["taints"] == [NOT_READY]
    assert _node.patch(live, target()) == {}


def test_a_taint_keeps_the_time_it_was_added() -> None:
    added = {"key": "k", "value": "v", "effect": "NoExecute", "timeAdded": "2026-11-24T04:00:00Z"}
    assert _node.merged_taints(
        [added, NOT_READY], ["k:NoExecute"], [{"key": "k", "value": "v", "effect": "NoExecute"}]
    ) == [
        NOT_READY,
        added,
    ]
    patch = _node.patch(node(taints=[added, NOT_READY]), target(taints=["k=v:NoExecute"]))
    assert "spec" not in patch and "resourceVersion" not in patch["metadata"]


def test_a_kubelet_that_set_the_taint_at_registration_is_no_change_of_it() -> None:
    live = node(taints=[{"key": "CriticalAddonsOnly", "value": "true", "effect": "NoExecute"}])
    assert "spec" not in _node.patch(live, target(taints=["CriticalAddonsOnly=true:NoExecute"]))


def test_a_book_that_was_spoilt_is_started_anew() -> None:
    live = node(annotations={"k3a.io/owned": "{"}, labels={"a": "1"})
    assert _node.patch(live, target()) == {"metadata": {"annotations": {"k3a.io/owned": None}}}


@pytest.mark.parametrize(
    ("entries", "finding"),
    [
        ({"labels": ["a"]}, "node n1: label 'a' is not of the form key=value"),
        ({"labels": ["-a=1"]}, "node n1: label '-a=1': '-a' is not a valid key"),
        ({"labels": ["a/b/c=1"]}, "node n1: label 'a/b/c=1': 'a/b/c' is not a valid key"),
        ({"labels": ["a=b c"]}, "node n1: label a=b c: a value has at most 63 of the characters A-Za-z0-9-_."),
        ({"annotations": ["a b=1"]}, "node n1: annotation 'a b=1': 'a b' is not a valid key"),
        (
            {"taints": ["a=b"]},
            "node n1: taint 'a=b' does not end in an effect: :NoSchedule, :PreferNoSchedule, :NoExecute",
        ),
        ({"taints": ["=b:NoSchedule"]}, "node n1: taint '=b:NoSchedule': '' is not a valid key"),
        ({"taints": ["a=?:NoSchedule"]}, "node n1: taint 'a=?:NoSchedule': '?' is not a valid value"),
    ],
)
def test_entries_that_cannot_be(entries: dict[str, list[str]], finding: str) -> None:
    with pytest.raises(_node.NodeError) as error:
        target(**entries)
    assert str(error.value) == finding


def test_the_difference_shows_only_what_is_touched() -> None:
    live = node(labels={"kubernetes.io/hostname": "n1", "a": "1"}, taints=[NOT_READY])
    before, shown = _node.before_and_after(live, _node.patch(live, target(labels=["a=2"], taints=["k:NoSchedule"])))
    assert before == {"labels": {"a": "1"}, "annotations": {}, "taints": ["node.kubernetes.io/not-ready:NoSchedule"]}
    assert shown["labels"] == {"a": "2"}
    assert shown["taints"] == ["node.kubernetes.io/not-ready:NoSchedule", "k:NoSchedule"]
    diff = _node.diff("n1", live, _node.patch(live, target(labels=["a=2"])))
    assert (diff["before_header"], diff["after_header"]) == ("Node n1", "Node n1")
    assert 'a: "2"' in diff["after"] and 'a: "2"' not in diff["before"]
    before, shown = _node.before_and_after(None, _node.patch(_node.unregistered_node(target()), target(labels=["a=2"])))
    assert before == {"labels": {}, "annotations": {}} and shown["labels"] == {"a": "2"}


@pytest.mark.parametrize(
    ("label", "may"),
    [
        ("disk", True),
        ("example.com/disk", True),
        ("notkubernetes.io/disk", True),
        ("topology.kubernetes.io/zone", True),
        ("kubernetes.io/hostname", True),
        ("node.kubernetes.io/instance-type", True),
        ("any.kubelet.kubernetes.io/thing", True),
        ("kubernetes.io/thing", False),
        ("any.k8s.io/thing", False),
        ("topology.kubernetes.io/rack", False),
        ("node-role.kubernetes.io/worker", False),
        ("node-restriction.kubernetes.io/team", False),
        ("any.node-restriction.kubernetes.io/team", False),
    ],
)
def test_labels_that_the_admission_lets_a_node_give_itself(label: str, may: bool) -> None:
    assert _node.may_set_itself(label) is may


def test_a_node_that_changes_itself_leaves_its_taints_and_their_record() -> None:
    """Also those that the controller's module once set, which are its own still."""
    wanted = target(labels=["a=1"], taints=["k=v:NoSchedule"])
    live = node(taints=[NOT_READY])
    live = after(live, _node.patch(live, wanted))
    change = _node.own_patch(live, target(labels=["a=2"], taints=["other:NoExecute"]))
    assert "spec" not in change and "resourceVersion" not in change["metadata"]
    live = after(live, change)
    assert live["metadata"]["labels"] == {"a": "2"}
    assert _node.owned(live) == {"annotations": [], "labels": ["a"], "taints": ["k:NoSchedule"]}
    assert _node.own_patch(live, target(labels=["a=2"])) == {}


def ready(status: str, **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, **more}]}


@pytest.mark.parametrize(
    ("live", "lack"),
    [
        (node(status=ready("True")), ""),
        (node(), "has not reported its state yet"),
        (
            node(
                status=ready(
                    "False",
                    reason="KubeletNotReady",
                    message="container runtime network not ready:\n cni plugin not initialized",
                    lastTransitionTime="2026-11-24T04:00:00Z",
                )
            ),
            "is not Ready: KubeletNotReady: container runtime network not ready: cni plugin not initialized (for 30 s)",
        ),
        (
            node(status=ready("Unknown", reason="NodeStatusUnknown", message="Kubelet stopped posting node status.")),
            "is not Ready: NodeStatusUnknown: Kubelet stopped posting node status.",
        ),
        (
            node(
                status={
                    "conditions": [
                        {"type": "Ready", "status": "True"},
                        {
                            "type": "NetworkUnavailable",
                            "status": "True",
                            "reason": "NoRouteCreated",
                            "message": "no lease",
                        },
                    ]
                }
            ),
            "has no network: NoRouteCreated: no lease",
        ),
    ],
)
def test_what_keeps_a_node(live: dict[str, Any], lack: str) -> None:
    assert _node.lack(live, NOW) == lack


CLOUD = {"key": _node.UNINITIALIZED, "value": "true", "effect": "NoSchedule"}
NO_PLUGIN = ready("False", reason="KubeletNotReady", message="Network plugin returns error: cni plugin not initialized")


@pytest.mark.parametrize(
    ("live", "foreign", "waits"),
    [
        (None, True, ""),
        (node(), True, ""),
        (node(status=ready("True")), True, ""),
        (node(status=NO_PLUGIN), True, "waits for a CNI plugin, which k3a_flannel_backend none leaves to others"),
        (node(status=NO_PLUGIN), False, ""),
        (node(status=ready("Unknown", message="Kubelet stopped posting node status.")), True, ""),
        (node(taints=[CLOUD], status=ready("True")), False, "waits for the controller of its cloud, as cloud-provider="),
        (node(taints=[CLOUD], status=ready("False", message="PLEG is not healthy")), False, ""),
    ],
)
def test_a_node_may_wait_for_somebody_else(live: dict[str, Any] | None, foreign: bool, waits: str) -> None:
    found = _node.waits_for(live, foreign)
    assert found.startswith(waits) and bool(found) == bool(waits)


def test_a_node_that_is_not_there() -> None:
    assert _node.lack(None, NOW).startswith("is not registered")


def test_facts() -> None:
    status = {
        **ready("True"),
        "addresses": [
            {"type": "InternalIP", "address": "10.89.1.11"},
            {"type": "InternalIP", "address": "fd00::11"},
            {"type": "ExternalIP", "address": "192.0.2.1"},
            {"type": "Hostname", "address": "n1"},
        ],
        "nodeInfo": {"kubeletVersion": "v1.37.2", "containerRuntimeVersion": "containerd://2.4.2"},
    }
    labels = {"node-role.kubernetes.io/etcd": "true", "node-role.kubernetes.io/control-plane": "true", "a": "1"}
    facts = _node.facts(node(labels=labels, status=status, taints=[NOT_READY]))
    assert facts["ready"] and facts["roles"] == ["control-plane", "etcd"]
    assert (facts["internal_ip"], facts["internal_ips"]) == ("10.89.1.11", ["10.89.1.11", "fd00::11"])
    assert (facts["external_ip"], facts["hostname"], facts["kubelet_version"]) == ("192.0.2.1", "n1", "v1.37.2")
    assert facts["taints"] == ["node.kubernetes.io/not-ready:NoSchedule"]
