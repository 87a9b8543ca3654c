# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Components of the cluster taken apart again: what a unit runs, what its program knows, what its files say."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component as component_utils

BUNDLE = "/var/lib/k3a/data/abc"
SHARED = {"data_dir": "/var/lib/k3a", "bundle": BUNDLE, "programs": {}, "timeout": 300, "pending": []}
KNOWN = json.loads((Path(__file__).parent / "component_flags.json").read_text())


def params_for(module: Any, **given: Any) -> dict[str, Any]:
    """The parameters of a module as Ansible completes them."""
    defaults = {name: option.get("default") for name, option in module.OPTIONS.items()}
    return {**defaults, **SHARED, **given}


def component_of_step(monkeypatch: Any, name: str, **given: Any) -> Any:
    """The component that a step would have on this node; without its conditions, which are functions, equal to none."""
    seen = []

    def converge(_module: Any, component: Any, _pending: Any) -> dict[str, Any]:
        seen.append(dataclasses.replace(component, healthy=(), outdated=(), alive=()))
        return {"changed": False, "restarted": False, "changes": [], "diff": []}

    monkeypatch.setattr(component_utils, "converge", converge)
    result = drift.check(name, {"bundle": BUNDLE, **given})
    assert seen, result
    return seen[0]


def own_options(module: Any) -> set[str]:
    """The options that say what a component is, beside those about the run that makes it so."""
    return set(module.OPTIONS) - {"timeout", "wait", "wait_for", "pending"}


def programs_elsewhere() -> dict[str, str]:
    """Where the programs of a bundle will be, as check mode is told while they are not there."""
    names = [f"bin/{name}" for name in (*KNOWN["flags"], "k3a-load-balancer")]
    return {path: f"/var/lib/k3a/data/files/{'0' * 64}/{path.rpartition('/')[2]}" for path in names}


def directives(unit: str) -> dict[str, list[str]]:
    """The directives of a unit's text; a later empty assignment is kept as such."""
    found: dict[str, list[str]] = {}
    for line in unit.replace(" \\\n  ", " ").splitlines():
        if "=" in line:
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def command(unit: str) -> list[str]:
    """The words of ExecStart, of which none of ours needs quotes."""
    (line,) = re.findall(r"^ExecStart=((?:.*\\\n)*.*)$", unit, re.M)
    return line.replace(" \\\n  ", "\n").split("\n")


def unknown_flags(unit: str) -> list[str]:
    """The arguments of a unit that its program, in the version of the bundle, does not know."""
    program, *arguments = command(unit)
    known = KNOWN["flags"][program.rpartition("/")[2]]
    names = [argument.partition("=")[0].lstrip("-") for argument in arguments]
    return [name for name in names if name not in known]


def content_of(component: Any, path: str) -> str:
    """The wanted content of one of a component's files."""
    (content,) = (f.content.decode() for f in (*component.files, *component.reloaded) if f.path == path)
    return content


def document(component: Any, path: str) -> Any:
    """The wanted content of a YAML or JSON file."""
    return yaml.safe_load(content_of(component, path))
