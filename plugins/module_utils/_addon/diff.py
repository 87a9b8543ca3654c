# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an object counts when it is compared, and how a difference is shown.

Private to the collection: may change at any time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._formats import yaml

# What the API writes by itself.
BOOKKEEPING = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
SECRET_FIELDS = ("data", "stringData")
HIDDEN = "(hidden)"


def normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what the API keeps in it for itself."""
    metadata = {field: value for field, value in body["metadata"].items() if field not in BOOKKEEPING}
    return {**{field: value for field, value in body.items() if field != "status"}, "metadata": metadata}


def owned_fields(body: Mapping[str, Any], manager: str) -> list[Any]:
    """The fields that a manager has applied."""
    return [
        entry.get("fieldsV1")
        for entry in body["metadata"].get("managedFields") or []
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]


def same(live: Mapping[str, Any], wanted: Mapping[str, Any], manager: str) -> bool:
    """Whether applying would change nothing: neither the object nor who owns which of its fields."""
    return normalised(live) == normalised(wanted) and owned_fields(live, manager) == owned_fields(wanted, manager)


def difference(title: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    """One object before and after, for --diff; None is an object that is not there."""
    shown_before, shown_after = _masked(before, after)
    return {
        "before_header": title,
        "after_header": title,
        "before": as_yaml(normalised(shown_before)) if shown_before else "",
        "after": as_yaml(normalised(shown_after)) if shown_after else "",
    }


def _masked(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The values of a Secret are only said to be there, or to differ."""
    if (before or after or {}).get("kind") != "Secret":
        return before, after
    return _without_secrets(before, HIDDEN, {}), _without_secrets(after, HIDDEN, before or {})


def _without_secrets(body: Mapping[str, Any] | None, mask: str, other: Mapping[str, Any]) -> dict[str, Any] | None:
    if body is None:
        return None
    hidden = dict(body)
    for field in SECRET_FIELDS:
        if isinstance(body.get(field), dict):
            known = other.get(field) or {}
            hidden[field] = {
                key: mask if key not in known or known[key] == value else f"{mask} and different"
                for key, value in body[field].items()
            }
    annotations = body["metadata"].get("annotations") or {}
    copy = "kubectl.kubernetes.io/last-applied-configuration"
    if copy in annotations:
        hidden["metadata"] = {**body["metadata"], "annotations": {**annotations, copy: mask}}
    return hidden


def without_secret_values(text: str, body: Mapping[str, Any]) -> str:
    """The API quotes what it refuses: not when that is a secret."""
    if body.get("kind") == "Secret":
        for field in SECRET_FIELDS:
            values = body.get(field)
            for value in values.values() if isinstance(values, dict) else ():
                if len(str(value)) > 1:
                    text = text.replace(str(value), HIDDEN)
    return text


def as_yaml(body: Mapping[str, Any]) -> str:
    """A text that is the same for the same object, whoever has ordered its fields."""
    return yaml.dump(json.loads(json.dumps(body, sort_keys=True)))
