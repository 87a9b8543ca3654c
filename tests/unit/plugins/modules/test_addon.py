# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._addon.apply import creation_steps
from ansible_collections.k3a.cluster.plugins.module_utils._addon.manifest import Item, Key
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiUnreachable
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import Resource
from ansible_collections.k3a.cluster.plugins.modules import addon

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"mine": "1"}}}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "n"}}
OBJECTS = [{"addon": "rbac", "where": f"rbac.yaml, document {n}", "object": o} for n, o in enumerate((NAMESPACE, ROLE))]


def called(folder: Path, check_mode: bool = True, **options: Any) -> Any:
    """The module as it is called when there is no cluster yet."""
    params = {"data_dir": str(folder), "https_listen_port": 6443, "addons": [{"name": "rbac"}], "objects": OBJECTS}
    params.update({"state": "present", "set": "k3a", "wait": True, "field_manager": "k3a", "timeout": 1, **options})
    return SimpleNamespace(params=params, check_mode=check_mode)


def test_check_mode_announces_everything_when_there_is_no_cluster(tmp_path: Path) -> None:
    result: dict[str, Any] = {}
    addon.converge(called(tmp_path), result)
    assert result["changed"]
    assert [(entry["kind"], entry["namespace"], entry["name"], entry["action"]) for entry in result["objects"]] == [
        ("ConfigMap", "kube-system", "k3a-addon-rbac", "created"),
        ("Namespace", "", "n", "created"),
        ("Role", "n", "r", "created"),
    ]
    assert len(result["diff"]) == len(result["objects"])


def test_nothing_can_be_absent_from_no_cluster(tmp_path: Path) -> None:
    result: dict[str, Any] = {}
    addon.converge(called(tmp_path, state="absent"), result)
    assert result == {"changed": False, "objects": [], "diff": []}


def test_without_check_mode_a_missing_cluster_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ApiUnreachable, match="no server of a cluster"):
        addon.converge(called(tmp_path, check_mode=False), {})


def test_what_is_waited_for() -> None:
    manifest = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "x"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "x"}},
    ]
    steps = creation_steps(["x"], [Item("x", "f.yaml", body) for body in manifest], "")
    goes = steps[-1]._replace(action="pruned", live={"metadata": {"uid": "u"}})
    assert [entry.title for entry in addon.to_await(steps, [])] == ["Deployment x/d (addon x)"]
    (entry,) = addon.to_await([*steps[:-1], goes], [])
    assert (entry.title, entry.gone) == ("Deployment x/d (addon x)", "u")
    before = (
        "coredns",
        Key("apps", "Deployment", "kube-system", "coredns"),
        Resource("/apis/apps/v1", "deployments", True),
    )
    account = (
        "coredns",
        Key("", "ServiceAccount", "kube-system", "coredns"),
        Resource("/api/v1", "serviceaccounts", True),
    )
    (entry,) = addon.to_await([], [before, account])
    assert entry == (
        "Deployment kube-system/coredns (addon coredns)",
        "apps",
        before[2].path("kube-system", "coredns"),
        "",
    )
