# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What systemd has handed to the processes of units, and what became of it since.

A process keeps the credentials that it was started with.
"""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.health import Condition
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Credentials

# systemd keeps what it hands over out of the sight of every unit, and so of what a unit of ours, or of others, runs.
SIGHT_OF_SYSTEMD = "/proc/1/root"


def outdated(credentials: Credentials, pending: Collection[str] = ()) -> Condition:
    """A condition of a component: its process was handed what its files hold, and these are not about to change."""

    def condition() -> str | None:
        changed = sorted({*former(credentials), *pending}.intersection(credentials.inputs))
        return f"it was handed another {changed[0]}" if changed else None

    return condition


def former(credentials: Credentials) -> list[str]:
    """The files of which the running process of a unit was handed a former content; none while it does not run."""
    contents = {
        source: (_as_systemd_sees(credentials.path(name)), files.read_bytes(source))
        for name, source in credentials.sources
    }
    return [source for source, (handed, now) in contents.items() if None not in (handed, now) and handed != now]


def _as_systemd_sees(path: str) -> bytes | None:
    try:
        return files.read_bytes(SIGHT_OF_SYSTEMD + path)
    except PermissionError:  # as in a container that is kept from looking at its first process
        return files.read_bytes(path)
