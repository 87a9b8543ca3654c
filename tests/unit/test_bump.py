# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tools/bump decides; that a round trip leaves nothing is what `make test-all PART=bump` shows."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.k3a.cluster.tests.unit.checkout_tools import load

bump = load("bump")
COMPONENTS = (bump.BUNDLE / "components.yml").read_text()


def required(path, version, indirect=False):
    return {"Path": path, "Version": version, **({"Indirect": True} if indirect else {})}


def replaced(path, version):
    return {"Old": {"Path": path}, "New": {"Path": path, "Version": version}}


@pytest.mark.parametrize("name", yaml.safe_load(COMPONENTS)["components"])
def test_a_recipe_is_moved_and_nothing_else(name):
    before = yaml.safe_load(COMPONENTS)["components"]
    moved = bump.with_version(COMPONENTS, name, "v9.8.7")
    after = yaml.safe_load(moved)["components"]
    assert after == {**before, name: {**before[name], "version": "v9.8.7"}}
    assert bump.with_version(moved, name, before[name]["version"]) == COMPONENTS


def test_a_component_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(bump.BumpError, match="no component etc; there are kubernetes, etcd, containerd"):
        bump.recipe_of(COMPONENTS, "etc")


def test_siblings_of_the_same_release_move_along():
    require = [
        required("go.etcd.io/etcd/server/v3", "v3.7.3"),
        required("go.etcd.io/etcd/etcdctl/v3", "v3.7.3"),
        required("go.etcd.io/etcd/api/v3", "v3.7.3", indirect=True),
        required("github.com/spf13/cobra", "v1.10.2"),
    ]
    assert bump.edits({"Require": require, "Replace": None}, "go.etcd.io/etcd/server/v3", "v3.7.3", "v3.7.4", ()) == [
        "-require=go.etcd.io/etcd/etcdctl/v3@v3.7.4",
        "-require=go.etcd.io/etcd/server/v3@v3.7.4",
    ]


def test_a_tool_that_is_required_indirectly_moves():
    lock = {"Require": [required("github.com/opencontainers/runc", "v1.5.2", indirect=True)], "Replace": None}
    assert bump.edits(lock, "github.com/opencontainers/runc", "v1.5.2", "v1.5.3", ()) == [
        "-require=github.com/opencontainers/runc@v1.5.3"
    ]


def test_staging_modules_come_go_and_move_with_kubernetes():
    lock = {
        "Require": [
            required("k8s.io/kubernetes", "v1.37.2"),
            required("k8s.io/component-base", "v0.37.2"),
            required("k8s.io/kubectl", "v0.0.0"),
        ],
        "Replace": [replaced("k8s.io/api", "v0.37.2"), replaced("k8s.io/gone", "v0.37.2"), replaced("other", "v1.0.0")],
    }
    staging = {"k8s.io/api", "k8s.io/component-base", "k8s.io/kubectl", "k8s.io/new"}
    assert bump.edits(lock, "k8s.io/kubernetes", "v1.37.2", "v1.38.0", staging) == [
        "-require=k8s.io/kubernetes@v1.38.0",
        "-dropreplace=k8s.io/gone",
        "-replace=k8s.io/api=k8s.io/api@v0.38.0",
        "-replace=k8s.io/component-base=k8s.io/component-base@v0.38.0",
        "-replace=k8s.io/kubectl=k8s.io/kubectl@v0.38.0",
        "-replace=k8s.io/new=k8s.io/new@v0.38.0",
        "-require=k8s.io/component-base@v0.38.0",
    ]


def test_only_modules_in_upstreams_own_tree_are_staging_modules():
    inside = {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}}
    assert bump.staging_modules({"Replace": [inside, replaced("fork", "v1.0.0")]}) == {"k8s.io/api"}
    assert bump.staging_modules({"Replace": None}) == set()


def test_the_sample_of_flags_names_the_version():
    sample = bump.FLAGS.read_text()
    moved = json.loads(bump.with_sample_version(sample, "kubernetes", "v1.38.0"))
    before = json.loads(sample)
    assert moved == {**before, "versions": {**before["versions"], "kubernetes": "v1.38.0"}}
    assert bump.with_sample_version(sample, "runc", "v9.9.9") == sample


def test_the_sample_is_written_as_it_is():
    before = json.loads(bump.FLAGS.read_text())
    assert bump.sample_of(before["versions"], before["flags"]) == bump.FLAGS.read_text()


def test_the_fragment_says_what_changed_since_the_release():
    first = bump.fragment("etcd", "v3.7.3", "v3.7.4", None)
    assert yaml.safe_load(first) == {"minor_changes": ["The bundle has etcd v3.7.4, after v3.7.3."]}
    second = bump.fragment("etcd", "v3.7.4", "v3.7.5", first)
    assert yaml.safe_load(second) == {"minor_changes": ["The bundle has etcd v3.7.5, after v3.7.3."]}
    assert bump.fragment("etcd", "v3.7.5", "v3.7.3", second) is None


def test_the_documentation_names_the_go_that_a_build_needs():
    newest = bump.newest_go(path.read_text() for path in bump.BUNDLE.glob("*/go.mod"))
    assert bump.newest_go(["go 1.26.6\n", "go 1.26.10\n", "module x\n"]) == "1.26.10"
    for path in bump.REQUIREMENTS:
        assert f"Go {newest} or newer" in path.read_text(), path
