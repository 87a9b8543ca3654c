# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component, lock_of
from ansible_collections.k3a.cluster.plugins.modules import bundle_component

SOURCE = Path(__file__).parents[4] / "bundle"
RECIPES = yaml.safe_load((SOURCE / "components.yml").read_text())["components"]


def validated(name: str) -> dict:
    result = ArgumentSpecValidator(bundle_component.OPTIONS).validate(
        {"name": name, "source": str(SOURCE), "recipe": RECIPES[name]}
    )
    assert result.error_messages == []
    return result.validated_parameters


def test_the_options_know_every_key_of_the_recipes_and_the_lookup_finds_what_the_module_built():
    for name, recipe in RECIPES.items():
        by_module = Component(name, validated(name)["recipe"], str(SOURCE), "/cache")
        by_lookup = Component(name, recipe, str(SOURCE), "/cache")
        assert lock_of(by_module) == lock_of(by_lookup)


def test_a_recipe_with_an_unknown_key_is_refused():
    recipe = {**RECIPES["etcd"], "tag": ["x"]}
    result = ArgumentSpecValidator(bundle_component.OPTIONS).validate({"name": "etcd", "source": "/", "recipe": recipe})
    assert "tag" in "".join(result.error_messages)
