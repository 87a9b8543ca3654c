# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Write YAML: nodes have no YAML library, and configuration that people read should not be JSON.

Only what configuration needs: mappings, lists and scalars. A string is quoted, as JSON quotes it, wherever YAML could
read it as something else.
"""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*\Z")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# Readers of YAML take some of these for ends of lines and refuse the others.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def dump(value: Any) -> str:
    """The YAML text of a value; keys keep their order."""
    if isinstance(value, (dict, list)) and value:
        return "\n".join(_lines(value)) + "\n"
    return _scalar(value) + "\n"


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _entry(f"{_scalar(str(key))}:", item, indent="  ")]
    return [line for item in value for line in _item(item)]


def _entry(head: str, item: Any, indent: str) -> list[str]:
    if isinstance(item, dict) and item:
        return [head] + [indent + line for line in _lines(item)]
    if isinstance(item, list) and item:
        return [head] + _lines(item)
    if isinstance(item, str) and _is_block(item):
        mark, text = ("|", item[:-1]) if item.endswith("\n") else ("|-", item)
        return [f"{head} {mark}"] + [indent + line if line else "" for line in text.split("\n")]
    return [f"{head} {_scalar(item)}"]


def _item(item: Any) -> list[str]:
    if isinstance(item, (dict, list)) and item:
        first, *rest = _lines(item)
        return [f"- {first}"] + [f"  {line}" for line in rest]
    return [f"- {_scalar(item)}"]


def _is_block(text: str) -> bool:
    clean = text[:1].strip() and "\n" in text and not text.endswith("\n\n") and not _UNPRINTABLE.search(text)
    return bool(clean) and all(line == line.rstrip() for line in text.split("\n"))


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _RESERVED:
        return value
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
