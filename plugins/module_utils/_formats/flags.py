# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Command lines of components: our defaults and the operator's passed-through arguments, merged as K3s merges them.

An argument is C(flag=value). It replaces our default of that flag; C(flag+=value) appends to it and C(flag-=value)
prepends to it, both with a comma. Repeated arguments of one flag all stay, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_LOGGING = ("v", "vmodule")
_OPERATORS = {"+": "append", "-": "prepend"}


def logging(params: Mapping[str, Any]) -> dict[str, str]:
    """The arguments that say how much a component of Kubernetes logs; none, where it is what it does by itself."""
    return {name: str(params[name]) for name in _LOGGING if params.get(name)}


def split_argument(argument: str) -> tuple[str, str, str]:
    """An argument's flag, how it meets our default (replace, append or prepend), and its value."""
    name, _separator, value = argument.lstrip("-").partition("=")
    operation = _OPERATORS.get(name[-1:], "replace")
    return (name if operation == "replace" else name[:-1]), operation, value


def merge(defaults: Mapping[str, str], extra: Iterable[str]) -> list[str]:
    """Sorted C(--flag=value) arguments: the defaults, changed by the operator's arguments."""
    merged = {name: [value] for name, value in defaults.items()}
    replaced: set[str] = set()
    for argument in extra:
        name, operation, value = split_argument(argument)
        current = merged.get(name, [])
        if operation == "append":
            merged[name] = [*current[:-1], ",".join(part for part in (*current[-1:], value) if part)]
        elif operation == "prepend":
            merged[name] = [",".join(part for part in (value, *current[:1]) if part), *current[1:]]
        else:
            merged[name] = [*current, value] if name in replaced else [value]
            replaced.add(name)
    return [f"--{name}={value}" for name in sorted(merged) for value in merged[name]]
