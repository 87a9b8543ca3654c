# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The variables that the collection's roles know: their specifications, their defaults, and values judged by them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int, check_type_list
from ansible.template import trust_as_template
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

PREFIX = "k3a_"
ROLES = Path(__file__).parents[3] / "roles"

# Variables that a playbook knows and no role.
OF_PLAYBOOKS = frozenset(
    {
        "k3a_bootstrap_token",
        "k3a_bundle_archive",
        "k3a_drain_delete_emptydir_data",
        "k3a_drain_force",
        "k3a_drain_grace_period",
        "k3a_drain_timeout",
        "k3a_new_token",
        "k3a_remove_node",
        "k3a_token_description",
        "k3a_token_file",
        "k3a_token_groups",
        "k3a_token_ttl",
        "k3a_token_usages",
    }
)
# What operators who come from K3s will write, where the name here is another.
K3S_NAMES = {
    "k3a_config": "the variables named after the keys of K3s's config.yaml",
    "k3a_cluster_secret": "k3a_token",
    "k3a_kube_controller_arg": "k3a_kube_controller_manager_arg",
    "k3a_no_deploy": "k3a_disable",
    "k3a_no_flannel": "k3a_flannel_backend: none",
    "k3a_private_registry": "k3a_registries",
    "k3a_server": "k3a_server_url",
    "k3a_url": "k3a_server_url",
}
IN_WORDS = {
    "bool": "true or false",
    "dict": "a mapping",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "str": "a text",
}

Option = Mapping[str, Any]


class Mistyped(K3aError, ValueError):
    """A value that its specification does not allow; the text says what it must be."""


@cache
def specification() -> dict[str, dict[str, Any]]:
    """Every variable of every role, with its option specification."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        for entry_point in _yaml(path)["argument_specs"].values():
            found.update(entry_point["options"])
    return found


@cache
def defaults() -> dict[str, Any]:
    """Every variable of every role, with its default as the role writes it, templates included."""
    found: dict[str, Any] = {}
    for path in sorted(ROLES.glob("*/defaults/main.yml")):
        found.update(_yaml(path))
    return found


def templates() -> dict[str, Any]:
    """The defaults, which are the collection's own text, ready to be templated."""
    return {name: trust_as_template(value) if isinstance(value, str) else value for name, value in defaults().items()}


def _yaml(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (both are safe loaders)


def unknown(names: Iterable[str]) -> dict[str, str]:
    """The variables that no specification names, each with the name that was probably meant, or an empty text."""
    known = specification().keys() | OF_PLAYBOOKS
    strangers = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    return {name: _meant(name, known) for name in strangers}


def _meant(name: str, known: Iterable[str]) -> str:
    singular = name.removesuffix("s")
    if name in K3S_NAMES:
        return K3S_NAMES[name]
    return next(iter(get_close_matches(name, known, 1, 0.75) or get_close_matches(singular, known, 1, 0.75)), "")


def checked(value: Any, option: Option) -> Any:
    """The value as its specification types it; raises Mistyped."""
    converted = _typed(value, option.get("type", "str"))
    if isinstance(converted, list) and "elements" in option:
        converted = [_typed(element, option["elements"]) for element in converted]
    choices = option.get("choices")
    for one in converted if isinstance(converted, list) else [converted]:
        if choices and one not in choices:
            raise Mistyped(f"must be one of {', '.join(map(str, choices))}")
    return converted


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        raise Mistyped(f"must be {IN_WORDS[kind]}, and is empty")
    try:
        if kind == "bool":
            return check_type_bool(value)
        if kind == "int" and not isinstance(value, (bool, float)):
            return check_type_int(value)
        if kind == "list" and not isinstance(value, (int, float)):
            return check_type_list(value)
        if kind == "dict":
            return check_type_dict(value)
    except (TypeError, ValueError):
        pass
    if kind in ("str", "path"):
        if isinstance(value, str):
            return value
        # A number has lost how it was written: 0600 is 384 by now, and 1.10 is 1.1.
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            raise Mistyped(f"must be {IN_WORDS[kind]}: put it in quotes")
    raise Mistyped(f"must be {IN_WORDS[kind]}")


def shown(value: Any, option: Option) -> str:
    """A value for a message; a secret is not shown."""
    if option.get("no_log"):
        return "the value"
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
