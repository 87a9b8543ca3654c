#!/usr/bin/env python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/variables.md from the variables' specifications."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SPECIFICATIONS = {path.parents[1].name: path for path in sorted(ROOT.glob("*/*/meta/argument_specs.yml"))}
PLAYBOOKS = ROOT / "playbooks/meta/argument_specs.yml"
FILE = ROOT / "docs/variables.md"

PAGE = """\
# Variables

Written by `make variables` from `roles/*/meta/argument_specs.yml` and `playbooks/meta/argument_specs.yml`; edit those.

They are set in the inventory, in `group_vars` and `host_vars`, or by `-e`. A value may be given in any of the forms
that these have, and is the same in each:

* a list as YAML has it, as a text with commas (`k3a_cluster_cidr=10.42.0.0/16,fd00:42::/56`), or as a text in brackets.
  Arguments of components and annotations may contain commas: there a text is one item, and several take a list.
* a number or a boolean also as a text. A text never as a number: `"0600"` and `"1.10"` need their quotes.
* a path on the controller from the current directory, or with `~`. A path on a host is absolute.

A variable `k3a_*` that is not on this page is refused, and so is a value that does not fit, before anything changes.
"""
PLAYBOOK_VARIABLES = """
## Playbooks

What only a playbook knows, most often given by `-e`.
"""


def specified(path: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]


def written() -> str:
    """The page as it follows from the specifications."""
    roles = {role: specified(path)["main"] for role, path in SPECIFICATIONS.items()}
    return page(roles, specified(PLAYBOOKS))


def scalar(value: Any) -> str:
    """A value as YAML has it, on one line, in quotes where it needs them."""
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    plain = isinstance(value, str) and re.fullmatch(r"[\w./:-]+", value) and yaml.safe_load(value) == value
    return value if plain else json.dumps(value)


def page(roles: Mapping[str, Mapping[str, Any]], playbooks: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [PAGE]
    for role in ("common", "server", "agent", "addons"):
        parts.append(f"\n## {roles[role]['short_description']} (role `{role}`)\n\n{table(roles[role]['options'])}")
    parts.append(PLAYBOOK_VARIABLES)
    for playbook, entry_point in sorted(playbooks.items()):
        parts.append(f"\n### `{playbook}.yml`\n\n{entry_point['short_description']}.\n\n")
        parts.append(table(entry_point["options"]))
    return "".join(parts)


def table(options: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        f"| `{name}` | {kind(option)} | {shown(option)} | {prose(option['description'])} |\n"
        for name, option in options.items()
    ]
    return "| variable | type | default | |\n|---|---|---|---|\n" + "".join(rows)


def kind(option: Mapping[str, Any]) -> str:
    words = {"str": "text", "int": "number", "bool": "boolean", "dict": "mapping", "path": "path"}
    base = f"list of {words[option['elements']]}s" if option["type"] == "list" else words[option["type"]]
    return f"{base}: {', '.join(f'`{choice}`' for choice in option['choices'])}" if "choices" in option else base


def shown(option: Mapping[str, Any]) -> str:
    value = option["default"]
    return "" if value == "" or (isinstance(value, str) and "{{" in value) else f"`{scalar(value)}`"


def prose(sentences: Iterable[str]) -> str:
    """Ansible's markup as Markdown's."""
    text = " ".join(sentences)
    text = re.sub(r"[OP]\((?:k3a\.cluster\.\w+#role:main:)?([^()#]+)(?:#\w+)?\)", r"`\1`", text)
    return re.sub(r"[CVE]\(([^()]*)\)", r"`\1`", text).replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
