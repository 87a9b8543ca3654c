# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import node as _node
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError, ApiUnreachable
from ansible_collections.k3a.cluster.plugins.modules import node
from ansible_collections.k3a.cluster.tests.unit.api_server import Answers, answering

TARGETS = [_node.wanted_node({"name": "n1", "labels": ["a=1"], "internal_ips": ["10.0.0.1"]}), _node.wanted_node({"name": "n2"})]


def called(folder: Path, check_mode: bool, timeout: float = 0.3) -> Any:
    params = {"data_dir": str(folder), "https_listen_port": 6443, "wait": True, "timeout": timeout}
    return SimpleNamespace(params=params, check_mode=check_mode)


def empty() -> dict[str, Any]:
    return {"changed": False, "nodes": [], "diff": []}


def registered(name: str, ready: str, **metadata: Any) -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "no CNI"}]}
    return {"metadata": {"name": name, "resourceVersion": "1", **metadata}, "spec": {}, "status": status}


def test_check_mode_announces_the_labels_of_nodes_to_come(tmp_path: Path) -> None:
    result = empty()
    node.converge(called(tmp_path, True), TARGETS, result)
    assert result["changed"] and not any(entry["ready"] for entry in result["nodes"])
    assert [(entry["name"], entry["internal_ips"]) for entry in result["nodes"]] == [("n1", ["10.0.0.1"]), ("n2", [])]
    (diff,) = result["diff"]
    assert diff["before_header"] == "Node n1" and 'a: "1"' in diff["after"]


def test_without_check_mode_a_missing_cluster_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ApiUnreachable, match="no server of a cluster"):
        node.converge(called(tmp_path, False), TARGETS, empty())


def test_each_node_that_does_not_come_says_why(tmp_path: Path, asked_at: Any) -> None:
    labelled = registered("n1", "False", labels={"a": "1"}, annotations={"k3a.io/owned": '{"labels":["a"]}'})
    with answering() as url:
        asked_at(url)
        Answers.paths = {"/api/v1/nodes": {"items": [labelled]}}
        result = empty()
        with pytest.raises(ApiError) as error:
            node.converge(called(tmp_path, False), TARGETS, result)
    told = str(error.value).splitlines()
    assert told[1] == "n1 is not Ready: KubeletNotReady: no CNI"
    assert told[2].startswith("n2 is not registered")
    assert [entry["name"] for entry in result["nodes"]] == ["n1"] and not result["changed"]


def test_nodes_as_they_should_be_are_asked_for_once(tmp_path: Path, asked_at: Any) -> None:
    book = {"labels": {"a": "1"}, "annotations": {"k3a.io/owned": '{"labels":["a"]}'}}
    with answering() as url:
        asked_at(url)
        Answers.paths = {"/api/v1/nodes": {"items": [registered("n1", "True", **book), registered("n2", "True")]}}
        result = empty()
        node.converge(called(tmp_path, False, 60), TARGETS, result)
        assert Answers.asked == ["/api/v1/nodes"]
    assert not result["changed"] and [entry["ready"] for entry in result["nodes"]] == [True, True]


def test_a_node_that_waits_for_a_network_of_others_is_told_and_not_waited_for(tmp_path: Path, asked_at: Any) -> None:
    without = registered("n1", "False")
    without["status"]["conditions"][0]["message"] = f"NetworkReady=false: {_node.NO_NETWORK}"
    with answering() as url:
        asked_at(url)
        Answers.paths = {"/api/v1/nodes": {"items": [without, registered("n2", "True")]}}
        result = empty()
        targets = [_node.wanted_node({"name": name, "foreign_network": True}) for name in ("n1", "n2")]
        node.converge(called(tmp_path, False, 60), targets, result)
    assert result["waiting"] == ["n1 waits for a CNI plugin, which k3a_flannel_backend none leaves to others"]
