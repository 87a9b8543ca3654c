# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import rollout


def body(kind: str, spec: dict[str, Any], status: dict[str, Any], generation: int = 2) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "d", "generation": generation}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": {"observedGeneration": 2, **status}}


@pytest.mark.parametrize(
    ("status", "lack"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}, ""),
        ({}, "0 of 2 replicas updated"),
        ({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}, "1 of 2 replicas updated"),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, "1 of 2 replicas available"),
        ({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}, "1 old replicas still run"),
        (
            {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
            "its controller has not looked at it yet",
        ),
    ],
)
def test_deployment(status: dict[str, Any], lack: str) -> None:
    assert rollout.verdict("apps", body("Deployment", {"replicas": 2}, status)).lack == lack


def test_deployment_without_replicas() -> None:
    assert rollout.verdict("apps", body("Deployment", {"replicas": 0}, {})) == rollout.DONE
    assert rollout.verdict("apps", body("Deployment", {}, {})).lack == "0 of 1 replicas updated"


@pytest.mark.parametrize(
    ("strategy", "status", "lack"),
    [
        ("RollingUpdate", {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}, ""),
        (
            "RollingUpdate",
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberAvailable": 3},
            "2 of 3 pods updated",
        ),
        (
            "RollingUpdate",
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 1},
            "1 of 3 pods available",
        ),
        ("OnDelete", {"desiredNumberScheduled": 3, "numberAvailable": 3}, ""),
        ("RollingUpdate", {"desiredNumberScheduled": 0}, ""),
    ],
)
def test_daemon_set(strategy: str, status: dict[str, Any], lack: str) -> None:
    assert rollout.verdict("apps", body("DaemonSet", {"updateStrategy": {"type": strategy}}, status)).lack == lack


@pytest.mark.parametrize(
    ("strategy", "status", "lack"),
    [
        ({"type": "RollingUpdate"}, {"readyReplicas": 3, "updatedReplicas": 3}, ""),
        ({"type": "RollingUpdate"}, {"readyReplicas": 2, "updatedReplicas": 3}, "2 of 3 replicas ready"),
        ({"type": "RollingUpdate"}, {"readyReplicas": 3, "updatedReplicas": 1}, "1 of 3 replicas updated"),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, {"readyReplicas": 3, "updatedReplicas": 1}, ""),
        ({"type": "OnDelete"}, {"readyReplicas": 3, "updatedReplicas": 0}, ""),
    ],
)
def test_stateful_set(strategy: dict[str, Any], status: dict[str, Any], lack: str) -> None:
    spec = {"replicas": 3, "updateStrategy": strategy}
    assert rollout.verdict("apps", body("StatefulSet", spec, status)).lack == lack


