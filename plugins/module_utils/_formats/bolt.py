# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The names in a bucket of a bbolt database, which nobody has open: what a containerd that does not run still has.

A file of pages: two of them say where the root is, the newer valid one counts; the others are a B+ tree whose leaves
hold keys with values, or buckets, which are trees themselves. A small bucket stands in the leaf of its parent.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

PAGE_HEADER = struct.Struct("<QHHI")  # id, flags, count, overflow
META = struct.Struct("<IIIIQQQQQQ")  # magic, version, page size, flags, root, sequence, free list, end, txid, sum
BRANCH_ELEMENT = struct.Struct("<IIQ")  # offset of the key from here, its size, the child's page
LEAF_ELEMENT = struct.Struct("<IIII")  # flags, offset of the key from here, its size, the value's size
BUCKET_HEADER = struct.Struct("<QQ")  # the root's page, or 0 for a page that follows; sequence
MAGIC, BRANCH, LEAF, BUCKET = 0xED0CDAED, 0x01, 0x02, 0x01


def names(content: bytes, path: Sequence[str]) -> set[str]:
    """The keys of the bucket at a path of buckets; none when it is not there. What is no such file is a ValueError."""
    try:
        size, root = _root(content)
        entries = _entries(content, size, root * size)
        for name in path:
            bucket = next((value for flags, key, value in entries if flags & BUCKET and key == name.encode()), None)
            if bucket is None:
                return set()
            page, _sequence = BUCKET_HEADER.unpack_from(bucket)
            inline = bucket[BUCKET_HEADER.size :]
            entries = _entries(content, size, page * size) if page else _entries(inline, size, 0)
        return {key.decode() for _flags, key, _value in entries}
    except (struct.error, RecursionError) as error:
        raise ValueError(f"it is no bbolt database: {error}") from None


def _root(content: bytes) -> tuple[int, int]:
    """The size of a page, and the page of the root in the newer of the two states that are kept."""
    first = META.unpack_from(content, PAGE_HEADER.size)
    if first[0] != MAGIC:
        raise ValueError("it is no bbolt database")
    size = first[2]
    metas = [META.unpack_from(content, number * size + PAGE_HEADER.size) for number in (0, 1)]
    valid = [meta for number, meta in enumerate(metas) if meta[0] == MAGIC and meta[9] == _sum(content, number * size)]
    if not valid:
        raise ValueError("both of its states are damaged")
    return size, max(valid, key=lambda meta: meta[8])[4]


def _sum(content: bytes, at: int) -> int:
    """FNV-1a of a state, without its sum."""
    begin = at + PAGE_HEADER.size
    total = 0xCBF29CE484222325
    for byte in content[begin : begin + META.size - 8]:
        total = (total ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return total


def _entries(content: bytes, size: int, at: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Flags, key and value of all that is in the tree below a page."""
    _id, kind, count, _overflow = PAGE_HEADER.unpack_from(content, at)
    element = LEAF_ELEMENT if kind & LEAF else BRANCH_ELEMENT
    for number in range(count):
        here = at + PAGE_HEADER.size + number * element.size
        if kind & LEAF:
            flags, offset, key_size, value_size = LEAF_ELEMENT.unpack_from(content, here)
            key = here + offset
            yield flags, content[key : key + key_size], content[key + key_size : key + key_size + value_size]
        elif kind & BRANCH:
            yield from _entries(content, size, BRANCH_ELEMENT.unpack_from(content, here)[2] * size)
