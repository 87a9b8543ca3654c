# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Whose data etcd keeps on this host: every file of its log begins with the ids of its cluster and member.

So they are known while etcd does not run, and before it is started. A file of the log is a series of frames: the size
of a record, and the record, a message of protobuf; the first is a checksum, the second has the ids.
"""

from __future__ import annotations

import glob
import os
import struct
from collections.abc import Iterator

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity

METADATA = 1
# Of a record: its type and content. Of the metadata: the ids of the member and of the cluster.
TYPE, CONTENT = 1, 3
MEMBER, CLUSTER = 1, 2
VARINT, BYTES = 0, 2
# The ids come within the first few of these.
HEAD = 4096


class DataDamaged(K3aError):
    """Data of etcd that does not say whose it is."""


def kept_identity(directory: str) -> EtcdIdentity | None:
    """Cluster and member whose data is in a data directory of etcd, or None where etcd has never begun to keep any."""
    logs = sorted(glob.glob(f"{glob.escape(directory)}/member/wal/*.wal"))
    if not logs:
        return None
    try:
        with open(logs[-1], "rb") as stream:
            return identity_in(stream.read(HEAD))
    except (ValueError, LookupError):
        raise DataDamaged(f"{logs[-1]} does not say whose data it is; put the data of etcd back") from None


def has_remains(directory: str) -> bool:
    """Whether anything is left of data, though perhaps not the log without which it is none."""
    return os.path.isdir(directory) and bool(os.listdir(directory))


def identity_in(head: bytes) -> EtcdIdentity:
    """The ids in the head of a file of the log; a ValueError where they are not."""
    for record in _records(head):
        values = dict(_fields(record))
        if values.get(TYPE) == METADATA:
            ids = dict(_fields(bytes(values[CONTENT])))
            return EtcdIdentity(str(ids[CLUSTER]), str(ids[MEMBER]))
    raise ValueError("it has no metadata")


def _records(head: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(head):
        (frame,) = struct.unpack_from("<Q", head, at)
        # The upper byte says how many bytes follow to fill the frame up, where any do.
        size, fill = frame & (1 << 56) - 1, frame >> 56 & 0x7 if frame >> 63 else 0
        if not size:
            return
        yield head[at + 8 : at + 8 + size]
        at += 8 + size + fill


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
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
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
