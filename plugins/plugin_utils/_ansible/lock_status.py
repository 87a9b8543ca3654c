# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a run knows of its lock of the cluster: when it was renewed last. The keeper writes it down, steps look at it.

A step that changes who is a member of the cluster looks, before it begins, whether nobody else can have the lock by
now; so a keeper that has died, a network that is gone and a controller that slept end such a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lock import DURATION
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lock_file import TTL
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import shipping

# A step that begins takes a while until its first change.
MARGIN = 15.0


class LockLost(K3aError):
    """This run cannot be sure that it still holds the cluster."""


@dataclass(frozen=True)
class Status:
    """When file and Lease were renewed last, counted from before it was asked for, and whether another one has them."""

    renewed: float
    leased: float | None = None
    lost: bool = False


class Book:
    """Where all processes of a run see what became of the lock on one server."""

    def __init__(self, server: str) -> None:
        self._path = Path(shipping.run_directory(), f"lock-{hashlib.sha256(server.encode()).hexdigest()[:16]}.json")

    def read(self) -> Status:
        """What was written last, or that nothing is known."""
        with contextlib.suppress(FileNotFoundError):
            return _read(self._path)
        return Status(0.0)

    def write(self, status: Status) -> None:
        """Replace it whole; when the run has ended its directory is gone, and nobody reads any more."""
        aside = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            aside.write_text(json.dumps(asdict(status)), encoding="utf-8")
            aside.replace(self._path)


def now() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def statuses() -> list[Status]:
    """What is known of the lock on each of the servers that keep it."""
    found = Path(shipping.run_directory()).glob("lock-*.json")
    return [_read(path) for path in sorted(found)]


def _read(path: Path) -> Status:
    return Status(**json.loads(path.read_text(encoding="utf-8")))


def trouble(found: Sequence[Status], moment: float) -> str:
    """Why the cluster may be another playbook's by now, or nothing. The Lease is enough, else all files are needed."""
    if not found:
        return "this playbook does not hold the cluster's lock (lock.yml)"
    if any(status.lost for status in found):
        return "another playbook holds the cluster's lock by now"
    leased = max((status.leased for status in found if status.leased is not None), default=None)
    if leased is not None and moment - leased < DURATION - MARGIN:
        return ""
    age = moment - min(status.renewed for status in found)
    if leased is None and age < TTL - MARGIN:
        return ""
    seconds = moment - leased if leased is not None else age
    return f"the cluster's lock was not renewed for {seconds:.0f} s, so that another playbook may hold it by now"


def require(host: str) -> None:
    """Refuse a step on a host unless this run holds the cluster."""
    problem = trouble(statuses(), now())
    if problem:
        raise LockLost(f"nothing was done on {host}: {problem}; run the playbook again")
