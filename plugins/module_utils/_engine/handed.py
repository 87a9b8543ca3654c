# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What systemd has handed to the processes of units, and what became of it since.

A process keeps the credentials that it was started with. Where a node renews certificates by itself, the units that
were handed former ones are started anew by this program; elsewhere the run that renews does it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, own_units, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.health import Condition
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Credentials
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, sentence

DONE = 0
# systemd keeps what it hands over out of the sight of every unit, and so of what a unit of ours, or of others, runs.
SIGHT_OF_SYSTEMD = "/proc/1/root"
# What is renewed. Other files of ours change by a run only; what somebody made of them is nothing to start with.
_RENEWED = re.compile(r"^LoadCredential=([^:\n]+\.(?:crt|key)):(.+)$", re.M)


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


def credentials_of(units: Mapping[str, str]) -> list[Credentials]:
    """The certificates and keys that units hand to their processes, by the texts of these."""
    found = ((f"k3a-{name}.service", tuple(_RENEWED.findall(text))) for name, text in units.items())
    return [Credentials(unit, sources) for unit, sources in found if sources]


def main(given: Sequence[str]) -> int:
    """Start those units of ours anew that were handed something former. That one cannot be is no failure: a run can."""
    del given
    for credentials in credentials_of(own_units.installed()):
        try:
            changed = former(credentials)
            if changed:
                systemd.restart_running(credentials.unit)
                sys.stderr.write(f"<5>started {credentials.unit} anew, for {', '.join(changed)}\n")
        except (K3aError, OSError) as error:
            sys.stderr.write(f"<4>{credentials.unit} has a former certificate: {sentence(error)}\n")
    return DONE
