# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an example gives to a module is among the module's options: nothing else reads examples before operators do."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).parents[2] / "plugins"
COLLECTION = "k3a.cluster."
DOCUMENTED = sorted([*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("filter/*.py"), *PLUGINS.glob("lookup/*.py")])


def text_of(path: Path, name: str) -> Any:
    """One of a plugin's documents."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == name:
            return yaml.safe_load(ast.literal_eval(statement.value))
    raise LookupError(f"{path} has no {name}")


def options_of(module: str) -> set[str]:
    """The options of a module, those of its fragments too."""
    documentation = text_of(PLUGINS / f"modules/{module}.py", "DOCUMENTATION")
    names = set(documentation.get("options") or {})
    for fragment in documentation.get("extends_documentation_fragment", []):
        file, _dot, part = fragment.removeprefix(COLLECTION).partition(".")
        holder = importlib.import_module(f"ansible_collections.k3a.cluster.plugins.doc_fragments.{file}")
        names |= set(yaml.safe_load(getattr(holder.ModuleDocFragment, (part or "documentation").upper()))["options"])
    return names


def calls(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every call of a module of ours, with its arguments."""
    if isinstance(tree, dict):
        yield from ((key, value or {}) for key, value in tree.items() if str(key).startswith(COLLECTION))
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from calls(item)


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_gives_a_module_what_it_takes(path: Path) -> None:
    for module, arguments in calls(text_of(path, "EXAMPLES")):
        assert set(arguments) <= options_of(module.removeprefix(COLLECTION)), module
