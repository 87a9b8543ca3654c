# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The services of ours that are installed on a host, and what their texts say of it, whatever a variable says now."""

from __future__ import annotations

import os
import re

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.systemd import UNIT_DIRECTORY

_UNIT = re.compile(r"k3a-(.+)\.service")
# Each of ours says so, whichever version wrote it. One that says nothing at all may have been damaged.
_OURS = re.compile(r"^Description=.* \(k3a\)$", re.M)
# Every program of ours is run by its path in a bundle.
_DATA_DIR = re.compile(r'^ExecStart="?(/\S*)/data/(?:files/)?[^/\s]+/', re.M)


def installed(directory: str = UNIT_DIRECTORY) -> dict[str, str]:
    """The texts of the services, by the names of their components."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    found = {match[1]: f"{directory}/{name}" for name in names for match in [_UNIT.fullmatch(name)] if match}
    texts = {name: (files.read_bytes(path) or b"").decode(errors="replace") for name, path in sorted(found.items())}
    return {name: text for name, text in texts.items() if _OURS.search(text) or "ExecStart=" not in text}


def data_dir(unit: str) -> str:
    """The data directory that a unit's program comes from, or nothing."""
    found = _DATA_DIR.search(unit)
    return found[1] if found else ""


def argument(unit: str, name: str) -> str:
    """The value of an argument of a unit's program; nothing where it has none, or one that has to be quoted."""
    found = re.search(rf"\s--{name}=([^\s\"\\]+)", unit)
    return found[1] if found else ""
