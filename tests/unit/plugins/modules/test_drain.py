# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.modules import drain
from ansible_collections.k3a.cluster.tests.unit.object_server import Objects, keeping

BUDGET = {"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2"}]}


class Cluster:
    """Nodes and pods; an evicted pod is gone at once, unless its node does not answer."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.evictions: list[dict[str, Any]] = []
        self.answers: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self._get = objects._get
        objects._get, objects._post = self.get, self.post  # type: ignore[method-assign]

    def node(self, name: str, ready: str = "True", **spec: Any) -> None:
        status = {"conditions": [{"type": "Ready", "status": ready}]}
        self.objects.add(f"/api/v1/nodes/{name}", {"spec": spec, "status": status})

    def pod(self, name: str, node: str, owner: str = "ReplicaSet", **metadata: Any) -> None:
        owners = [{"kind": owner, "name": "o", "controller": True}] if owner else []
        body = {"namespace": "default", "uid": f"uid-{name}", "ownerReferences": owners, **metadata}
        spec = {"nodeName": node, "volumes": [{"name": "tmp", "emptyDir": {}}]}
        status = {"phase": "Running"}
        self.objects.add(self.path(name), {"metadata": body, "spec": spec, "status": status})

    @staticmethod
    def path(name: str) -> str:
        return f"/api/v1/namespaces/default/pods/{name}"

    @property
    def names(self) -> list[str]:
        return [path.rsplit("/", 1)[1] for path in sorted(self.objects.kept) if "/pods/" in path]

    def get(self, path: str, query: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        if path != "/api/v1/pods":
            return self._get(path, query, body)
        node = query["fieldSelector"].removeprefix("spec.nodeName=")
        pods = [kept for path, kept in self.objects.kept.items() if "/pods/" in path]
        return 200, {"items": [kept for kept in pods if kept["spec"]["nodeName"] == node]}

    def post(self, path: str, _query: Any, body: Any) -> tuple[int, dict[str, Any]]:
        self.evictions.append(body)
        name = body["metadata"]["name"]
        assert path == f"{self.path(name)}/eviction"
        if self.answers.get(name):
            return self.answers[name].pop(0)
        pod = self.objects.kept[self.path(name)]
        ready = self.objects.kept[f"/api/v1/nodes/{pod['spec']['nodeName']}"]["status"]["conditions"][0]["status"]
        if ready == "True":
            del self.objects.kept[self.path(name)]
        else:
            pod["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
        return 201, {}

    def unschedulable(self, name: str) -> bool:
        return bool(self.objects.kept[f"/api/v1/nodes/{name}"]["spec"].get("unschedulable"))


@pytest.fixture
def cluster(asked_at: Any) -> Iterator[Cluster]:
    with keeping() as (objects, url):
        asked_at(url)
        yield Cluster(objects)


@pytest.fixture
def drained(run_module: Any, cluster: Cluster) -> Any:
    def run(*nodes: str, **more: Any) -> dict[str, Any]:
        return run_module(drain, nodes=list(nodes), **{"timeout": 20, **more})

    return run


def test_nodes_are_cordoned_and_their_pods_evicted_once(cluster: Cluster, drained: Any) -> None:
    for name in ("n1", "n2", "n3"):
        cluster.node(name)
        cluster.pod(f"web-{name}", name)
    cluster.pod("flannel", "n1", "DaemonSet")
    result = drained("n1", "n2", "n1")
    assert result["changed"] and sorted(result["evicted_pods"]) == ["default/web-n1", "default/web-n2"]
    assert result["remaining_pods"] == [] and cluster.names == ["flannel", "web-n3"]
    assert [cluster.unschedulable(name) for name in ("n1", "n2", "n3")] == [True, True, False]
    assert result["diff"][0]["before"] == "n1\n  default/web-n1\nn2\n  default/web-n2\n"
    assert result["diff"][0]["after"] == "n1 (no new pods)\nn2 (no new pods)\n"
    again = drained("n1", "n2")
    assert (again["changed"], again["evicted_pods"], again["diff"]) == (False, [], [])


def test_check_mode_says_what_would_go_and_asks_only(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("web", "n1")
    result = drained("n1", check=True)
    assert result["changed"] and result["evicted_pods"] == ["default/web"]
    assert cluster.names == ["web"] and not cluster.unschedulable("n1")
    assert {method for method, _path, _query in cluster.objects.asked} == {"GET"}


def test_a_node_that_is_gone_needs_nothing(cluster: Cluster, drained: Any) -> None:
    result = drained("n9")
    assert (result["changed"], result["evicted_pods"]) == (False, [])


def test_a_pod_without_a_controller_stops_everything_unless_it_is_given_up(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("alone", "n1", owner="")
    cluster.pod("web", "n1")
    result = drained("n1")
    assert result["failed"] and result["msg"] == (
        "Drain: nothing was changed, since 1 pod does not leave\n"
        "default/alone on n1: no controller would make it anew; force=true gives it up"
    )
    assert cluster.names == ["alone", "web"] and not cluster.unschedulable("n1")
    assert sorted(drained("n1", force=True)["evicted_pods"]) == ["default/alone", "default/web"]


def test_data_in_an_emptydir_is_kept_when_it_is_to_be(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("web", "n1")
    assert "emptyDir tmp would be lost" in drained("n1", delete_emptydir_data=False)["msg"]
    assert cluster.names == ["web"]


def test_a_budget_is_waited_for_and_holds_up_no_other_pod(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("a", "n1")
    cluster.pod("b", "n1")
    cluster.answers["a"] = [(429, {"message": "Cannot evict pod.", "details": BUDGET})] * 2
    result = drained("n1")
    assert sorted(result["evicted_pods"]) == ["default/a", "default/b"] and cluster.names == []
    assert [body["metadata"]["name"] for body in cluster.evictions] == ["a", "b", "a", "a"]


def test_a_budget_that_does_not_give_way_is_named(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("a", "n1")
    cluster.answers["a"] = [(429, {"message": "Cannot evict pod.", "details": BUDGET})] * 1000
    result = drained("n1", timeout=1)
    assert result["failed"] and result["evicted_pods"] == []
    assert result["msg"] == (
        "Drain: not finished after 1 s, since 1 pod does not leave\n"
        "default/a on n1: The disruption budget web needs 2 healthy pods and has 2"
    )
    assert result["remaining_pods"] == [{"pod": "default/a", "node": "n1", "reason": BUDGET["causes"][0]["message"]}]
    assert cluster.unschedulable("n1")


def test_what_will_never_be_evicted_fails_at_once(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("a", "n1")
    cluster.answers["a"] = [(500, {"message": "This pod has more than one PodDisruptionBudget"})]
    assert drained("n1")["msg"] == (
        "Drain: default/a cannot be evicted: This pod has more than one PodDisruptionBudget"
    )


@pytest.mark.parametrize(
    "status, answer",
    [
        (404, {}),
        (409, {"message": "the UID in the precondition does not match"}),
        (403, {"details": {"causes": [{"reason": "NamespaceTerminating", "message": "namespace default ends"}]}}),
        (503, {"message": "the server is starting"}),
    ],
)
def test_what_settles_by_itself_is_tried_again(cluster: Cluster, drained: Any, status: int, answer: dict[str, Any]) -> None:
    cluster.node("n1")
    cluster.pod("a", "n1")
    cluster.answers["a"] = [(status, answer)]
    assert drained("n1")["evicted_pods"] == ["default/a"]


def test_on_a_dead_node_it_is_enough_that_pods_are_to_end(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1", ready="Unknown")
    cluster.pod("a", "n1")
    assert drained("n1")["evicted_pods"] == ["default/a"]
    assert cluster.names == ["a"]
    assert drained("n1")["changed"] is False


def test_a_pod_that_does_not_end_is_told_of(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("a", "n1", deletionTimestamp="2026-11-24T12:00:00Z", finalizers=["example.com/x"])
    result = drained("n1", timeout=1)
    assert "held by its finalizers example.com/x" in result["msg"] and cluster.evictions == []


def test_the_grace_period_is_passed_on(cluster: Cluster, drained: Any) -> None:
    cluster.node("n1")
    cluster.pod("a", "n1")
    drained("n1", grace_period=7)
    assert cluster.evictions[0]["deleteOptions"] == {"preconditions": {"uid": "uid-a"}, "gracePeriodSeconds": 7}
