# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Type, default and choices of a module's option are those of the variable that it takes, and stand once."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.doc_fragments.options import ModuleDocFragment as fragments
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options as named
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
VARIABLES = {**spec.specification(), **spec.of_playbooks()}
# An option by another name than its variable's.
VARIABLE_OF = {
    ("drain", "delete_emptydir_data"): "k3a_drain_delete_emptydir_data",
    ("drain", "force"): "k3a_drain_force",
    ("drain", "grace_period"): "k3a_drain_grace_period",
    ("drain", "timeout"): "k3a_drain_timeout",
    ("etcd", "expose_metrics"): "k3a_etcd_expose_metrics",
    ("etcd", "extra_args"): "k3a_etcd_arg",
    ("apiserver", "extra_args"): "k3a_kube_apiserver_arg",
    ("controller_manager", "extra_args"): "k3a_kube_controller_manager_arg",
    ("import_config", "environment_file"): "k3a_import_environment",
    ("import_config", "path"): "k3a_import_config",
    ("flannel", "backend"): "k3a_flannel_backend",
    ("flannel", "iface"): "k3a_flannel_iface",
    ("kube_proxy", "extra_args"): "k3a_kube_proxy_arg",
    ("kubeconfig", "group"): "k3a_write_kubeconfig_group",
    ("kubeconfig", "mode"): "k3a_write_kubeconfig_mode",
    ("kubeconfig", "name"): "k3a_write_kubeconfig_name",
    ("kubeconfig", "path"): "k3a_write_kubeconfig",
    ("kubelet", "extra_args"): "k3a_kubelet_arg",
    ("kubelet", "node_labels"): "k3a_node_label",
    ("kubelet", "node_taints"): "k3a_node_taint",
    ("load_balancer", "port"): "k3a_lb_server_port",
    ("node_registration", "annotations"): "k3a_node_annotation",
    ("node_registration", "labels"): "k3a_node_label",
    ("node_registration", "taints"): "k3a_node_taint",
    ("reset", "kubeconfig"): "k3a_write_kubeconfig",
    ("scheduler", "extra_args"): "k3a_kube_scheduler_arg",
    **{
        ("test_nodes", option): f"nodes_{option}"
        for option in ("agents", "disk_size", "disks", "interfaces", "kind", "memory", "release", "servers")
    },
    ("token", "groups"): "k3a_token_groups",
    ("token", "token"): "k3a_bootstrap_token",
    ("token", "usages"): "k3a_token_usages",
}
# An option that happens to have a variable's name.
OTHERS = {
    ("admin_kubeconfig", "server_url"),  # the URL that the kubeconfig gets
    ("kubelet", "resolv_conf"),  # a path, which of the variable is one that is not empty
}
COMPARED = ("type", "elements", "default", "choices")


def assigned(path: Path, name: str) -> Any:
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == name:
            return yaml.safe_load(ast.literal_eval(statement.value))
    raise LookupError(f"{path} has no {name}")


def documented(module: str) -> dict[str, dict[str, Any]]:
    """The options of a module as its documentation has them, fragments included."""
    documentation = assigned(ROOT / f"plugins/modules/{module}.py", "DOCUMENTATION")
    options: dict[str, dict[str, Any]] = documentation.get("options") or {}
    for slug in documentation.get("extends_documentation_fragment", []):
        file, _dot, section = slug.removeprefix("k3a.cluster.").partition(".")
        path = ROOT / f"plugins/doc_fragments/{file}.py"
        for name, option in (assigned(path, section.upper() or "DOCUMENTATION").get("options") or {}).items():
            options[name] = {**option, **options.get(name, {})}
    return options


PAIRS = [
    (module, name, option, VARIABLES[variable])
    for module in MODULES
    for name, option in documented(module).items()
    if (variable := VARIABLE_OF.get((module, name), f"k3a_{name}")) in VARIABLES and (module, name) not in OTHERS
]


@pytest.mark.parametrize("module, name, option, variable", PAIRS, ids=[f"{module}-{name}" for module, name, _option, _variable in PAIRS])
def test_an_option_of_a_module_is_its_variables(module, name, option, variable):
    keys = [key for key in COMPARED if not (option.get("required") and key == "default")]
    assert {key: option.get(key) for key in keys} == {key: variable.get(key) for key in keys}


def test_every_exception_is_one():
    known = {(module, name) for module in MODULES for name in documented(module)}
    assert VARIABLE_OF.keys() | OTHERS <= known
    assert set(VARIABLE_OF.values()) <= VARIABLES.keys()


@pytest.mark.parametrize("name", sorted(name for name in vars(named) if name.isupper()))
def test_a_named_option_is_its_variable(name):
    option = getattr(named, name)
    variable = VARIABLES.get({"TIMEOUT": "k3a_wait_timeout"}.get(name, f"k3a_{name.lower()}"))
    if variable and not option.get("required"):
        assert {key: option.get(key) for key in COMPARED} == {key: variable.get(key) for key in COMPARED}


@pytest.mark.parametrize("section", sorted(name for name in vars(fragments) if name.isupper()))
def test_a_fragment_says_what_the_named_option_is(section):
    (written,) = yaml.safe_load(getattr(fragments, section))["options"].values()
    assert {key: value for key, value in written.items() if key != "description"} == getattr(named, section)


def constants(path: Path) -> list[Any]:
    """The texts and numbers of a program, less its documentation."""
    tree = ast.parse(path.read_text())
    documentation = [
        statement.value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        for statement in node.body
        if isinstance(statement, ast.Expr) or is_documentation(statement)
    ]
    left_out = {id(inner) for node in documentation for inner in ast.walk(node)}
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in left_out]


def is_documentation(statement: ast.stmt) -> bool:
    names = ("DOCUMENTATION", "EXAMPLES", "RETURN")
    return isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") in names


PROGRAMS = [path for path in sorted((ROOT / "plugins").rglob("*.py")) if path.parent.name != "doc_fragments"]
# What is written from the specifications aside.
ROLE_FILES = [path for path in sorted((ROOT / "roles").glob("*/*/*")) if path.parent.name != "defaults"]


@pytest.mark.parametrize("text", ["/var/lib/k3a", "10.42.0.0/16", "10.43.0.0/16", "6444"])
def test_a_default_stands_once_in_programs_and_once_in_roles(text):
    programs = [path.name for path in PROGRAMS for constant in constants(path) if text in str(constant)]
    assert programs == ["options.py"]
    roles = [path.parts[-3] for path in ROLE_FILES for line in path.read_text().splitlines() if text in line]
    assert roles == ["common"]
