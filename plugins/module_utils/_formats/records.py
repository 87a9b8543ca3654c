# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Records from mappings that somebody else made: each key that is known has the type that it has in the record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

Record = TypeVar("Record")


class FormError(K3aError):
    """A mapping that is no such record; the text says what of it."""


def record(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """A record from the keys of a mapping that it knows, each of the type that it has there."""
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    given = {name: _checked(name, values[name], str(each.type)) for name, each in known.items() if name in values}
    for name, each in known.items():
        if name not in given and each.default is MISSING and each.default_factory is MISSING:
            raise FormError(f"it has no {name}")
    return kind(**given)


def records(kind: type[Record], name: str, values: Any) -> tuple[Record, ...]:
    """Records from a list of mappings."""
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, Mapping) for value in values):
        raise FormError(f"its {name} is {values!r:.100}, which is no list of mappings")
    return tuple(record(kind, value) for value in values)


def _checked(name: str, value: Any, kind: str) -> Any:
    check = CHECKS.get(kind)
    if check is None:  # a record of ours already
        return value
    checked = check(value)
    if checked is None:
        raise FormError(f"its {name} is {value!r:.100}, which is no {kind}")
    return checked


def _texts(value: Any) -> tuple[str, ...] | None:
    of_texts = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return tuple(value) if of_texts else None


def _texts_by_name(value: Any) -> Mapping[str, str] | None:
    of_texts = isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())
    return value if of_texts else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _instance(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else None


CHECKS: dict[str, Callable[[Any], Any]] = {
    "str": _instance(str),
    "bool": _instance(bool),
    "int": _whole_number,
    "float": _number,
    "tuple[str, ...]": _texts,
    "Mapping[str, str]": _texts_by_name,
    "Mapping[str, Any]": _instance(Mapping),
}
