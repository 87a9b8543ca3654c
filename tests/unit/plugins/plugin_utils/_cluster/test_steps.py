# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.modules import bundle as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import make_bundle

AUTH = {"configs": {"reg.example": {"auth": {"username": "me", "password": "s3cr3t"}}}}


def test_a_step_that_needs_nothing_observes_with_its_tasks_arguments():
    arguments = {"data_dir": "/data", "node_name": "n"}
    assert steps.completed_arguments("kubelet", arguments) == arguments
    assert steps.settled_result("kubelet", arguments) == {}


def test_a_bundle_is_observed_by_its_id_and_is_where_it_is_kept(tmp_path):
    make_bundle(tmp_path / "bundle")
    arguments = {"bundle": str(tmp_path / "bundle"), "data_dir": "/data"}
    completed, settled = steps.completed_arguments("bundle", arguments), steps.settled_result("bundle", arguments)
    assert completed == {**arguments, "id": settled["id"]}
    assert settled["path"] == f"/data/data/{settled['id']}"
    pause = {"name": "registry.k8s.io/pause:3.10", "component": "pause"}
    assert settled["images"] == [{**pause, "path": f"{settled['path']}/images/pause.tar"}]
    assert (settled.keys(), settled["programs"]) == ({"path", "id", "versions", "images", "programs"}, {})
    assert settled.keys() < yaml.safe_load(module.RETURN).keys()


def test_registries_are_parted_from_their_secrets():
    arguments = {"bundle": "/b", "registries": AUTH}
    assert steps.completed_arguments("containerd", arguments) == {
        "bundle": "/b",
        "registries": {"configs": {"reg.example": {"auth": {"username": "me"}}}},
        "registry_secrets": {"reg.example": {"password": "s3cr3t"}},
    }
    assert arguments["registries"] is AUTH
    assert steps.completed_arguments("containerd", {"bundle": "/b"}) == {"bundle": "/b", "registries": {}, "registry_secrets": {}}


def test_what_components_declare_is_handed_over():
    assert steps.completed_arguments("host", {"data_dir": "/data"}) == {
        "data_dir": "/data",
        "users": registry.users(),
        "interfaces": list(registry.remains().interfaces),
    }
    for profile in ("server", "agent"):
        arguments = {"profile": profile, "node_name": "n"}
        assert steps.completed_arguments("certificate", arguments) == {**arguments, "declared": registry.certificates(profile)}


def test_what_later_tasks_read_of_a_step_that_has_nothing_to_do():
    assert steps.settled_result("bootstrap", {}) == {"missing_paths": []}
    assert steps.settled_result("certificate", {}) == {"requests": [], "paths": []}
