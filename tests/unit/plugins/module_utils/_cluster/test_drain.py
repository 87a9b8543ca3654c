# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import drain as _drain


def pod(name: str = "p", node: str = "n1", owner: str = "ReplicaSet", phase: str = "Running", **more: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": "default", "name": name, "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner, "name": "o", "controller": True}]
    metadata.update(more.pop("metadata", {}))
    return {"metadata": metadata, "spec": {"nodeName": node, **more}, "status": {"phase": phase}}


def node(ready: str | None = "True", **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {"metadata": {"name": "n1"}, "spec": spec, "status": {"conditions": conditions}}


ENDING = {"deletionTimestamp": "2026-11-24T12:00:00Z"}


@pytest.mark.parametrize(
    "given, expected",
    [
        (pod(), True),
        (pod(owner=""), True),
        (pod(owner="StatefulSet", phase="Pending"), True),
        (pod(owner="DaemonSet"), False),
        (pod(owner="Node", metadata={"annotations": {_drain.MIRROR: "abc"}}), False),
        (pod(owner="Job", phase="Succeeded"), False),
        (pod(phase="Failed"), False),
        # Something that merely mentions a DaemonSet does not stay with it.
        (pod(owner="", metadata={"ownerReferences": [{"kind": "DaemonSet", "name": "o"}]}), True),
    ],
)
def test_which_pods_leave(given: dict[str, Any], expected: bool) -> None:
    assert _drain.leaves(given) is expected


SCRATCH = [{"name": "scratch", "emptyDir": {}}, {"name": "config", "configMap": {}}]


@pytest.mark.parametrize(
    "given, options, told",
    [
        (pod(volumes=SCRATCH), _drain.Options(), ""),
        (pod(volumes=SCRATCH), _drain.Options(delete_emptydir_data=False), "its emptyDir scratch would be lost"),
        (pod(volumes=SCRATCH[1:]), _drain.Options(delete_emptydir_data=False), ""),
        (pod(owner=""), _drain.Options(), "no controller would make it anew; force=true"),
        (pod(owner=""), _drain.Options(force=True), ""),
        (pod(owner="", metadata=ENDING), _drain.Options(), ""),
    ],
)
def test_what_may_not_be_lost(given: dict[str, Any], options: _drain.Options, told: str) -> None:
    found = _drain.obstacle(given, options)
    assert found.startswith(told) and bool(found) == bool(told)


@pytest.mark.parametrize("ready, expected", [("True", True), ("False", False), ("Unknown", False), (None, False)])
def test_a_node_that_is_not_ready_ends_no_pods(ready: str | None, expected: bool) -> None:
    assert _drain.answers(node(ready)) is expected


def test_on_a_node_that_does_not_answer_it_is_enough_that_pods_are_to_end() -> None:
    pods = [pod("a"), pod("b", metadata=ENDING), pod("c", node="n2", metadata=ENDING), pod("d", owner="DaemonSet")]
    nodes = {"n1": node("Unknown"), "n2": node()}
    assert [_drain.label(left) for left in _drain.remaining(pods, nodes)] == ["default/a", "default/c"]


def test_an_eviction_names_the_very_pod() -> None:
    request = _drain.eviction(pod("web-0"), _drain.Options())
    assert request["apiVersion"] == "policy/v1" and request["metadata"] == {"name": "web-0", "namespace": "default"}
    assert request["deleteOptions"] == {"preconditions": {"uid": "uid-web-0"}}
    assert _drain.eviction(pod(), _drain.Options(grace_period=0))["deleteOptions"]["gracePeriodSeconds"] == 0


def test_the_reason_of_a_budget_is_the_budgets_own() -> None:
    details = {"causes": [{"reason": "Other", "message": "x"}, {"reason": _drain.BUDGET, "message": "The budget web needs 2"}]}
    assert _drain.causes(details, _drain.BUDGET) == ["The budget web needs 2"]
    assert _drain.causes({}, _drain.BUDGET) == []


def test_what_holds_a_pod_that_is_to_end() -> None:
    held = pod(metadata={**ENDING, "finalizers": ["example.com/x"]})
    assert _drain.ending_since(held) == (
        "it has been told to end by 2026-11-24T12:00:00Z, held by its finalizers example.com/x"
    )


def test_a_node_is_shown_with_its_pods() -> None:
    pods = [pod("b"), pod("a"), pod("c", node="n2")]
    assert _drain.nodes_text(["n1", "n2"], ["n2"], pods) == "n1\n  default/a\n  default/b\nn2 (no new pods)\n  default/c\n"
    assert _drain.is_cordoned(node(unschedulable=True)) and not _drain.is_cordoned(node())
