# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import build as building
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import bundle_key
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import open_bundle
from ansible_collections.k3a.cluster.tests.unit.recipe_samples import (
    hello,
    in_go,
    needs_gcc,
    needs_go,
    tool,
    with_recipe,
)


@pytest.fixture
def component(tmp_path):
    return hello(tmp_path)


def test_the_cache_is_chosen_by_option_environment_or_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("K3A_CACHE", raising=False)
    assert building.cache_root() == f"{tmp_path}/.cache/k3a"
    monkeypatch.setenv("K3A_CACHE", "~/elsewhere")
    assert building.cache_root() == f"{tmp_path}/elsewhere"
    assert building.cache_root("/chosen") == "/chosen"


@needs_gcc
def test_a_component_is_built_stored_and_not_built_again(component):
    path = building.build(tool, with_recipe(component, links={"bin/hi": "hello"}, flags=["bin/hello"]), "gcc")
    description = json.loads(Path(path, "component.json").read_text())
    (entry,) = description["files"]
    content = gzip.decompress(Path(path, "files", f"{entry['sha256']}.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert (entry["path"], entry["size"], entry["mode"]) == ("bin/hello", len(content), "0755")
    assert (description["links"], description["flags"]) == ({"bin/hi": "hello"}, {"hello": ["loud"]})
    assert sorted(os.listdir(path)) == ["component.json", "files"]
    before = os.stat(path).st_ino
    assert building.build(tool, with_recipe(component, links={"bin/hi": "hello"}, flags=["bin/hello"]), "gcc") == path
    assert os.stat(path).st_ino == before


@needs_gcc
def test_a_program_wrapped_into_an_image_comes_only_as_the_image(component):
    image = {"path": "images/hello.tar", "name": "example.org/hello:v1", "program": "bin/hello", "user": "1:1"}
    path = building.build(tool, with_recipe(component, image=image), "gcc")
    description = json.loads(Path(path, "component.json").read_text())
    assert [(entry["path"], entry["mode"]) for entry in description["files"]] == [("images/hello.tar", "0644")]
    assert description["images"] == [{"path": "images/hello.tar", "name": "example.org/hello:v1", "component": "hello"}]


@needs_gcc
def test_a_failed_build_leaves_nothing_and_shows_the_compiler(component):
    Path(component.directory, "hello.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(BundleError, match="nothing. undeclared"):
        building.build(tool, component, "gcc")
    assert os.listdir(component.store) == [".lock"]


@needs_go
@pytest.mark.parametrize(
    "name, value", [("GOARCH", "riscv64"), ("GOOS", "windows"), ("GOAMD64", "v3"), ("GOFLAGS", "-tags=loud")]
)
@pytest.mark.parametrize("way", ["environment", "go env -w"])
def test_what_the_user_set_for_go_does_not_decide_what_is_built(component, monkeypatch, tmp_path, way, name, value):
    go = in_go(component)
    Path(go.directory, "main.go").write_text("package main\n\nfunc main() { println(text) }\n")
    Path(go.directory, "loud.go").write_text('//go:build loud\n\npackage main\n\nconst text = "LOUD"\n')
    Path(go.directory, "quiet.go").write_text('//go:build !loud\n\npackage main\n\nconst text = "quiet"\n')

    def built(cache):
        made = building.build(tool, dataclasses.replace(go, cache=str(tmp_path / cache)), "go")
        return json.loads(Path(made, "component.json").read_text())["files"]

    clean = built("clean")
    monkeypatch.setenv("GOENV", str(tmp_path / "go.env"))
    if way == "environment":
        monkeypatch.setenv(name, value)
    else:
        (tmp_path / "go.env").write_text(f"{name}={value}\n")
    assert built("other") == clean


@needs_gcc
def test_headers_of_the_users_own_do_not_decide_what_is_built(component, monkeypatch, tmp_path):
    (tmp_path / "stdio.h").write_text("#error not the system's\n")
    monkeypatch.setenv("CPATH", str(tmp_path))
    assert building.build(tool, component, "gcc")


@needs_gcc
def test_what_a_killed_build_left_is_taken_away(component):
    left = Path(component.store, ".build-killed", "out")
    left.mkdir(parents=True)
    path = building.build(tool, component, "gcc")
    assert sorted(os.listdir(component.store)) == [".lock", os.path.basename(path)]


@needs_gcc
def test_a_bundle_is_put_together_from_what_was_built(component):
    built = [building.build(tool, component, "gcc")]
    key = bundle_key([component])
    assert building.assembled(component.cache, built, key) is None
    bundle = building.assemble(component.cache, built, key)
    assert building.assembled(component.cache, built, key) == bundle
    assert os.path.realpath(building.lock_link(component.cache, key)) == os.path.realpath(bundle)
    opened = open_bundle(bundle)
    opened.verify()
    assert (opened.manifest.id, opened.manifest.versions) == (os.path.basename(bundle), {"hello": "v1.0.0"})


@needs_gcc
def test_what_was_just_built_is_trusted_until_touched(component, monkeypatch):
    monkeypatch.setenv("K3A_CACHE", component.cache)
    bundle = building.assemble(component.cache, [building.build(tool, component, "gcc")], "key")
    manifest = open_bundle(bundle).manifest
    (entry,) = manifest.files
    member = Path(bundle, entry.member)
    assert building.verified_index(component.cache, bundle).knows(entry.sha256, member.stat())
    member.write_bytes(member.read_bytes())
    assert not building.verified_index(component.cache, bundle).knows(entry.sha256, member.stat())


@needs_gcc
def test_an_archive_is_the_bundle_as_one_file(component, tmp_path):
    bundle = building.assemble(component.cache, [building.build(tool, component, "gcc")], "key")
    archive = str(tmp_path / "bundle.tar")
    assert not building.archived(bundle, archive)
    building.write_archive(bundle, archive)
    assert building.archived(bundle, archive)
    open_bundle(archive).verify()
    with open(archive, "r+b") as stream:
        stream.truncate(os.path.getsize(archive) - 10240)
    assert not building.archived(bundle, archive)


def test_a_component_that_was_not_built_is_named(component):
    with pytest.raises(BundleError, match="hello has not been built yet"):
        building.assemble(component.cache, [component.built("none")], "key")
