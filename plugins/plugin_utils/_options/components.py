# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the components declare, given a host's variables: which ports they have, which program an argument is for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components.registry import COMPONENTS, DECLARATIONS
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Declaration, Port
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.spec import PREFIX

# The variables of further arguments, and the programs that these are for.
ARGUMENTS = {f"{PREFIX}{each.arguments}": each.program for each in DECLARATIONS if each.arguments}
FIXED = {f"{PREFIX}{each.arguments}": each.fixed for each in DECLARATIONS if each.arguments}
REFUSED = {
    f"{PREFIX}{each.arguments}": {refused.flag: refused for refused in each.refused}
    for each in DECLARATIONS
    if each.arguments
}
_ALL = tuple((each, port) for each in DECLARATIONS for port in each.ports)
_MOVED = tuple((each, port) for each, port in _ALL if port.option)
# The components whose environment can have further variables.
WITH_ENVIRONMENT = tuple(each.DECLARATION.name for each in COMPONENTS if "environment" in getattr(each, "OPTIONS", {}))
# The variables that move a port.
PORTS = tuple(f"{PREFIX}{port.option}" for _each, port in _MOVED)

Values = Mapping[str, Any]


def number_of(port: Port, values: Values) -> int:
    """The number of a port, given the variables; one that is not usable was found to be wrong, and moves nothing."""
    return int(values.get(f"{PREFIX}{port.option}", port.number))


def is_open(port: Port, values: Values) -> bool:
    """Whether a component listens on a port at all."""
    variable, value = port.when
    wanted = not variable or values.get(f"{PREFIX}{variable}") == value
    # A network that is none is a finding of its own.
    families = {6 if ":" in cidr else 4 for cidr in values.get(f"{PREFIX}cluster_cidr", ())}
    return wanted and (not port.family or port.family in families)


def ports_of(declared: Declaration, values: Values) -> list[dict[str, Any]]:
    """The ports of a component in the form that travels."""
    return [
        {
            "protocol": port.protocol,
            "number": number_of(port, values),
            "reach": port.reach,
            "program": declared.program,
        }
        for port in declared.ports
        if is_open(port, values)
    ]


def ports_for(values: Values, roles: Collection[str]) -> list[tuple[Port, int]]:
    """The ports that a host of these roles has, each with its number."""
    own = ((each, port) for each, port in _ALL if each.role in roles and each.program)
    return [(port, number_of(port, values)) for _each, port in own if is_open(port, values)]


def arguments_of(declared: Declaration, values: Values) -> list[str]:
    """The further arguments of a component."""
    return list(values.get(f"{PREFIX}{declared.arguments}") or ()) if declared.arguments else []


def components(values: Values, roles: Collection[str]) -> list[dict[str, Any]]:
    """All components, with the ports and users that they will have on a host of these roles."""
    return [
        {
            "name": declared.name,
            "unit": declared.unit,
            "routes": declared.remains.routes,
            "rules": [*declared.remains.tables, *declared.remains.chains],
            "ports": ports_of(declared, values) if declared.role in roles else [],
            "users": [user.name for user in declared.users] if declared.role in roles else [],
            "arguments": arguments_of(declared, values) if declared.role in roles else [],
            "program": declared.program,
            "configuration": declared.configuration,
        }
        for declared in DECLARATIONS
        if declared.program
    ]


def also_on(variable: str, values: Values) -> str:
    """Whose port a variable moves another one to; nothing when it is free. Of two variables the later is told."""
    own = PORTS.index(variable)
    protocol = _MOVED[own][1].protocol
    taken = {port.option: f"{PREFIX}{port.option}" for _each, port in _MOVED[:own]}
    others = [(each, port) for each, port in _ALL if not port.option or port.option in taken]
    holders = (
        taken.get(port.option) or each.program
        for each, port in others
        if is_open(port, values) and (port.protocol, number_of(port, values)) == (protocol, values[variable])
    )
    return next(holders, "")
