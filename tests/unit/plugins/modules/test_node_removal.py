# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password
from ansible_collections.k3a.cluster.plugins.modules import node_removal
from ansible_collections.k3a.cluster.tests.unit.object_server import Objects, keeping

NODE = "/api/v1/nodes/n1"
SECRET = "/api/v1/namespaces/k3a-system/secrets/n1.node-password.k3a"
KEPT = "/api/v1/namespaces/k3a-system/configmaps/k3a-removed-nodes"


@pytest.fixture
def objects(asked_at: Any) -> Iterator[Objects]:
    with keeping() as (objects, url):
        asked_at(url)
        yield objects


@pytest.fixture
def removed(run_module: Any, objects: Objects) -> Any:
    def run(*nodes: str, **more: Any) -> dict[str, Any]:
        options = {"timeout": 20, "release_names": True, **more}
        return run_module(node_removal, nodes=list(nodes), **options)

    return run


def test_a_node_goes_with_its_password_and_no_other(objects: Objects, removed: Any) -> None:
    others = [path.replace("n1", "n2") for path in (NODE, SECRET)]
    for path in (NODE, SECRET, *others):
        objects.add(path, {})
    announced = removed("n1", check=True)
    assert set(objects.kept) == {NODE, SECRET, *others}
    result = removed("n1", "n1")
    assert result["changed"] and set(objects.kept) == set(others)
    assert result["removed_objects"] == ["Node n1", "Secret k3a-system/n1.node-password.k3a"]
    assert announced == result
    again = removed("n1")
    assert (again["changed"], again["removed_objects"], again["diff"]) == (False, [], [])


def test_a_run_that_was_killed_in_between_is_finished(objects: Objects, removed: Any) -> None:
    objects.add(SECRET, {"data": {"hash": "JDE6c2VjcmV0"}})
    result = removed("n1")
    assert result["removed_objects"] == ["Secret k3a-system/n1.node-password.k3a"] and objects.kept == {}
    assert "JDE6" not in str(result)


def test_what_another_deletes_meanwhile_is_gone(objects: Objects, removed: Any) -> None:
    objects.add(NODE, {})
    objects.refusals[("DELETE", NODE)] = [(404, "not found")]
    objects.before = lambda method, path: objects.kept.pop(NODE, None) if method == "DELETE" else None
    assert not removed("n1").get("failed")


@pytest.mark.parametrize(
    "metadata, told",
    [
        (
            {"deletionTimestamp": "2026-11-24T12:00:00Z", "finalizers": ["example.com/x"]},
            "Node n1 waits for its finalizers example.com/x",
        ),
        ({}, "Node n1 was made anew by a kubelet that still runs"),
    ],
)
def test_a_node_that_stays_says_why(objects: Objects, removed: Any, metadata: dict[str, Any], told: str) -> None:
    objects.add(NODE, {"metadata": metadata})
    objects._delete = lambda *_: (200, {})  # type: ignore[method-assign]
    result = removed("n1", timeout=1)
    assert result["failed"] and result["msg"] == f"Removal of nodes: deleted, but still there: {told}"


def test_what_the_api_refuses_is_told(objects: Objects, removed: Any) -> None:
    objects.add(NODE, {})
    objects.refusals[("DELETE", NODE)] = [(403, "not allowed")]
    assert removed("n1")["msg"] == "Removal of nodes: Node n1: not allowed"


def test_the_name_is_kept_before_the_node_goes(objects: Objects, removed: Any) -> None:
    objects.add(NODE, {})
    announced = removed("n1", release_names=False, check=True)
    assert KEPT not in objects.kept
    result = removed("n1", release_names=False)
    assert announced == result
    assert [asked for asked in objects.asked if asked[0] in ("POST", "DELETE")][0][:2] == ("POST", KEPT.rpartition("/")[0])
    until = node_password.moment(objects.kept[KEPT]["data"]["n1"])
    assert 365 * 86400 < until - time.time() < 367 * 86400
    assert result["diff"][0]["after"] == "n1\n"
    assert not removed("n1", release_names=False)["changed"]


def test_a_name_is_set_free_when_nothing_is_left_of_its_machine(objects: Objects, removed: Any) -> None:
    objects.add(KEPT, {"data": {"n1": "2099-01-01T00:00:00Z", "n2": "2099-01-01T00:00:00Z"}})
    assert removed("n1")["changed"]
    assert objects.kept[KEPT]["data"] == {"n2": "2099-01-01T00:00:00Z"}
    assert not removed("n1")["changed"]
