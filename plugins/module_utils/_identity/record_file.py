# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Small records that a host keeps outside of its data directory: JSON with the number of its format.

What is read may have been written by a later version, or been damaged: then it is refused by name, and only C(data.py)
overwrites the one that it can do without. There is no secret in it. C(_engine/files.py) writes it, as all files.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, TypeVar

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import records

Record = TypeVar("Record")

DIRECTORY = "/etc/k3a"
FORMAT = 1


class RecordDamaged(K3aError):
    """A record that is there and cannot be read; only the operator knows whether it can be given up."""


def read(path: str, kind: type[Record]) -> Record | None:
    """The record in a file, or None where there is no file."""
    content = files.read_bytes(path)
    if content is None:
        return None
    try:
        values = json.loads(content)
        if _is_newer(values):
            raise RecordDamaged(
                f"{path} was written by a newer k3a (its format is {values['format']}, and this one knows {FORMAT}); "
                "use that one"
            )
        return record_of(values, kind)
    except (ValueError, RecursionError, records.FormError) as error:
        raise RecordDamaged(
            f"{path} is damaged ({error}); put it back from a backup, or remove it while k3a runs on this host as it"
            " should: it is written anew by what runs"
        ) from None


def _is_newer(values: Any) -> bool:
    number = values.get("format") if isinstance(values, dict) else None
    return isinstance(number, int) and not isinstance(number, bool) and number > FORMAT


def record_of(values: Any, kind: type[Record]) -> Record:
    """The record that a file's values are, judged."""
    if not isinstance(values, dict):
        raise records.FormError("it is no mapping")
    if values.get("format") != FORMAT:
        raise records.FormError(f"its format is {values.get('format')!r:.100}, and this version knows {FORMAT}")
    return records.record(kind, values)


def as_file(path: str, record: Any) -> files.File:
    """A record as the file that has it."""
    values = {"format": FORMAT, **asdict(record)}
    return files.File(path, (json.dumps(values, indent=2, sort_keys=True) + "\n").encode(), mode=0o600)
