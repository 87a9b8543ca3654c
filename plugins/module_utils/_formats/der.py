# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Read DER, in which certificates and requests are written: strictly, since it has one way only to write a thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x01, 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET = 0x30, 0x31

COMMON_NAME = bytes.fromhex("550403")
ORGANIZATION = bytes.fromhex("55040a")


class DerError(K3aError):
    """The data is not DER, or of another form than what is wanted."""


class Element(NamedTuple):
    """A type and what is of it."""

    tag: int
    content: bytes


def expect(element: Element, tag: int) -> bytes:
    """The content of an element, which has to be of a type."""
    if element.tag != tag:
        raise DerError(f"it is malformed: type {element.tag} where {tag} has to be")
    return element.content


def only(data: bytes, tag: int) -> bytes:
    """The content of the one element of some data, which has to be of a type."""
    (element,) = children(data, 1)
    return expect(element, tag)


def children(data: bytes, count: int) -> list[Element]:
    """The elements of some data, which has to have so many."""
    found = list(elements(data))
    if len(found) != count:
        raise DerError(f"it is malformed: {len(found)} elements where {count} have to be")
    return found


def elements(data: bytes) -> Iterator[Element]:
    """The elements of DER data, which has one way only to write each."""
    position = 0
    while position < len(data):
        tag = data[position]
        if tag & 0x1F == 0x1F:
            raise DerError("it is malformed: a type of more than one byte")
        length, start = _length(data, position + 1)
        if start + length > len(data):
            raise DerError("it is malformed: cut off")
        yield Element(tag, data[start : start + length])
        position = start + length


def _length(data: bytes, position: int) -> tuple[int, int]:
    first = data[position] if position < len(data) else 0x80
    if first < 0x80:
        return first, position + 1
    width = first & 0x7F
    digits = data[position + 1 : position + 1 + width]
    value = int.from_bytes(digits, "big")
    if not 1 <= width <= 4 or len(digits) < width or value < 0x80 or digits[0] == 0:
        raise DerError("it is malformed: not DER")
    return value, position + 1 + width
