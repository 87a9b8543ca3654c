# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step would refuse, the check says first, by the same predicate; or there is a reason why it cannot know.

refusals.py has every place where something is refused. Whoever adds one says there what the check does about it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.tests.unit.refusals import REFUSALS, Judged, Said

PLUGINS = Path(__file__).parents[2] / "plugins"
PREFIX = "ansible_collections.k3a.cluster.plugins."
# What is done before anything changes: of hosts and the cluster, of a playbook's variables, of a machine that joins, and
# of nodes that are to go.
CHECKS = (
    "action/check_config:ActionModule",
    "modules/check_config:run",
    "action/check_cluster:ActionModule",
    "action/options:ActionModule",
    "action/join_info:ActionModule",
    "modules/join_info:run",
    "action/check_removal:ActionModule",
    "modules/server_info:run",
)
ENDS = ("fail_json",)


def modules() -> dict[str, ast.Module]:
    """Every file of the plugins but those of the test nodes, which stand apart."""
    files = [path for path in sorted(PLUGINS.rglob("*.py")) if "_test_nodes" not in path.parts]
    return {str(path.relative_to(PLUGINS).with_suffix("")): ast.parse(path.read_text()) for path in files}


def refusals(tree: ast.AST, inside: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The function of every refusal, and how it is written there."""
    for node in ast.iter_child_nodes(tree):
        name = (node.name,) if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ()
        called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        if (isinstance(node, ast.Raise) and node.exc) or called in ENDS:
            yield ".".join(inside), ast.unparse(node)
        yield from refusals(node, inside + name)


@cache
def found() -> dict[str, list[str]]:
    """Every refusal by its function."""
    places: dict[str, list[str]] = {}
    for module, tree in modules().items():
        for function, written in refusals(tree):
            places.setdefault(f"{module}:{function}", []).append(written)
    return places


@cache
def references() -> dict[str, set[str]]:
    """What each function, method, class and constant of the plugins names of others."""
    trees = modules()
    known = {module: set(definitions(tree)) for module, tree in trees.items()}
    edges: dict[str, set[str]] = {}
    for module, tree in trees.items():
        imported = dict(imports(tree, known))
        for name, node in definitions(tree).items():
            owner = name.partition(".")[0]
            edges[f"{module}:{name}"] = {
                target
                for each in ast.walk(node)
                for target in named(each, module, owner, known, imported)
                if target != f"{module}:{name}"
            }
        for name in known[module]:
            if "." in name:
                edges[f"{module}:{name.partition('.')[0]}"].add(f"{module}:{name}")
    return edges


def definitions(tree: ast.Module) -> dict[str, ast.AST]:
    """What a file defines at its top, and the methods of its classes."""
    defined: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined[node.name] = node
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        defined.update({target.id: node for target in targets if isinstance(target, ast.Name)})
        if isinstance(node, ast.ClassDef):
            defined.update({f"{node.name}.{m.name}": m for m in node.body if isinstance(m, ast.FunctionDef)})
    return defined


def imports(tree: ast.Module, known: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """What a file knows of others: the name, and a module, or a name in one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            source = (node.module or "").removeprefix(PREFIX).replace(".", "/")
            for alias in node.names:
                target = f"{source}/{alias.name}" if f"{source}/{alias.name}" in known else f"{source}:{alias.name}"
                yield alias.asname or alias.name, target


def named(
    node: ast.AST, module: str, owner: str, known: dict[str, set[str]], imported: dict[str, str]
) -> Iterator[str]:
    if isinstance(node, ast.Name):
        if node.id in known[module]:
            yield f"{module}:{node.id}"
        elif ":" in imported.get(node.id, ""):
            yield imported[node.id]
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        target = imported.get(node.value.id, "")
        if node.value.id in ("self", "cls") and f"{owner}.{node.attr}" in known[module]:
            yield f"{module}:{owner}.{node.attr}"
        elif target in known and node.attr in known[target]:
            yield f"{target}:{node.attr}"


def reachable(starts: Iterable[str]) -> set[str]:
    """All that some functions come to."""
    edges, seen, left = references(), set(), list(starts)
    while left:
        place = left.pop()
        if place not in seen:
            seen.add(place)
            left += edges.get(place, ())
    return seen


@cache
def checked() -> set[str]:
    return reachable(CHECKS)


def test_every_refusal_says_what_the_check_does_about_it() -> None:
    given = {place: len(reasons) for place, reasons in REFUSALS.items()}
    assert {place: len(written) for place, written in found().items()} == given


def test_the_checks_are_there() -> None:
    assert references().keys() >= set(CHECKS)


SAID = [(place, reason) for place, reasons in REFUSALS.items() for reason in reasons if isinstance(reason, Said)]
JUDGED = [(place, reason) for place, reasons in REFUSALS.items() for reason in reasons if isinstance(reason, Judged)]


@pytest.mark.parametrize("place, reason", SAID)
def test_the_check_asks_the_predicate_by_which_it_is_refused(place: str, reason: Said) -> None:
    assert reason.predicate in references(), "there is no such predicate"
    assert reason.predicate in reachable([place])
    assert reason.predicate in checked()


@pytest.mark.parametrize("place, reason", JUDGED)
def test_the_check_judges_it_in_another_way(place: str, reason: Judged) -> None:
    assert reason.by in checked() and reason.why


def test_the_predicates_are_found_by_names_that_lead_somewhere() -> None:
    """Where this looks at code, a rule that finds nothing would say that all is well."""
    assert "module_utils/_formats/address:network" in checked()
    assert "module_utils/_engine/component:converge" not in checked()
    assert "module_utils/_components/control_plane:refuse_unusable" not in checked()
