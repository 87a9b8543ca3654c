# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import threading

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.modules import node_registration
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import NODES, Cluster, serving

PLACE = f"{NODES}/w1"
GIVEN = {
    "node_name": "w1",
    "labels": ["example.com/disk=ssd"],
    "annotations": ["example.com/owner=ann"],
    "taints": ["dedicated=db:NoSchedule"],
}
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


@pytest.fixture
def cluster(ca_certificates, tmp_path, monkeypatch):
    monkeypatch.setattr(node_registration, "PAUSE", 0.01)
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", str(tmp_path / "kubelet-client-current.pem"))
    known = Cluster(*ca_certificates)
    with serving(known, tmp_path):
        yield known


@pytest.fixture
def register(run_module, cluster, tmp_path):
    """The module on a machine that has joined, unless it is told otherwise."""

    def run(joined=True, check=False, timeout=20, **options):
        trust = tmp_path / "k3a/agent/tls/server-ca.crt"
        trust.parent.mkdir(parents=True, exist_ok=True)
        if joined:
            trust.write_text(cluster.server.text)
            (tmp_path / "kubelet-client-current.pem").write_text("".join(cluster.client.node("w1")))
        own = {"data_dir": str(tmp_path / "k3a"), "server_url": cluster.url, "timeout": timeout}
        return run_module(node_registration, check=check, **{**own, **GIVEN, **options})

    return run


def registered(ready="True", taints=(TAINT,), **metadata):
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "no CNI"}]
    return {
        "metadata": {"name": "w1", "resourceVersion": "1", **metadata},
        "spec": {"taints": list(taints)},
        "status": {"conditions": conditions},
    }


def methods(cluster):
    return [method for method, _path, _user in cluster.asked]


def test_it_gets_what_it_lacks_and_then_nothing(register, cluster):
    cluster.objects[PLACE] = registered(labels={"kubernetes.io/hostname": "w1"})
    first = register()
    assert (first["changed"], first["node"]["name"], first["node"]["ready"]) == (True, "w1", True)
    assert "example.com/disk: ssd" in first["diff"][0]["after"]
    kept = cluster.objects[PLACE]["metadata"]
    assert kept["labels"] == {"kubernetes.io/hostname": "w1", "example.com/disk": "ssd"}
    assert kept["annotations"]["example.com/owner"] == "ann"
    cluster.asked.clear()
    again = register()
    assert (again["changed"], again["diff"], methods(cluster)) == (False, [], ["GET"])


def test_what_is_no_longer_asked_for_goes_and_what_others_set_stays(register, cluster):
    cluster.objects[PLACE] = registered(labels={"theirs": "1"}, annotations={"theirs": "2"})
    register()
    register(labels=[], annotations=[])
    kept = cluster.objects[PLACE]["metadata"]
    assert kept["labels"] == {"theirs": "1"}
    assert kept["annotations"] == {"theirs": "2"}


def test_check_mode_says_the_same_and_changes_nothing(register, cluster):
    cluster.objects[PLACE] = registered()
    foreseen = register(check=True)
    assert methods(cluster) == ["GET"]
    assert register()["diff"] == foreseen["diff"] != []


def test_check_mode_before_the_machine_has_joined_asks_nobody(register, cluster):
    """The kubelet registers the node with its labels and taints; the annotations are what is left to say."""
    foreseen = register(joined=False, check=True)
    assert (foreseen["changed"], cluster.asked, foreseen["node"]["ready"]) == (True, [], False)
    (diff,) = foreseen["diff"]
    assert "example.com/owner: ann" in diff["after"] and "example.com/disk: ssd" not in diff["after"]
    assert "warnings" not in foreseen


def test_a_machine_that_has_not_joined_is_told_so(register, cluster):
    failed = register(joined=False)
    assert failed["failed"] and "this machine is no node yet" in failed["msg"] and cluster.asked == []


def test_check_mode_when_nothing_answers_yet(register, cluster):
    assert register(check=True, server_url="https://127.0.0.1:1")["changed"] is True


def test_it_waits_for_the_kubelet_to_register_and_be_ready(register, cluster):
    cluster.hiccups = [(503, "starting")]
    events = [
        threading.Timer(0.2, lambda: cluster.objects.update({PLACE: registered("False")})),
        threading.Timer(0.5, lambda: cluster.objects[PLACE]["status"]["conditions"][0].update(status="True")),
    ]
    for event in events:
        event.start()
    result = register()
    assert result["node"]["ready"] is True
    assert len(result["diff"]) == 1 and methods(cluster).count("PATCH") == 1


@pytest.mark.parametrize(
    ("live", "told"),
    [
        (None, "node w1 is not registered: its kubelet has not reached the API"),
        (registered("False"), "node w1 is not Ready: KubeletNotReady: no CNI"),
    ],
)
def test_a_node_that_is_not_ready_in_time_says_what_it_lacks(register, cluster, live, told):
    if live:
        cluster.objects[PLACE] = json.loads(json.dumps(live))
    failed = register(timeout=0)
    assert failed["failed"] and told in failed["msg"] and failed["msg"].endswith("given up after 0 s")
    # What was done before is told all the same.
    assert failed["changed"] is bool(live) and len(failed["diff"]) == bool(live)


def test_an_api_that_does_not_answer_in_time(register):
    failed = register(timeout=0, server_url="https://127.0.0.1:1")
    assert failed["msg"].startswith("node w1 cannot be looked at: the API at https://127.0.0.1:1 cannot be reached")


def test_what_the_api_refuses_is_told_in_its_words(register, cluster):
    cluster.objects[PLACE] = registered()
    cluster.hiccups = [(403, "w1 is not allowed")]
    assert register()["msg"] == "w1 is not allowed"


def test_a_label_that_a_node_may_not_give_itself(register, cluster):
    failed = register(labels=["node-role.kubernetes.io/worker=", "kubernetes.io/os=linux", "a.k8s.io/b=c"])
    assert failed["msg"] == "a node may not give itself the label node-role.kubernetes.io/worker or a.k8s.io/b"
    assert cluster.asked == []


def test_a_taint_that_it_did_not_register_with_is_warned_of(register, cluster):
    cluster.objects[PLACE] = registered(taints=[{**TAINT, "value": "web"}])
    (warning,) = register()["warnings"]
    assert "node w1 lacks dedicated=db:NoSchedule, and may not taint itself" in str(warning)
    assert cluster.objects[PLACE]["spec"]["taints"] == [{**TAINT, "value": "web"}]
