# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import recipe as recipes
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.tests.unit.recipe_samples import hello, with_recipe

COLLECTION = Path(__file__).parents[5]
RECIPES = yaml.safe_load((COLLECTION / "bundle/components.yml").read_text())["components"]


@pytest.fixture
def component(tmp_path):
    return hello(tmp_path)


def test_the_key_is_the_same_from_yaml_and_from_module_options(component):
    options = with_recipe(component, cgo=False, tags=None, image=None, links={}, duration="long", module=None)
    assert recipes.component_key(options, "go1") == recipes.component_key(component, "go1")


def test_the_key_changes_with_all_that_decides(component):
    keys = {
        recipes.component_key(component, "go1"),
        recipes.component_key(component, "go2"),
        recipes.component_key(with_recipe(component, version="v2"), "go1"),
        recipes.component_key(with_recipe(component, stamps={"VERSION": "v2"}), "go1"),
    }
    Path(component.directory, "go.sum").write_text("a lock\n")
    keys.add(recipes.component_key(component, "go1"))
    assert len(keys) == 5


def test_the_key_of_a_bundle_does_not_need_the_tools(component):
    first = recipes.bundle_key([component])
    assert first == recipes.bundle_key([component])
    assert first != recipes.bundle_key([with_recipe(component, version="v2")])


def test_a_component_without_folder_is_named(component):
    shutil.rmtree(component.directory)
    with pytest.raises(BundleError, match="the sources of hello are missing"):
        recipes.lock_of(component)


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


def test_a_recipe_says_its_version_once():
    for name, recipe in RECIPES.items():
        assert recipe["version"].removeprefix("v") not in str({**recipe, "version": ""}), name


def test_the_version_is_filled_in_where_a_recipe_says_so():
    stamps = {"full": "{version}", "short": "{number}", "major": "{major}", "minor": "{minor}", "plain": "clean"}
    recipe = {"version": "v1.37.2", "stamps": stamps, "tags": ["x"], "image": {"name": "registry/pause:{version}"}}
    filled = recipes.Component("kubernetes", recipe, "/source", "/cache").recipe
    assert list(filled["stamps"].values()) == ["v1.37.2", "1.37.2", "1", "37", "clean"]
    assert filled["image"] == {"name": "registry/pause:v1.37.2"}


def test_the_playbook_builds_every_component_and_says_how_long_it_takes():
    """It names none, so that a new one is a recipe and no more."""
    (play,) = yaml.safe_load((COLLECTION / "playbooks/bundle.yml").read_text())
    (build,) = [task for task in play["tasks"] if "ansible.builtin.include_tasks" in task]
    assert build["loop"] == "{{ components | dict2items }}"
    (task,) = yaml.safe_load((COLLECTION / "playbooks" / build["ansible.builtin.include_tasks"]).read_text())
    assert "component.value.duration" in task["name"]
    assert task["k3a.cluster.bundle_component"] == {"name": "{{ component.key }}", "recipe": "{{ component.value }}"}
    for name, recipe in RECIPES.items():
        assert recipe["duration"], name
        assert name not in str(play["tasks"])
