# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The value of a variable as its specification types it, however it was given.

An inventory in INI form and `-e name=value` give texts where YAML gives lists, numbers and booleans, and K3s takes
lists as texts with commas. All of these become the same value here; what comes after knows no other form.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_flags

IN_WORDS = {
    "bool": "true or false",
    "dict": "a mapping",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "str": "a text",
}
# A comma is part of what these hold, as in eviction-hard=memory.available<5%,nodefs.available<10%.
WITH_COMMAS = re.compile(r"k3a_(\w+_arg|node_annotation)")
# Paths of the controller, where a relative one is meant from where the command was given. Others are a host's.
ON_CONTROLLER = frozenset(
    {
        "k3a_bootstrap_token_file",
        "k3a_bundle",
        "k3a_bundle_archive",
        "k3a_import_config",
        "k3a_import_environment",
        "k3a_kubeconfig",
        "k3a_manifests",
        "k3a_new_token_file",
        "k3a_token_file",
        "nodes_directory",
    }
)
# Of these the ones that are a file, to read or to write.
FILES = ON_CONTROLLER - {"k3a_bundle", "k3a_manifests", "nodes_directory"}
# What stands for no file: the secret is typed at the terminal.
ASK = "-"
SECRET_FILES = frozenset({"k3a_bootstrap_token_file", "k3a_new_token_file", "k3a_token_file"})
TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})

Option = Mapping[str, Any]


class Mistyped(K3aError, ValueError):
    """A value that its specification does not allow: what the variable must be and what it is, and what to do."""

    def __init__(self, message: str, remedy: str = "correct it") -> None:
        super().__init__(message)
        self.remedy = remedy


class _Unfit(Exception):
    """The value is of another type."""


def typed(name: str, value: Any, option: Option) -> Any:
    """The value as its specification types it; raises Mistyped."""
    kind, secret = option.get("type", "str"), bool(option.get("no_log"))
    try:
        if kind == "list":
            result: Any = _elements(name, _items(name, value, option), option)
        else:
            result = _scalar(name, value, kind)
    except _Unfit as error:
        wanted = f"a list, each item {IN_WORDS[option['elements']]}" if kind == "list" else _scalar_in_words(option)
        found = error.args or (value,)
        quotes = kind in ("str", "path", "list") and all(map(_lost_its_form, found))
        remedy = "correct it" if not quotes else "put it in quotes" if len(found) == 1 else "put them in quotes"
        where = "has" if kind == "list" and error.args else "is"
        texts = dict.fromkeys(value_text(each, secret) for each in found)
        raise Mistyped(f"{name} must be {wanted}, and {where} {' and '.join(texts)}", remedy) from None
    choices = option.get("choices") or []
    others = [one for one in (result if isinstance(result, list) else [result]) if one not in choices]
    if choices and others:
        why, instead = k3s_flags.other_values(name, others)
        if why:
            raise Mistyped(why, instead)
        texts = dict.fromkeys(value_text(each, secret) for each in others)
        raise Mistyped(f"{name} must be {_scalar_in_words(option)}, and is {' and '.join(texts)}")
    return result


def _scalar_in_words(option: Option) -> str:
    choices = ", ".join(map(str, option.get("choices") or []))
    return f"one of {choices}" if choices else IN_WORDS[option.get("type", "str")]


def _items(name: str, value: Any, option: Option) -> list[Any]:
    """What a list holds; a text is one in brackets, one with commas, or its one item."""
    if isinstance(value, str):
        written = _flow(value, "[]")
        if written is None:
            return _split(name, value)
        value = written
    if not isinstance(value, (list, tuple)):
        raise _Unfit
    if option["elements"] != "str":
        return [item for item in value if item != ""]
    return [part for item in value for part in (_split(name, item) if isinstance(item, str) else [item])]


def _split(name: str, text: str) -> list[str]:
    parts = [text] if WITH_COMMAS.fullmatch(name) else text.split(",")
    return [part.strip() for part in parts if part.strip()]


def _elements(name: str, items: list[Any], option: Option) -> list[Any]:
    """The items as their type wants them; all that cannot be is told at once."""
    result, unfit = [], []
    for item in items:
        try:
            result.append(_scalar(name, item, option["elements"]))
        except _Unfit:
            unfit.append(item)
    if unfit:
        raise _Unfit(*unfit)
    return result


def _scalar(name: str, value: Any, kind: str) -> Any:
    if name in SECRET_FILES and value == ASK:
        return ""
    if kind in ("str", "path") and isinstance(value, str):
        if value and name in ON_CONTROLLER:
            return _on_controller(name, value)
        # One of a host is compared with what is recorded there, and stands before other names.
        return value.rstrip("/") or value if kind == "path" else value
    if kind == "bool" and (isinstance(value, (bool, str)) or value in (0, 1)):
        text = str(value).strip().lower()
        if text in TRUE or text in FALSE:
            return text in TRUE
    if kind == "int" and not isinstance(value, bool):
        if isinstance(value, int):
            return value
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
            return int(value)
    if kind == "dict":
        value = _flow(value, "{}") if isinstance(value, str) else value
        if isinstance(value, Mapping):
            return dict(value)
    raise _Unfit


def _on_controller(name: str, given: str) -> str:
    path = os.path.abspath(os.path.expanduser(os.path.expandvars(given)))  # noqa: PTH100, PTH111
    if name in FILES and os.path.isdir(path):  # noqa: PTH112
        raise Mistyped(f"{name} is {path}, which is a folder", "name a file in it")
    return path


def _flow(text: str, brackets: str) -> Any:
    """The list or mapping that a text in brackets writes in JSON, or in YAML's flow style; nothing when it is none."""
    text = text.strip()
    if not (text.startswith(brackets[0]) and text.endswith(brackets[1])):
        return None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _lost_its_form(value: Any) -> bool:
    """Whether a number or a date stands where a text should.

    How it was written is lost, since 0600 is 384 and 1.10 is 1.1.
    """
    return isinstance(value, (int, float, date)) and not isinstance(value, bool)


def value_text(value: Any, secret: bool) -> str:
    """A value in a message; of a secret only what it is."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, str):
        return "a text" if secret else _shortened(json.dumps(value, ensure_ascii=False))
    if isinstance(value, bool):
        return "true or false" if secret else str(value).lower()
    if isinstance(value, (int, float)):
        return "a number" if secret else f"the number {value}"
    if isinstance(value, date):
        return "a date" if secret else f"the date {value}"
    if not isinstance(value, (Mapping, list, tuple)):
        return "something else"
    kind = "a mapping" if isinstance(value, Mapping) else "a list"
    try:
        return kind if secret else f"{kind}, {_shortened(json.dumps(value, default=str))}"
    except (TypeError, ValueError):  # keys that are no texts, or what is within itself, as YAML can say it
        return kind


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
