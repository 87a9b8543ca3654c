# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._addon import diff


def config_map(data: dict[str, str], version: str, owned: Any = None, **metadata: Any) -> dict[str, Any]:
    entry = {"manager": "k3a", "operation": "Apply", "apiVersion": "v1", "time": version, "fieldsV1": owned or {}}
    other = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:x": {}}}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "a",
            "uid": version,
            "resourceVersion": version,
            "managedFields": [entry, other],
            **metadata,
        },
        "data": data,
        "status": {"seen": version},
    }


def test_the_apis_own_bookkeeping_is_no_difference() -> None:
    assert diff.same(config_map({"a": "1"}, "7"), config_map({"a": "1"}, "8"), "k3a")


def test_content_and_ownership_are() -> None:
    live = config_map({"a": "1"}, "7", {"f:data": {"f:a": {}, "f:b": {}}})
    assert not diff.same(live, config_map({"a": "2"}, "7", {"f:data": {"f:a": {}, "f:b": {}}}), "k3a")
    assert not diff.same(live, config_map({"a": "1"}, "7", {"f:data": {"f:a": {}}}), "k3a")
    assert diff.same(live, config_map({"a": "1"}, "7", {"f:data": {"f:a": {}}}), "someone-else")


def test_a_difference_shows_the_object_as_yaml() -> None:
    shown = diff.difference("ConfigMap a", config_map({"a": "1"}, "7"), config_map({"a": "two\nlines\n"}, "8"))
    assert shown["before"] == "apiVersion: v1\ndata:\n  a: \"1\"\nkind: ConfigMap\nmetadata:\n  name: a\n"
    assert (
        shown["after"] == "apiVersion: v1\ndata:\n  a: |\n    two\n    lines\nkind: ConfigMap\nmetadata:\n  name: a\n"
    )
    assert shown["before_header"] == shown["after_header"] == "ConfigMap a"
    assert diff.difference("ConfigMap a", None, config_map({}, "7"))["before"] == ""
    assert diff.difference("ConfigMap a", config_map({}, "7"), None)["after"] == ""


def secret(**data: str) -> dict[str, Any]:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": str(data), "mine": "shown"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": annotations}, "data": data}


def test_secrets_are_never_shown() -> None:
    before, after = (
        secret(same="Y2FuYXJ5", other="Y2FuYXJ5Mg==", gone="Y2FuYXJ5Mw=="),
        secret(same="Y2FuYXJ5", other="bmV3", new="bmV3"),
    )
    shown = diff.difference("Secret s", before, after)
    assert "Y2Fu" not in str(shown) and "bmV3" not in str(shown) and "mine: shown" in shown["after"]
    assert "  gone: \"(hidden)\"\n  other: \"(hidden)\"\n  same: \"(hidden)\"\n" in shown["before"]
    assert "  new: \"(hidden)\"\n  other: \"(hidden) and different\"\n  same: \"(hidden)\"\n" in shown["after"]
    for pair in ((None, after), (before, None)):
        assert "Y2Fu" not in str(diff.difference("Secret s", *pair)) and "bmV3" not in str(
            diff.difference("Secret s", *pair)
        )


def test_a_refused_secret_is_not_quoted() -> None:
    text = 'data[a]: Invalid value: "Y2FuYXJ5": is wrong'
    assert diff.without_secret_values(text, secret(a="Y2FuYXJ5")) == 'data[a]: Invalid value: "(hidden)": is wrong'
    assert diff.without_secret_values(text, config_map({"a": "Y2FuYXJ5"}, "1")) == text
