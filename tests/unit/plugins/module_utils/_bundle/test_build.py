# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import build as building
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import open_bundle

COLLECTION = Path(__file__).parents[5]
RECIPES = yaml.safe_load((COLLECTION / "bundle/components.yml").read_text())["components"]
RECIPE = {"version": "v1.0.0", "programs": {"bin/hello": "hello.c"}, "stamps": {"VERSION": "v1.0.0"}}
HELLO = '#include <stdio.h>\nint main(void) { puts("{\\"hello\\": [\\"loud\\"]}"); return sizeof(VERSION) == 0; }\n'

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")


def tool(command, cwd, environ_update, handle_exceptions):
    """What AnsibleModule.run_command does."""
    assert not handle_exceptions
    environment = {**os.environ, **(environ_update or {})}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def component(tmp_path):
    (tmp_path / "source/hello").mkdir(parents=True)
    (tmp_path / "source/hello/hello.c").write_text(HELLO)
    return building.Component("hello", RECIPE, str(tmp_path / "source"), str(tmp_path / "cache"))


def with_recipe(component, **changes):
    return building.Component(component.name, {**component.recipe, **changes}, component.source, component.cache)


# ---- keys


def test_the_key_is_the_same_from_yaml_and_from_module_options(component):
    options = with_recipe(component, cgo=False, tags=None, image=None, links={}, duration="long", module=None)
    assert building.component_key(options, "go1") == building.component_key(component, "go1")


def test_the_key_changes_with_all_that_decides(component):
    keys = {
        building.component_key(component, "go1"),
        building.component_key(component, "go2"),
        building.component_key(with_recipe(component, version="v2"), "go1"),
        building.component_key(with_recipe(component, stamps={"VERSION": "v2"}), "go1"),
    }
    Path(component.directory, "go.sum").write_text("a lock\n")
    keys.add(building.component_key(component, "go1"))
    assert len(keys) == 5


def test_the_key_of_a_bundle_does_not_need_the_tools(component):
    first = building.bundle_key([component])
    assert first == building.bundle_key([component])
    assert first != building.bundle_key([with_recipe(component, version="v2")])


def test_a_component_without_folder_is_named(component):
    shutil.rmtree(component.directory)
    with pytest.raises(BundleError, match="the sources of hello are missing"):
        building.lock_of(component)


def test_the_cache_is_chosen_by_option_environment_or_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("K3A_CACHE", raising=False)
    assert building.cache_root() == f"{tmp_path}/.cache/k3a"
    monkeypatch.setenv("K3A_CACHE", "~/elsewhere")
    assert building.cache_root() == f"{tmp_path}/elsewhere"
    assert building.cache_root("/chosen") == "/chosen"


# ---- tools


def test_missing_tools_are_named(component, monkeypatch, tmp_path):
    go = with_recipe(component, programs={"bin/hello": "."})
    Path(go.directory, "go.mod").write_text("module hello\n\ngo 1.26.0\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BundleError, match="gcc is not installed on the controller: hello needs it"):
        building.tools_of(tool, component)
    with pytest.raises(BundleError, match=r"Go is not installed on the controller: hello needs go 1\.26\.0"):
        building.tools_of(tool, go)


def test_an_old_go_is_refused(component, monkeypatch, tmp_path):
    go = with_recipe(component, programs={"bin/hello": "."})
    Path(go.directory, "go.mod").write_text("module hello\n\ngo 1.26.3\n")
    program = tmp_path / "go"
    program.write_text("#!/bin/sh\necho go1.26.2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(BundleError, match=r"hello needs go 1\.26\.3 or newer, the controller has go1\.26\.2"):
        building.tools_of(tool, go)
    program.write_text("#!/bin/sh\necho go1.26.10\n")
    assert building.tools_of(tool, go) == "go1.26.10"


@needs_gcc
def test_a_missing_c_library_is_named_with_its_package(component):
    with pytest.raises(BundleError, match=r"needs the C library libnone\.a: .* \(on Debian libnone-dev\)"):
        building.tools_of(tool, with_recipe(component, libraries=["libnone.a"]))


def test_a_tool_that_fails_shows_its_last_lines(tmp_path):
    script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i >&2; done; exit 3"
    with pytest.raises(BundleError, match="sh -c failed with status 3:\nline 26\n") as caught:
        building.run(tool, ["sh", "-c", script], str(tmp_path))
    assert str(caught.value).endswith("line 40")


# ---- building


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


@needs_gcc
def test_what_a_killed_build_left_is_taken_away(component):
    left = Path(component.store, ".build-killed", "out")
    left.mkdir(parents=True)
    path = building.build(tool, component, "gcc")
    assert sorted(os.listdir(component.store)) == [".lock", os.path.basename(path)]


@needs_gcc
def test_a_bundle_is_put_together_from_what_was_built(component):
    built = [building.build(tool, component, "gcc")]
    key = building.bundle_key([component])
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


# ---- this collection's own recipes


@pytest.mark.parametrize("name", RECIPES)
def test_the_lock_files_pin_the_version_of_the_recipe(name):
    recipe = RECIPES[name]
    if "module" not in recipe:
        assert not (COLLECTION / "bundle" / name / "go.mod").exists()
        return
    lock = (COLLECTION / "bundle" / name / "go.mod").read_text()
    pinned = re.search(rf"^(?:require |\t){re.escape(recipe['module'])} (\S+)", lock, re.MULTILINE)
    assert pinned and pinned.group(1) == recipe["version"]
    assert f"{recipe['module']} {recipe['version']} h1:" in (COLLECTION / "bundle" / name / "go.sum").read_text()


@pytest.mark.parametrize("name", RECIPES)
def test_stamps_tell_the_version(name):
    recipe = RECIPES[name]
    major, minor = recipe["version"].lstrip("v").split(".")[:2]
    allowed = {recipe["version"], recipe["version"].lstrip("v"), major, minor, "clean"}
    assert set((recipe.get("stamps") or {}).values()) <= allowed


def test_the_playbook_builds_every_component_and_says_how_long_it_takes():
    (play,) = yaml.safe_load((COLLECTION / "playbooks/bundle.yml").read_text())
    tasks = {
        task["k3a.cluster.bundle_component"]["name"]: task
        for task in play["tasks"]
        if "k3a.cluster.bundle_component" in task
    }
    assert set(tasks) == set(RECIPES)
    for name, task in tasks.items():
        assert f"({RECIPES[name]['duration']})" in task["name"]
        assert task["k3a.cluster.bundle_component"]["recipe"] == f"{{{{ components.{name} }}}}"
