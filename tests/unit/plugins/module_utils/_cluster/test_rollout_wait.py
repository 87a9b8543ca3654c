# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import NodeApi
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.rollout_wait import Awaited, wait_for
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import ServerApi
from ansible_collections.k3a.cluster.tests.unit.api_server import Answers, answering

PATH = "/apis/apps/v1/namespaces/d/deployments/a"
DEPLOYMENT = Awaited("Deployment d/a (addon x)", "apps", PATH)
PODS = "/api/v1/namespaces/d/pods?labelSelector=app=a"
REPLICA_SETS = "/apis/apps/v1/namespaces/d/replicasets?labelSelector=app=a"


def events(uid: str) -> str:
    return f"/api/v1/namespaces/d/events?fieldSelector=involvedObject.uid={uid}"


def deployment(available: int) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "d", "uid": "u-deployment", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available},
    }


def late(objects: list[Awaited], timeout: float = 0.3) -> list[str]:
    with answering() as url:
        Answers.paths = PREPARED
        return wait_for(ServerApi(NodeApi(url), timeout), objects)


PREPARED: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def nothing_prepared() -> None:
    PREPARED.clear()


def test_what_is_there_is_not_waited_for() -> None:
    PREPARED[PATH] = deployment(1)
    assert late([DEPLOYMENT], timeout=60) == []
    assert Answers.asked == [PATH]


def test_the_pod_that_does_not_come_is_named() -> None:
    waiting = {"name": "c", "ready": False, "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    pod = {
        "kind": "Pod",
        "metadata": {"name": "a-1", "namespace": "d", "uid": "u-pod"},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Pending", "containerStatuses": [waiting]},
    }
    warning = {"type": "Warning", "reason": "FailedMount", "message": "no volume", "metadata": {}}
    PREPARED.update({PATH: deployment(0), PODS: {"items": [pod]}, events("u-pod"): {"items": [warning]}})
    (told,) = late([DEPLOYMENT])
    assert told == (
        "Deployment d/a (addon x): 0 of 1 replicas available after 0 s\n"
        "  - pod a-1 on n1 container c waits: ErrImagePull: not found; event FailedMount: no volume"
    )


def test_without_pods_their_maker_says_why() -> None:
    replica_set = {"kind": "ReplicaSet", "metadata": {"name": "a-2", "namespace": "d", "uid": "u-set"}}
    refusal = {"type": "Warning", "reason": "FailedCreate", "message": "violates PodSecurity", "metadata": {}}
    PREPARED.update({PATH: deployment(0), PODS: {"items": []}, REPLICA_SETS: {"items": [replica_set]}})
    PREPARED.update({events("u-deployment"): {"items": []}, events("u-set"): {"items": [refusal]}})
    (told,) = late([DEPLOYMENT])
    assert told.endswith("\n  - event FailedCreate: violates PodSecurity")


def test_a_cause_that_cannot_be_read_hides_nothing() -> None:
    PREPARED[PATH] = deployment(0)
    (told,) = late([DEPLOYMENT])
    assert told.startswith("Deployment d/a (addon x): 0 of 1 replicas available")
    assert "the cause cannot be read: HTTP status 404" in told


def test_what_failed_for_good_ends_the_wait() -> None:
    conditions = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]
    PREPARED["/job"] = {
        "kind": "Job",
        "metadata": {"name": "j", "uid": "u"},
        "spec": {},
        "status": {"conditions": conditions},
    }
    told = late([Awaited("Job d/j", "batch", "/job"), DEPLOYMENT], timeout=60)
    assert told == ["Job d/j: failed: BackoffLimitExceeded: too often"]


def test_waiting_for_what_goes() -> None:
    PREPARED["/again"] = {"kind": "ConfigMap", "metadata": {"name": "a", "uid": "new"}}
    PREPARED["/stays"] = {
        "kind": "Namespace",
        "metadata": {"name": "b", "uid": "u", "deletionTimestamp": "2026-11-24T04:00:00Z", "finalizers": ["x.io/f"]},
        "status": {"conditions": [{"type": "NamespaceContentRemaining", "status": "True", "message": "2 pods remain"}]},
    }
    gone = [
        Awaited("a", "", "/gone", gone="u"),
        Awaited("b", "", "/again", gone="old"),
        Awaited("c", "", "/stays", gone="u"),
    ]
    (told,) = late(gone)
    assert re.fullmatch(r"c: is not gone after \d s\n  - finalizer x.io/f\n  - 2 pods remain", told)
