# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a Node object tells of how it was made: K3s's annotations node-args, node-env and node-config-hash."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "********"
# What the value of any flag may be and surely no secret: a truth value, a number with a unit, a path.
HARMLESS = re.compile(r"true|false|-?[0-9]+(\.[0-9]+)?[a-zA-Z%]{0,3}|/[-\w./]*|")
# Unless the flag says that it is one.
TELLING = re.compile(r"token|secret|password|credential", re.IGNORECASE)
# Where something is on the controller, and how a run goes, say nothing about the node.
OF_THE_CONTROLLER = frozenset({"k3a_bundle", "k3a_kubeconfig", "k3a_manifests", "k3a_token_file"})
OF_A_RUN = frozenset({"k3a_max_unavailable", "k3a_replace", "k3a_strict", "k3a_wait_timeout"})
# An agent shows its token once, to be let in, and is the same node without.
OF_SERVERS = frozenset({"k3a_token"})


def node_args(
    server: bool, values: Mapping[str, Any], specification: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]
) -> list[str]:
    """The variables that an operator has set, as K3s would have been told: a command and its flags, secrets masked."""
    arguments = ["server" if server else "agent"]
    left_out = OF_THE_CONTROLLER | OF_A_RUN | (frozenset() if server else OF_SERVERS)
    for name in sorted(values):
        if name in left_out or values[name] == defaults.get(name):
            continue
        flag = "--" + name.removeprefix("k3a_").replace("_", "-")
        value = values[name]
        for one in value if isinstance(value, list) else [value]:
            arguments += [flag, HIDDEN if specification[name].get("no_log") else shown(name, one)]
    return arguments


def shown(name: str, value: Any) -> str:
    """A value as a flag has it, for all who may read Nodes; masked where it may hold a secret."""
    if isinstance(value, dict):
        return HIDDEN
    if not isinstance(value, str):
        return json.dumps(value)
    if name.endswith("_arg"):
        flag, equals, given = value.partition("=")
        is_open = HARMLESS.fullmatch(given) and not TELLING.search(flag)
        return f"{flag}{equals}{given if is_open or not equals else HIDDEN}"
    return value


def node_annotations(arguments: list[str]) -> list[str]:
    """The annotations of a Node, C(key=value) each; a component's environment is its unit's, so node-env is empty."""
    args, env = json.dumps(arguments), json.dumps({})
    digest = base64.b32encode(hashlib.sha256((args + env).encode()).digest()).decode()
    return [f"k3a.io/node-args={args}", f"k3a.io/node-env={env}", f"k3a.io/node-config-hash={digest}"]
