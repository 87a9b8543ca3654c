# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The tasks of the collection's own roles as data, with what they have from the blocks around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.template import trust_as_template
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import COLLECTION

GROUP = "group/k3a.cluster.k3a"
# What says how a task runs, not what it does.
MANNERS = frozenset({"name", "any_errors_fatal", "no_log", "run_once", "throttle", "timeout"})
KEYWORDS = MANNERS | {"block", "delegate_to", "module_defaults", "register", "vars", "when"}


class RoleTaskError(K3aError):
    """A task file has something that its tasks cannot be understood without."""


@dataclass(frozen=True)
class RoleTask:
    """A task of one of the collection's modules; its arguments, conditions and variables are templates."""

    name: str
    module: str
    arguments: Mapping[str, Any]
    conditions: tuple[Any, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    register: str = ""
    delegated: bool = False


@cache
def tasks_of(roles: Path, file: str) -> tuple[RoleTask, ...]:
    """The tasks of C(role/file), whose texts are the collection's own and may be templates."""
    role, _slash, name = file.partition("/")
    text = (roles / role / "tasks" / f"{name}.yml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(tasks_in(_trusted(yaml.load(text, Loader=loader))))  # noqa: S506 (both are safe loaders)


def _trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def tasks_in(entries: Iterable[Mapping[str, Any]], outer: RoleTask | None = None) -> Iterator[RoleTask]:
    """The tasks of a task file in their order; those of blocks have the blocks' conditions, variables and defaults."""
    outer = outer or RoleTask("", "", {})
    for entry in entries:
        name = str(entry.get("name", ""))
        modules = [key for key in entry if key.startswith(COLLECTION)]
        strange = sorted(entry.keys() - KEYWORDS - set(modules))
        if strange or len(modules) != ("block" not in entry):
            raise RoleTaskError(f"the task {name!r} has {', '.join(strange) or 'no module of this collection'}")
        inner = RoleTask(
            name=name,
            module=modules[0].removeprefix(COLLECTION) if modules else "",
            arguments={
                **outer.arguments,
                **(entry.get("module_defaults") or {}).get(GROUP, {}),
                **((entry[modules[0]] or {}) if modules else {}),
            },
            conditions=(*outer.conditions, *_conditions(entry)),
            variables={**outer.variables, **(entry.get("vars") or {})},
            register=str(entry.get("register", "")),
            delegated=outer.delegated or "delegate_to" in entry,
        )
        if "block" in entry:
            yield from tasks_in(entry["block"], inner)
        else:
            yield inner


def _conditions(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    when = entry.get("when", ())
    return tuple(when) if isinstance(when, (list, tuple)) else (when,)
