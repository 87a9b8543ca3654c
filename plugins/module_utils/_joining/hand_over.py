# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Where a node renews certificates by itself, the units that were handed former ones are started anew by this program.

Elsewhere the run that renews does it. What a process could not start with is no reason to end the one that runs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._engine import handed, own_units, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Credentials
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, sentence
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem

DONE = 0
# What is renewed. Other files of ours change by a run only; what somebody made of them is nothing to start with.
_RENEWED = re.compile(r"^LoadCredential=([^:\n]+\.(?:crt|key)):(.+)$", re.M)


def credentials_of(units: Mapping[str, str]) -> list[Credentials]:
    """The certificates and keys that units hand to their processes, by the texts of these."""
    found = ((f"k3a-{name}.service", tuple(_RENEWED.findall(text))) for name, text in units.items())
    return [Credentials(unit, sources) for unit, sources in found if sources]


def flaw(credentials: Credentials) -> str:
    """Why a process could not work with what it would be handed now, or nothing."""
    given = dict(credentials.sources)
    for name, path in credentials.sources:
        stem, _dot, kind = name.rpartition(".")
        if kind == "key" and f"{stem}.crt" in given and not pem.belongs(path, given[f"{stem}.crt"]):
            return f"{given[f'{stem}.crt']} and {path} cannot be read, or do not belong together"
        if kind == "crt" and f"{stem}.key" not in given and not pem.is_readable(path):
            return f"{path} holds no certificate that can be read"
    return ""


def start_anew(credentials: Credentials) -> str:
    """Start a running unit anew that was handed something former, and say so; nothing where it was not."""
    changed = handed.former(credentials)
    if not changed:
        return ""
    wrong = flaw(credentials)
    if wrong:
        return f"<4>{credentials.unit} keeps running with its former certificate: {wrong}"
    systemd.restart_running(credentials.unit)
    return f"<5>started {credentials.unit} anew, for {', '.join(changed)}"


def main(given: Sequence[str]) -> int:
    """Start those units of ours anew that were handed something former. That one cannot be is no failure: a run can."""
    del given
    for credentials in credentials_of(own_units.installed()):
        try:
            told = start_anew(credentials)
        except (K3aError, OSError) as error:
            told = f"<4>{credentials.unit} has a former certificate: {sentence(error)}"
        if told:
            sys.stderr.write(f"{told}\n")
    return DONE
