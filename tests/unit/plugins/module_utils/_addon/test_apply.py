# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._addon import apply as addon
from ansible_collections.k3a.cluster.plugins.module_utils._addon.manifest import Item, Key
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import Resource


def made(api_version: str, kind: str, name: str, **more: Any) -> Item:
    metadata = {"name": name, **more.pop("metadata", {})}
    return Item("x", "f.yaml", {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more})


CRD = {
    "group": "demo.io",
    "scope": "Cluster",
    "names": {"kind": "Widget"},
    "versions": [{"name": "v1"}, {"name": "v2"}],
}
ITEMS = [
    made("apps/v1", "Deployment", "d", metadata={"namespace": "demo"}),
    made("demo.io/v1", "Widget", "w"),
    made("rbac.authorization.k8s.io/v1", "ClusterRole", "system:r"),
    made("v1", "Namespace", "demo"),
    made("apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.demo.io", spec=CRD),
    made("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "v"),
]


@pytest.fixture
def items() -> list[Item]:
    return ITEMS


def test_what_others_stand_on_comes_first(items: list[Item]) -> None:
    kinds = sorted((item.kind for item in items), key=addon.rank)
    assert kinds == [
        "Namespace",
        "CustomResourceDefinition",
        "ClusterRole",
        "Widget",
        "Deployment",
        "ValidatingWebhookConfiguration",
    ]


def test_without_a_cluster_everything_is_created(items: list[Item]) -> None:
    steps = addon.creation_steps(["x", "y"], items, "k3a")
    assert [step.summary()["name"] for step in steps][:4] == ["k3a-addon-x", "k3a-addon-y", "demo", "widgets.demo.io"]
    assert {step.action for step in steps} == {"created"} and all(step.changes for step in steps)
    shown = steps[0].diff()
    assert shown["before"] == "" and "apps/v1 Deployment demo/d" in shown["after"]


def test_a_record_can_be_read_again() -> None:
    key = Key("rbac.authorization.k8s.io", "ClusterRole", "", "system:r")
    other = Key("", "ConfigMap", "kube-system", "c")
    lines = [addon.record_line("rbac.authorization.k8s.io/v1", key), addon.record_line("v1", other)]
    record = addon.read_record(addon.record_item("x", "k3a", lines).body)
    assert record == addon.Record("x", "k3a", [("rbac.authorization.k8s.io/v1", key), ("v1", other)])


def test_a_record_that_was_edited_by_hand_does_no_harm() -> None:
    body = addon.record_item("x", "", ["", "nonsense", "v1 ConfigMap a/b/c", "v1 ConfigMap a/b"]).body
    assert addon.read_record(body).objects == [("v1", Key("", "ConfigMap", "a", "b"))]
    assert addon.read_record({**body, "data": None}) == addon.Record("x", "", [])


def test_what_left_the_manifest_goes_in_reverse_order() -> None:
    names = {kind: Key("", kind, "", kind.lower()) for kind in ("Namespace", "ConfigMap", "Pod", "Secret")}
    record = addon.Record("x", "", [("v1", key) for key in names.values()])
    left = addon.left_over(record, {names["Secret"]})
    assert [key.kind for _version, key in left] == ["Pod", "ConfigMap", "Namespace"]


def test_a_new_version_of_a_kind_is_the_same_object() -> None:
    old = addon.read_record(addon.record_item("x", "", ["autoscaling/v1 HorizontalPodAutoscaler demo/a"]).body)
    new = made("autoscaling/v2", "HorizontalPodAutoscaler", "a", metadata={"namespace": "demo"})
    assert addon.left_over(old, {new.key()}) == []


def test_which_addons_go() -> None:
    records = [addon.Record("a", "k3a", []), addon.Record("b", "k3a", []), addon.Record("mine", "", [])]
    assert addon.leaving(records, ["a", "new"], "present", "k3a") == {"b"}
    assert addon.leaving(records, ["a", "new"], "present", "") == set()
    assert addon.leaving(records, ["mine", "never"], "absent", "") == {"mine"}


def test_the_scope_of_a_kind_that_comes_along(items: list[Item]) -> None:
    widget = next(item for item in items if item.kind == "Widget")
    assert addon.scope_to_come(widget, items) is False
    namespaced = [
        item._replace(body={**item.body, "spec": {**item.body.get("spec", {}), "scope": "Namespaced"}})
        for item in items
    ]
    assert addon.scope_to_come(widget, namespaced) is True
    assert addon.scope_to_come(widget._replace(body={**widget.body, "apiVersion": "demo.io/v3"}), items) is None
    assert addon.scope_to_come(widget, [widget]) is None


def test_a_step_shows_what_was_written_or_what_comes_of_it() -> None:
    written = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "d"}}
    result = {**written, "spec": {"clusterIP": "10.43.0.7"}}
    key, resource = Key("", "Service", "d", "s"), Resource("/api/v1", "services", True)
    new = addon.Step("x", "", key, "created", resource, None, written, result)
    assert "clusterIP" not in new.diff()["after"] and new.diff()["before"] == ""
    changed = new._replace(action="configured", live={**written, "metadata": {**written["metadata"], "uid": "1"}})
    assert "clusterIP" in changed.diff()["after"] and "clusterIP" not in changed.diff()["before"]
    gone = changed._replace(action="pruned", body=None, result=None)
    assert gone.goes and gone.uid == "1" and gone.diff()["after"] == ""
    assert gone.path == "/api/v1/namespaces/d/services/s"
    assert gone.summary() == {"addon": "x", "kind": "Service", "namespace": "d", "name": "s", "action": "pruned"}
