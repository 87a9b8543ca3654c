# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""One module run at a time on a host.

A module outlives an ansible-playbook that was killed. The lock makes the next run wait for it, and the kernel drops it
with the process that holds it, so nothing is ever left behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

# Only root can make anything in /run; in /run/lock every user may, who could plant a link there or hold the file.
LOCK = "/run/k3a.lock"


class Busy(K3aError):
    """Another module run holds the host for longer than this one may wait."""


class NotOurs(K3aError):
    """What stands where the lock should be was made by somebody else."""


@contextlib.contextmanager
def host_lock(timeout: float, path: str = LOCK) -> Iterator[None]:
    """Hold the host for this process; raise Busy, naming the holder, when it stays taken for the given seconds."""
    deadline = time.monotonic() + timeout
    descriptor = _open(path)
    try:
        _take(descriptor, deadline, timeout, path)
        while not _is_at(descriptor, path):  # the one who held it has removed it
            os.close(descriptor)
            descriptor = _open(path)
            _take(descriptor, deadline, timeout, path)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def remove_lock(path: str = LOCK) -> None:
    """Leave nothing behind; only for the one who holds the lock, as the last thing."""
    os.unlink(path)


def _open(path: str) -> int:
    """The lock's file, made when it is missing; what is a link or somebody else's is neither changed nor waited for."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_ours(path) from None
        raise
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise _not_ours(path)


def _not_ours(path: str) -> NotOurs:
    return NotOurs(f"{path} is a link or belongs to another user, and k3a has not made it; see who did, and remove it")


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _take(descriptor: int, deadline: float, timeout: float, path: str) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace") or "unknown"
                raise Busy(
                    f"another k3a run (process {holder}) has held {path} for more than {timeout:.0f} s; "
                    "wait for it to end, or stop that process, and run again"
                ) from None
            time.sleep(0.1)
