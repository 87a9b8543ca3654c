# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import programs
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store as store_of
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import parse_manifest
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import (
    CONTENTS,
    make_archive,
    make_bundle,
    unpack_as_before,
)


@pytest.fixture
def store(tmp_path):
    return store_of.Store(str(tmp_path / "k3a"))


def installed(store, folder: Path, contents=None) -> dict:
    """The parameters of a component with a bundle that is on the node."""
    identity = make_bundle(folder, contents)
    store_of.install(store, identity, str(make_archive(folder, folder / "stream.tar")))
    return {"bundle": store.bundle(identity), "programs": {}}


def test_a_program_is_named_by_its_content(store, tmp_path):
    params = installed(store, tmp_path / "bundle")
    files = f"{store.root}/files"
    kubernetes, etcd, bridge = (
        hashlib.sha256(CONTENTS[path]).hexdigest() for path in ("bin/kubernetes", "bin/etcd", "cni/bridge")
    )
    assert programs.program(params, "etcd") == f"{files}/{etcd}/etcd"
    assert programs.program(params, "kubelet") == f"{files}/{kubernetes}/kubelet"
    assert programs.plugin_directories(params) == [f"{files}/{bridge}"]
    assert Path(programs.program(params, "kubelet")).read_bytes() == CONTENTS["bin/kubernetes"]


def test_a_bundle_with_another_image_names_the_same_programs(store, tmp_path):
    first = installed(store, tmp_path / "bundle")
    second = installed(store, tmp_path / "newer", {**CONTENTS, "images/pause.tar": b"another image"})
    assert first["bundle"] != second["bundle"]
    for name in ("etcd", "kubelet"):
        assert programs.program(first, name) == programs.program(second, name)
    assert programs.plugin_directories(first) == programs.plugin_directories(second)


def test_a_bundle_with_another_program_names_that_one_anew(store, tmp_path):
    first = installed(store, tmp_path / "bundle")
    second = installed(store, tmp_path / "newer", {**CONTENTS, "bin/etcd": b"another etcd"})
    assert programs.program(first, "etcd") != programs.program(second, "etcd")
    assert programs.program(first, "kubelet") == programs.program(second, "kubelet")


def test_check_mode_knows_the_programs_of_a_bundle_that_is_not_there(store, tmp_path):
    identity = make_bundle(tmp_path / "bundle")
    manifest = parse_manifest((tmp_path / "bundle/manifest.json").read_bytes())
    absent = {"bundle": store.bundle(identity), "programs": programs.future_programs(manifest, store.data_dir)}
    store_of.install(store, identity, str(make_archive(tmp_path / "bundle", tmp_path / "stream.tar")))
    present = {**absent, "programs": {}}
    for name in ("etcd", "etcdctl", "kubelet"):
        assert programs.program(absent, name) == programs.program(present, name)
    assert programs.plugin_directories(absent) == programs.plugin_directories(present)


def test_check_mode_knows_which_programs_a_repair_brings_elsewhere(store, tmp_path):
    """A bundle that an earlier version unpacked keeps the places of what is right in it."""
    identity = make_bundle(tmp_path / "bundle")
    directory = Path(store.bundle(identity))
    unpack_as_before(tmp_path / "bundle", directory)
    os.symlink(identity, f"{store.root}/current")
    (directory / "bin/kubernetes").write_bytes(b"damaged")
    state = store_of.inspect(store, identity, remember=False)
    announced = programs.future_programs(state.manifest, store.data_dir, state.damaged)
    store_of.install(store, identity, str(make_archive(tmp_path / "bundle", tmp_path / "stream.tar")))
    for name in ("etcd", "kubelet"):
        before, after = (
            programs.program({"bundle": str(directory), "programs": given}, name) for given in (announced, {})
        )
        assert before == after


def test_a_bundle_that_an_earlier_version_unpacked_is_used_by_its_own_paths(store, tmp_path):
    identity = make_bundle(tmp_path / "bundle")
    unpack_as_before(tmp_path / "bundle", Path(store.bundle(identity)))
    os.symlink(identity, f"{store.root}/current")
    params = {"bundle": store.bundle(identity), "programs": {}}
    # A newer bundle on the same node does not change that.
    installed(store, tmp_path / "newer", {**CONTENTS, "images/pause.tar": b"another image"})
    assert programs.program(params, "kubelet") == f"{params['bundle']}/bin/kubelet"
    assert programs.plugin_directories(params) == [f"{params['bundle']}/cni"]


@pytest.mark.parametrize("is_older", [False, True])
def test_the_link_to_the_current_bundle_stands_for_it(store, tmp_path, is_older):
    """A step that has not looked at the bundle, such as one of remove_node.yml, changes no unit by it."""
    if is_older:
        params = {"bundle": store.bundle(make_bundle(tmp_path / "bundle")), "programs": {}}
        unpack_as_before(tmp_path / "bundle", Path(params["bundle"]))
    else:
        params = installed(store, tmp_path / "bundle")
    os.symlink(os.path.basename(params["bundle"]), f"{store.root}/current")
    current = {**params, "bundle": f"{store.root}/current"}
    assert programs.program(current, "kubelet") == programs.program(params, "kubelet")
    assert programs.plugin_directories(current) == programs.plugin_directories(params)
