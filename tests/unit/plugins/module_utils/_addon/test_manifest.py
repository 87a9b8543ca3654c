# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._addon import manifest

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"mine": "1"}}}


def test_objects_are_labelled_as_their_addons() -> None:
    (item,) = manifest.items([{"addon": "x", "where": "f.yaml, document 1", "object": MAP}])
    assert (item.addon, item.where, str(item.key())) == ("x", "f.yaml, document 1", "ConfigMap default/a")
    assert item.body["metadata"]["labels"] == {"mine": "1", "k3a.io/addon": "x"}
    assert MAP["metadata"] == {"name": "a", "labels": {"mine": "1"}}


def test_a_kind_without_namespaces_has_none() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}}
    (item,) = manifest.items([{"addon": "x", "where": "f.yaml", "object": role}])
    assert str(item.key()) == "ClusterRole a" and item.key().group == "rbac.authorization.k8s.io"
    assert str(item.key(namespaced=True)) == "ClusterRole default/a"


def test_all_that_is_wrong_is_told_at_once() -> None:
    error = manifest.ManifestError(text for text in ("a: kind is missing", "b: not valid YAML"))
    assert error.findings == ["a: kind is missing", "b: not valid YAML"]
    assert str(error).splitlines()[1:] == error.findings
