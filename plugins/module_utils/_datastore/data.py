# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Whose data etcd keeps on this host: every file of its log begins with the ids of its cluster and member.

So they are known while etcd does not run, and before it is started. A file of the log is a series of frames: the size
of a record, and the record, a message of protobuf; the first is a checksum, the second has the ids. Some of the others
say up to which entry a majority has agreed (the commit), which only grows: data that says less than it did is an old
copy, from which what was agreed on since is gone.
"""

from __future__ import annotations

import contextlib
import glob
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._identity import record_file
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity

PROGRESS = f"{record_file.DIRECTORY}/etcd-progress.json"
METADATA, STATE = 1, 3
# Of a record: its type and content. Of the metadata: the ids of member and cluster. Of the state: the commit.
TYPE, CONTENT = 1, 3
MEMBER, CLUSTER = 1, 2
COMMIT = 3
VARINT, BYTES = 0, 2
# Bits: ten bytes of seven each hold any number of 64.
LONGEST_NUMBER = 70
# The ids come within the first few of these.
HEAD = 4096


class DataDamaged(K3aError):
    """Data of etcd that does not say whose it is."""


@dataclass(frozen=True)
class Progress:
    """How far a member has been seen to have come."""

    cluster_id: str
    member_id: str
    commit: int


def kept_identity(directory: str) -> EtcdIdentity | None:
    """Cluster and member whose data is in a data directory of etcd, or None where etcd has never begun to keep any."""
    log = _newest_log(directory)
    if log is None:
        return None
    try:
        with _opened(log) as stream:
            return identity_in(stream.read(HEAD))
    except (ValueError, LookupError):
        raise DataDamaged(f"{log} does not say whose data it is; put the data of etcd back") from None


def kept_progress(directory: str) -> Progress | None:
    """How far the member has come whose data is in a directory, as it would be after a power cut now."""
    log, kept = _newest_log(directory), kept_identity(directory)
    if log is None or kept is None:
        return None
    with _opened(log) as stream:
        os.fsync(stream.fileno())
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return Progress(kept.cluster_id, kept.member_id, commit_in(content))


def recorded_progress() -> Progress | None:
    """How far a member of this host has been seen to have come."""
    # It guards against an old copy; where it cannot be read, that is all that is not known.
    with contextlib.suppress(record_file.RecordDamaged):
        return record_file.read(PROGRESS, Progress)
    return None


def is_outdated(kept: Progress | None, recorded: Progress | None) -> bool:
    """Whether data is that of a member that had come further already."""
    if not kept or not recorded or kept.member_id != recorded.member_id or kept.cluster_id != recorded.cluster_id:
        return False
    return kept.commit < recorded.commit


def record_progress(kept: Progress | None) -> None:
    """Write down how far the member of this host has come."""
    recorded = recorded_progress()
    if kept and kept != recorded and not is_outdated(kept, recorded):
        files.write_file(record_file.as_file(PROGRESS, kept))


def _newest_log(directory: str) -> str | None:
    return max(glob.glob(f"{glob.escape(directory)}/member/wal/*.wal"), default=None)


def _opened(log: str) -> BinaryIO:
    """A file of the log, to read. What stands there is etcd's to choose, and must not hold root up or lead it away."""
    return open(log, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK))


def set_aside(directory: str, moment: int) -> None:
    """Keep under another name what is left of data, though perhaps not the log without which it is none."""
    name = f"etcd-old-{moment}"
    if os.path.ismount(directory):
        # A file system of its own stays where it is, with what is its own in it; etcd minds none of that.
        if os.path.isdir(f"{directory}/member"):
            os.mkdir(f"{directory}/{name}", 0o700)
            os.rename(f"{directory}/member", f"{directory}/{name}/member")
            files.sync_directory(f"{directory}/{name}")
            files.sync_directory(directory)
    elif os.path.isdir(directory) and os.listdir(directory):
        os.rename(directory, f"{os.path.dirname(directory)}/{name}")
        files.sync_directory(os.path.dirname(directory))


def identity_in(head: bytes) -> EtcdIdentity:
    """The ids in the head of a file of the log; a ValueError where they are not."""
    for record in _records(head):
        values = dict(fields_of(record))
        if values.get(TYPE) == METADATA:
            ids = dict(fields_of(_bytes(values[CONTENT])))
            return EtcdIdentity(str(_number(ids[CLUSTER])), str(_number(ids[MEMBER])))
    raise ValueError("it has no metadata")


def commit_in(log: bytes | mmap.mmap) -> int:
    """The last commit in a file of the log, each of which begins with the one before; what is torn ends it."""
    commit = 0
    with contextlib.suppress(ValueError, LookupError):
        for record in _records(log):
            # Most records are entries, which are of no interest: the type stands first.
            if record[1] == STATE:
                commit = _number(dict(fields_of(_bytes(dict(fields_of(record))[CONTENT]))).get(COMMIT, 0))
    return commit


def _records(head: bytes | mmap.mmap) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(head):
        (frame,) = struct.unpack_from("<Q", head, at)
        # The upper byte says how many bytes follow to fill the frame up, where any do.
        size, fill = frame & (1 << 56) - 1, frame >> 56 & 0x7 if frame >> 63 else 0
        if not size:
            return
        yield head[at + 8 : at + 8 + size]
        at += 8 + size + fill


def fields_of(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message of protobuf; only the two kinds that stand here."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value: int | bytes
        value, at = _varint(message, at)
        if key & 7 == BYTES:
            size, value = value, message[at : at + value]
            if len(value) < size:
                raise ValueError("it ends too early")
            at += size
        elif key & 7 != VARINT:
            raise ValueError("it is no log of etcd")
        yield key >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, LONGEST_NUMBER, 7):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return value, at
    raise ValueError("it has a number of more than 64 bits")


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("it has bytes where a number has to be")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("it has a number where bytes have to be")
    return value
