# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The part of the lock of a cluster that is a file on a server: it expires unless it is renewed.

It counts time since boot: setting the clock extends no lock, and a reboot empties /run anyway.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, excerpt

LOCK = "/run/k3a-cluster.lock"
TTL = 60.0
# Characters of each thing that is said of a holder, by whoever could write it.
LONGEST = 200


class Held(K3aError):
    """Another playbook holds the cluster."""

    def __init__(self, lock: dict[str, Any], seconds: float) -> None:
        """A lock that nobody renews lives so many seconds."""
        self.lock = shown(lock)
        super().__init__(
            f"{told(self.lock)}; wait for it to end (the lock of a dead run expires within {seconds:.0f} s)"
        )


def shown(lock: Mapping[str, Any]) -> dict[str, str]:
    """What is said of a lock, as it is shown."""
    return {key: excerpt(str(lock.get(key, "")), LONGEST) for key in ("id", "holder", "since")}


def told(lock: Mapping[str, Any]) -> str:
    """Who holds a lock, in a sentence."""
    about = shown(lock)
    return f"another k3a playbook holds this cluster: {about['holder']}, since {about['since']}"


def take(identity: str, holder: str, replaces: str = "", path: str = LOCK) -> bool:
    """Take the lock, or renew it; whether it was held already. A lock that is to be replaced counts as free."""
    with _opened(path, create=True) as descriptor:
        current = _valid(descriptor)
        held = current is not None and current["id"] == identity
        if current is not None and not held and current["id"] != replaces:
            raise Held(current, TTL)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _write(descriptor, current if held and current else {"id": identity, "holder": holder, "since": since})
        return held


def renew(identity: str, path: str = LOCK) -> dict[str, Any] | None:
    """The lock, if it is still the caller's and lives on. One that ran out and that nobody took is."""
    with _opened(path) as descriptor:
        current = _read(descriptor)
        if current is None or current["id"] != identity:
            return None
        _write(descriptor, current)
        return current


def release(identity: str, path: str = LOCK, beside: str = "") -> bool:
    """Give the lock back; whether it was the caller's. What is C(beside) it goes first: later it may be another's."""
    with _opened(path) as descriptor:
        current = _read(descriptor)
        if current is None or current["id"] != identity:
            return False
        if beside:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
        os.unlink(path)
        return True


def holder_of(path: str = LOCK) -> dict[str, Any] | None:
    """Who holds the lock now."""
    with _opened(path) as descriptor:
        return _valid(descriptor)


@contextlib.contextmanager
def _opened(path: str, create: bool = False) -> Iterator[int | None]:
    """The file, to oneself; None when there is none."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: str) -> bool:
    # The one who held it may have removed it meanwhile.
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _read(descriptor: int | None) -> dict[str, Any] | None:
    if descriptor is None:
        return None
    try:
        lock = json.loads(os.pread(descriptor, 65536, 0))
        texts = {key: str(lock[key]) for key in ("id", "holder", "since")}
        return {**texts, "expires": float(lock["expires"])}
    except (ValueError, KeyError, TypeError):
        return None  # it was killed before it had written anything that counts


def _valid(descriptor: int | None) -> dict[str, Any] | None:
    current = _read(descriptor)
    return current if current is not None and current["expires"] > _now() else None


def _write(descriptor: int | None, lock: dict[str, Any]) -> None:
    if descriptor is not None:
        content = json.dumps({**lock, "expires": _now() + TTL}).encode()
        # In one go, over all that was there: a file that is empty for a moment would be free for good after a kill.
        os.pwrite(descriptor, content.ljust(os.fstat(descriptor).st_size), 0)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
