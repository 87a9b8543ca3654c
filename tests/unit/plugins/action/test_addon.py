# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.action import addon as action
from ansible_collections.k3a.cluster.plugins.module_utils._components.registry import DECLARATIONS
from ansible_collections.k3a.cluster.plugins.modules import addon as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import rbac

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {version: 1.2.3}\n"


@pytest.fixture
def announced(run_action: Any, tmp_path: Path) -> Any:
    """What an addon would bring to a cluster that is still to be made."""

    def run(*addons: dict[str, Any], **more: Any) -> dict[str, Any]:
        return run_action(action, module, check=True, data_dir=str(tmp_path / "none"), addons=list(addons), **more)

    return run


def names(result: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in result["objects"]]


def test_files_texts_and_objects_arrive_as_objects(announced: Any, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/b.yaml").write_text(MAP.replace("name: a", "name: b"))
    given = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c"}}
    result = announced({"name": "files", "path": [str(tmp_path / "x")], "manifest": MAP}, {"name": "n", "manifest": given})
    assert names(result) == ["k3a-addon-files", "k3a-addon-n", "c", "b", "a"]
    assert any('version: "1.2.3"' in diff["after"] for diff in result["diff"])


def test_the_own_permissions_can_be_read(announced: Any) -> None:
    kinds = {entry["kind"] for entry in announced({"name": "rbac", "manifest": rbac.objects(DECLARATIONS, {})})["objects"]}
    assert kinds == {
        *("ConfigMap", "Namespace", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
        *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
        *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"),
        *("PriorityLevelConfiguration", "FlowSchema"),
    }


def test_what_goes_is_not_read(announced: Any, tmp_path: Path) -> None:
    result = announced({"name": "x", "path": [str(tmp_path / "gone.yaml")]}, state="absent")
    assert (result["changed"], result["objects"]) == (False, [])


def test_wrong_manifests_reach_no_host(run_action: Any, announced: Any) -> None:
    result = announced({"name": "x", "manifest": "kind: A\nmetadata: {name: a}"}, {"name": "y", "path": ["/none.yaml"]})
    assert result["failed"] and result["msg"].splitlines() == [
        "Nothing was changed, because manifests are wrong:",
        "addon x, document 1 (line 1): apiVersion is missing",
        "addon y: /none.yaml: No such file or directory",
    ]
    assert run_action.exchanges == []


def test_an_addon_that_says_what_it_consists_of_has_nothing_else(run_action: Any, announced: Any) -> None:
    allowed = ["ConfigMap default/a", "Namespace b"]
    assert names(announced({"name": "x", "manifest": MAP, "consists_of": allowed})) == ["k3a-addon-x", "a"]
    run_action.exchanges.clear()
    others = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "kube-system"}},
        {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c"}}]},
    ]
    result = announced({"name": "x", "manifest": [*others], "consists_of": allowed}, {"name": "y", "manifest": MAP})
    assert result["failed"] and result["msg"].splitlines()[1:] == [
        "addon x, document 1: the addon x is not to have Secret default/a",
        "addon x, document 2: the addon x is not to have ConfigMap kube-system/a",
        "addon x, document 3, items[0]: the addon x is not to have Namespace c",
    ]
    assert run_action.exchanges == []
