# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a component declares is written in its own file and nowhere else: no list of components in the rooms around it.

A unit, a certificate, an identity, a port, a table or an interface of a component that another file names is a list that
the next component would have to be added to. It takes what it needs of the registry, or is handed it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
LIBRARY = PLUGINS / "module_utils"
PREFIX = "ansible_collections.k3a.cluster.plugins."
MODULES = {declared.name.replace("-", "_") for declared in registry.DECLARATIONS}
OWN = {f"modules/{name}.py" for name in MODULES}
FILES = sorted(
    path
    for path in PLUGINS.rglob("*.py")
    if path.parent.name != "_components" and str(path.relative_to(PLUGINS)) not in OWN
)
# A room that is about one component; the bridge of pods, which a host without any component of ours has to be known by;
# a name that operators bring along from K3s.
SUBJECTS: dict[str, set[object]] = {
    "module_utils/_datastore/": {2379, 2380, "k3a-etcd.service"},
    "module_utils/_formats/address.py": {"cni0"},
    "plugin_utils/_options/k3s_flags.py": {"k3a_kube_controller_manager_arg"},
}
# The modules that act for all components. All others are small without them.
COLLECTORS = {"approver", "drift", "reset"}


def declared_words() -> dict[str, str]:
    """Every word that only one component can mean, and whose it is."""
    words: dict[str, str] = {}
    for each in registry.DECLARATIONS:
        remains = each.remains
        own = [each.unit, *remains.tables, *remains.chains, *remains.interfaces, *remains.paths, *remains.shared]
        own += [certificate.name for certificate in each.certificates]
        own += [grant.name for grant in each.grants]
        own += [f"k3a_{each.arguments}"] if each.arguments else []
        own += [each.health] if each.health else []
        words.update(dict.fromkeys(own, each.name))
    # The name of a table, or the letters of a chain, may be those of the component itself, which is a word like others.
    return {word: name for word, name in words.items() if word != name}


def declared_numbers() -> dict[int, str]:
    """The ports that no variable moves: a variable's default is written with the variable."""
    return {port.number: each.name for each in registry.DECLARATIONS for port in each.ports if not port.option}


def constants(path: Path) -> Iterator[tuple[int, object]]:
    """The constants of a file with their lines, but for those in documentation."""
    tree = ast.parse(path.read_text())
    documentation = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            documentation.add(node.body[0].value)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
            documentation.add(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in documentation:
            yield node.lineno, node.value


def is_of_the_subject(path: Path, value: object) -> bool:
    relative = str(path.relative_to(PLUGINS)) if path.is_relative_to(PLUGINS) else ""
    return any(relative.startswith(room) and value in values for room, values in SUBJECTS.items())


def named_in(path: Path) -> list[str]:
    """What of a component a file names."""
    words, numbers = declared_words(), declared_numbers()
    found = []
    for line, value in constants(path):
        known = words.get(value) if isinstance(value, str) else numbers.get(value) if isinstance(value, int) and not isinstance(value, bool) else None
        if known and not is_of_the_subject(path, value):
            found.append(f"line {line}: {value!r} of {known}")
    return sorted(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_no_other_file_names_what_a_component_declares(path):
    assert named_in(path) == []


def test_a_list_that_comes_back_is_seen(tmp_path):
    path = tmp_path / "list.py"
    path.write_text('"""client-flannel is in documentation."""\nUNITS = ("k3a-kubelet.service", "ssh.service")\nPORT = 10250\n')
    assert named_in(path) == ["line 2: 'k3a-kubelet.service' of kubelet", "line 3: 10250 of kubelet"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_no_other_file_lists_components(path):
    assert lists_of_components(path) == []


def test_a_list_of_components_is_seen(tmp_path):
    path = tmp_path / "list.py"
    path.write_text('ONE = ["kubelet"]\nTWO = [*(["load-balancer"] if ONE else []), "kubelet", "kube-proxy"]\n')
    assert lists_of_components(path) == ["line 2: kubelet, kube-proxy"]


def lists_of_components(path: Path) -> list[str]:
    """Where several components stand in one list, set or mapping."""
    names = {declared.name for declared in registry.DECLARATIONS} | MODULES
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)):
            items = node.keys if isinstance(node, ast.Dict) else node.elts
            own = [item.value for item in items if isinstance(item, ast.Constant) and item.value in names]
            found += [f"line {node.lineno}: {', '.join(own)}"] if len(own) > 1 else []
    return found


def forgotten(declaring: set[str], registered: set[str], group: set[str], routed: set[str], actions: set[str]) -> list[str]:
    """What the two lists that Ansible wants by name, the registry's and meta/runtime.yml, lack of a component."""
    runtime = "meta/runtime.yml: add {0} to {1}"
    return [
        *(f"registry.py: import {name} and add it to COMPONENTS, in the order of starting" for name in sorted(declaring - registered)),
        *(runtime.format(name, "action_groups.k3a, which gives it data_dir and timeout") for name in sorted(declaring - group)),
        *(
            runtime.format(name, "plugin_routing.modules with action_plugin: k3a.cluster.step")
            for name in sorted(declaring - routed - actions)
        ),
    ]


def test_nothing_is_forgotten_of_a_component():
    declaring = {path.stem for path in (LIBRARY / "_components").glob("*.py") if "\nDECLARATION = " in path.read_text()}
    registered = {component.__name__.rpartition(".")[2] for component in registry.COMPONENTS}
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    group, routed = set(runtime["action_groups"]["k3a"]), set(runtime["plugin_routing"]["modules"])
    actions = {path.stem for path in (PLUGINS / "action").glob("*.py")}
    missing = forgotten(declaring, registered, group, routed, actions)
    assert not missing, "\n".join(missing)
    assert declaring == registered == MODULES


def test_what_is_forgotten_is_said_in_a_sentence():
    assert forgotten({"example"}, set(), set(), set(), set()) == [
        "registry.py: import example and add it to COMPONENTS, in the order of starting",
        "meta/runtime.yml: add example to action_groups.k3a, which gives it data_dir and timeout",
        "meta/runtime.yml: add example to plugin_routing.modules with action_plugin: k3a.cluster.step",
    ]
    assert forgotten({"example"}, {"example"}, {"example"}, set(), {"example"}) == []


@cache
def imports(path: Path) -> frozenset[Path]:
    """The files of the collection that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            place = PLUGINS / node.module[len(PREFIX) :].replace(".", "/")
            found |= {place / f"{alias.name}.py" for alias in node.names} | {place.with_suffix(".py")}
    return frozenset(file for file in found if file.exists())


def closure(path: Path) -> set[Path]:
    """All that Ansible brings to a host with a module."""
    known, left = set(), [path]
    while left:
        one = left.pop()
        if one not in known:
            known.add(one)
            left += imports(one)
    return known


def test_only_what_acts_for_all_components_brings_all_of_them_to_a_host():
    modules = (PLUGINS / "modules").glob("*.py")
    assert {path.stem for path in modules if LIBRARY / "_components/registry.py" in closure(path)} == COLLECTORS
