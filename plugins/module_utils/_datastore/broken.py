# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Whether etcd ends again and again over its data: an old copy that nothing tells from the newest, or a damaged log.

What is on the disk does not show it. etcd itself finds it out, from what the other members say or when it reads its
log, and says so in the last record of its own log before it ends; systemd starts it anew, for ever.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import systemd
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import excerpt

UNIT = "k3a-etcd.service"
# Fewer restarts than this may be anything's; and what etcd said longer ago may be over.
AGAIN_AND_AGAIN = 2
SINCE = "-2min"
# What etcd finds to be impossible is a panic. Where it cannot read its log it ends by an error, as it does for want of
# an address or of space, which are no reason to give up its data.
PANIC, FATAL, OF_ITS_LOG = "panic", "fatal", ("failed to read WAL", "failed to open WAL", "failed to repair WAL")
LONGEST = 200
# What keeps etcd from working with data that is as it was. On a full disk it cannot mend the end of its log either,
# which it does in a copy, and says of that last that its log cannot be read.
_NOT_THE_DATA = re.compile(
    r"(?<!connect: )(no space left on device|disk quota exceeded|read-only file system|permission denied"
    r"|cannot allocate memory|too many open files)|invalid downgrade"
)


def complaint() -> str:
    """What etcd says of its data where it ends over it again and again; nothing where it does not."""
    if systemd.unit_state(UNIT).restarts < AGAIN_AND_AGAIN:
        return ""
    return complaint_in(systemd.journal_since(UNIT, SINCE))


def complaint_in(log: str) -> str:
    """The last that etcd says in its log of why it ends over its data; nothing where that may be something else."""
    records = [*filter(None, map(_record, log.splitlines()))]
    if any(_NOT_THE_DATA.search(f"{record.get('msg')}: {record.get('error')}") for record in records):
        return ""
    return next(filter(None, map(_complaint, reversed(records))), "")


def _record(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):  # not all that a process says when it ends is a record
        return {}
    return told if isinstance(told, dict) else {}


def _complaint(told: dict[str, Any]) -> str:
    message, level = str(told.get("msg", "")), told.get("level")
    if level != PANIC and not (level == FATAL and message.startswith(OF_ITS_LOG)):
        return ""
    error = told.get("error")
    return excerpt(f"{message}: {error}" if error else message, LONGEST)
