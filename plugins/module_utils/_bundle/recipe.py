# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a bundle is made of: the recipes of its components, and the keys under which their builds are kept.

A key names all that decides what is built: the recipe, every file of the component's folder, the architecture and the
tools.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import (
    BundleError,
    canonical,
    go_architecture,
    sha256_of,
)

# To be raised when this code makes something else of the same recipe.
BUILDER = 1


@dataclass(frozen=True)
class Component:
    """A component to build: its recipe out of components.yml, filled in, its folder, and where the result goes."""

    name: str
    recipe: dict[str, Any]
    source: str
    cache: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", filled_in(self.recipe, self.recipe["version"]))

    @property
    def directory(self) -> str:
        """Its folder: a Go module with its lock files."""
        return os.path.join(self.source, self.name)

    @property
    def store(self) -> str:
        """Where its builds are kept."""
        return os.path.join(self.cache, "components", self.name)

    def built(self, key: str) -> str:
        """Where one of its builds is kept."""
        return os.path.join(self.store, key)


def filled_in(value: Any, version: str) -> Any:
    """A recipe with its version for {version}, without the v for {number}, its parts for {major} and {minor}."""
    if isinstance(value, dict):
        return {key: filled_in(item, version) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    number = version.removeprefix("v")
    major, minor = [*number.split("."), ""][:2]
    for name, text in {"version": version, "number": number, "major": major, "minor": minor}.items():
        value = value.replace(f"{{{name}}}", text)
    return value


def without_empty(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe less the keys that say nothing, so that it is the same read from YAML and from module options."""
    kept = {key: without_empty(value) if isinstance(value, dict) else value for key, value in recipe.items()}
    return {key: value for key, value in kept.items() if value not in (None, False, [], {})}


def lock_of(component: Component) -> dict[str, Any]:
    """All that decides what is built, apart from the tools: the recipe and every file of the component's folder."""
    recipe = {key: value for key, value in without_empty(component.recipe).items() if key != "duration"}
    files = {}
    for folder, _folders, names in os.walk(component.directory):
        for name in names:
            path = os.path.join(folder, name)
            files[os.path.relpath(path, component.directory)] = sha256_of(path)
    if not files:
        raise BundleError(f"{component.directory} does not exist: the sources of {component.name} are missing")
    return {"recipe": recipe, "files": files, "builder": BUILDER}


def key_of(*parts: object) -> str:
    """A name for what these parts decide."""
    return hashlib.sha256(canonical(parts)).hexdigest()[:32]


def component_key(component: Component, tools: str) -> str:
    """The key of a build: its lock, the architecture and the tools."""
    return key_of(lock_of(component), go_architecture(), tools)


def bundle_key(components: list[Component]) -> str:
    """The key of a bundle: the locks of all its components and the architecture."""
    return key_of({component.name: lock_of(component) for component in components}, go_architecture())