def test_job() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached it"}
    assert rollout.job(body("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]})) == rollout.DONE
    assert rollout.job(body("Job", {"completions": 3}, {"succeeded": 1})).lack == "1 of 3 completions"
    assert rollout.job(body("Job", {"suspend": True}, {})) == rollout.DONE
    verdict = rollout.job(body("Job", {}, {"conditions": [failed]}))
    assert verdict == rollout.Verdict("failed: BackoffLimitExceeded: Job has reached it", final=True)


def test_what_other_kinds_wait_for() -> None:
    established = [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]
    crd = body("CustomResourceDefinition", {}, {"conditions": established})
    assert rollout.verdict("apiextensions.k8s.io", crd) == rollout.DONE
    missing = {"type": "Available", "status": "False", "reason": "MissingEndpoints", "message": "no endpoints"}
    service = body("APIService", {}, {"conditions": [missing]})
    assert rollout.verdict("apiregistration.k8s.io", service).lack == "is not Available: MissingEndpoints: no endpoints"
    assert rollout.verdict("", body("Namespace", {}, {"phase": "Terminating"})).lack == "is Terminating"
    assert rollout.verdict("", body("ConfigMap", {}, {})) == rollout.DONE
    assert rollout.verdict("demo.io", body("Deployment", {}, {})) == rollout.DONE
    assert not rollout.is_awaited("", "ConfigMap") and rollout.is_awaited("apps", "Deployment")


def test_selector() -> None:
    selector = {
        "matchLabels": {"app": "a", "tier": "web"},
        "matchExpressions": [
            {"key": "env", "operator": "In", "values": ["x", "y"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert rollout.selector_text(selector) == "app=a,tier=web,env in (x,y),!old"


def pod(status: dict[str, Any], node: str = "n1") -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": "p", "uid": "1"}, "spec": {"nodeName": node}, "status": status}


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "c", "ready": False, "restartCount": 0, "state": state, "lastState": {}, **more}


CRASHED = {"exitCode": 1, "reason": "Error", "message": "first line\nListen: permission denied\n"}


@pytest.mark.parametrize(
    ("body", "troubles"),
    [
        (pod({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), []),
        (pod({"phase": "Succeeded"}), []),
        (
            pod(
                {
                    "phase": "Pending",
                    "conditions": [
                        {
                            "type": "PodScheduled",
                            "status": "False",
                            "reason": "Unschedulable",
                            "message": "0/1 nodes are available: 1 Insufficient memory.",
                        }
                    ],
                },
                node="",
            ),
            ["cannot be scheduled: 0/1 nodes are available: 1 Insufficient memory."],
        ),
        (pod({"phase": "Pending"}, node=""), ["waits for the scheduler"]),
        (pod({"phase": "Pending"}), ["the kubelet of n1 has not started it"]),
        (
            pod({"containerStatuses": [container({"waiting": {"reason": "ErrImagePull", "message": "not found"}})]}),
            ["container c waits: ErrImagePull: not found"],
        ),
        (
            pod(
                {
                    "containerStatuses": [
                        container(
                            {"waiting": {"reason": "CrashLoopBackOff"}},
                            restartCount=3,
                            lastState={"terminated": CRASHED},
                        )
                    ]
                }
            ),
            [
                "container c waits: CrashLoopBackOff; it ended 3 times, last with exit code 1 "
                "(Error: Listen: permission denied)"
            ],
        ),
        (pod({"containerStatuses": [container({"running": {}})]}), ["container c runs but is not ready"]),
        (
            pod({"initContainerStatuses": [container({"terminated": CRASHED})]}),
            ["container c ended with exit code 1 (Error: Listen: permission denied)"],
        ),
        (pod({"phase": "Failed", "reason": "Evicted", "containerStatuses": [container({})]}), ["Evicted"]),
    ],
)
def test_what_keeps_a_pod(body: dict[str, Any], troubles: list[str]) -> None:
    assert rollout.pod_trouble(body) == troubles


def event(reason: str, message: str, when: str, kind: str = "Warning", **more: Any) -> dict[str, Any]:
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": when, "metadata": {}, **more}


def test_the_newest_warnings_come_first_and_once() -> None:
    events = [
        event("Pulled", "fine", "2026-11-24T04:00:09Z", "Normal"),
        event("FailedMount", "no  volume\n", "2026-11-24T04:00:01Z"),
        event("FailedMount", "no volume", "2026-11-24T04:00:05Z"),
        event("Old", "older", "2026-11-24T03:00:00Z"),
        event("Series", "again", None, series={"lastObservedTime": "2026-11-24T04:00:06.000000Z"}),
    ]
    assert rollout.last_events(events) == ["Series: again", "FailedMount: no volume"]


def test_a_pod_in_one_line() -> None:
    stuck = pod({"containerStatuses": [container({"waiting": {"reason": "ContainerCreating"}})]})
    events = [event("FailedCreatePodSandBox", "plugin not initialized", "2026-11-24T04:00:01Z")]
    assert rollout.pod_report(stuck, events) == (
        "pod p on n1 container c waits: ContainerCreating; event FailedCreatePodSandBox: plugin not initialized"
    )
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "no nodes"}
    same = [event("FailedScheduling", "no nodes", "2026-11-24T04:00:01Z")]
    assert rollout.pod_report(pod({"conditions": [unscheduled]}, ""), same) == "pod p cannot be scheduled: no nodes"
    assert rollout.pod_report(pod({"phase": "Succeeded"}), events) == ""
