# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a certificate signing request asks for: subject and alternative names, read from its DER.

Strict where the signer is lenient: what two readers could understand differently is refused, so that nobody gets a
certificate for something else than what was judged. The signature is the signer's to verify.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

_PEM = re.compile(
    rb"\s*-----BEGIN CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE REQUEST-----\s*"
)

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
UTF8, PRINTABLE, IA5 = 0x0C, 0x13, 0x16
SEQUENCE, SET, ATTRIBUTES = 0x30, 0x31, 0xA0
BOOLEAN = 0x01
DNS_NAME, IP_ADDRESS = 0x82, 0x87

COMMON_NAME = bytes.fromhex("550403")
ORGANIZATION = bytes.fromhex("55040a")
ALTERNATIVE_NAMES = bytes.fromhex("551d11")
EXTENSIONS = bytes.fromhex("2a864886f70d01090e")


class CsrError(K3aError):
    """The request cannot be understood, or could be in two ways."""


class Request(NamedTuple):
    """What a request asks for; further says that its subject or names hold more than these."""

    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    further: tuple[str, ...] = ()


class _Element(NamedTuple):
    tag: int
    content: bytes


def parse(pem: bytes) -> Request:
    """Read the one request of a PEM text."""
    found = _PEM.fullmatch(pem)
    if not found:
        raise CsrError("it is not one certificate request in PEM")
    try:
        data = base64.b64decode(b"".join(found.group(1).split()), validate=True)
    except ValueError:
        raise CsrError("its PEM is damaged") from None
    request, signature_algorithm, signature = _children(_only(data, SEQUENCE), 3)
    _expect(signature_algorithm, SEQUENCE)
    _expect(signature, BIT_STRING)
    version, subject, public_key, attributes = _children(_expect(request, SEQUENCE), 4)
    if _expect(version, INTEGER) != b"\0":
        raise CsrError("it is of another version than 1")
    _expect(public_key, SEQUENCE)
    names, organizations, further = _subject(_expect(subject, SEQUENCE))
    dns, ips, others = _alternative_names(_expect(attributes, ATTRIBUTES))
    return Request(names, organizations, dns, ips, (*further, *others))


def _subject(data: bytes) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    found: dict[bytes, list[str]] = {COMMON_NAME: [], ORGANIZATION: []}
    further = []
    for relative in _elements(data):
        (pair,) = _children(_expect(relative, SET), 1)
        kind, value = _children(_expect(pair, SEQUENCE), 2)
        if _expect(kind, OID) in found:
            found[kind.content].append(_text(value))
        else:
            further.append(f"subject attribute {kind.content.hex()}")
    return tuple(found[COMMON_NAME]), tuple(found[ORGANIZATION]), tuple(further)


def _alternative_names(attributes: bytes) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    wanted = []
    for attribute in _elements(attributes):
        kind, values = _children(_expect(attribute, SEQUENCE), 2)
        if _expect(kind, OID) == EXTENSIONS:
            (extensions,) = _children(_expect(values, SET), 1)
            wanted += list(_elements(_expect(extensions, SEQUENCE)))
    dns: list[str] = []
    ips: list[str] = []
    further: list[str] = []
    seen: set[bytes] = set()
    for extension in wanted:
        parts = list(_elements(_expect(extension, SEQUENCE)))
        if len(parts) not in (2, 3) or any(_expect(flag, BOOLEAN) not in (b"\xff", b"\0") for flag in parts[1:-1]):
            raise CsrError("it holds a malformed extension")
        name, content = _expect(parts[0], OID), _expect(parts[-1], OCTET_STRING)
        if name in seen:
            raise CsrError("it holds an extension twice")
        seen.add(name)
        if name == ALTERNATIVE_NAMES:
            _sort_names(_only(content, SEQUENCE), dns, ips, further)
    return tuple(dns), tuple(ips), tuple(further)


def _sort_names(data: bytes, dns: list[str], ips: list[str], further: list[str]) -> None:
    for name in _elements(data):
        if name.tag == DNS_NAME:
            dns.append(_printable(name.content, "ascii"))
        elif name.tag == IP_ADDRESS:
            ips.append(_address(name.content))
        else:
            further.append(f"alternative name of kind {name.tag & 0x1F}")


def _address(data: bytes) -> str:
    if len(data) not in (4, 16):
        raise CsrError("it holds a malformed IP address")
    address = ipaddress.ip_address(data)
    # To whoever verifies a certificate these are the same address.
    return str(getattr(address, "ipv4_mapped", None) or address)


def _text(value: _Element) -> str:
    if value.tag not in (UTF8, PRINTABLE, IA5):
        raise CsrError(f"its subject holds a string of type {value.tag}")
    return _printable(value.content, "utf-8" if value.tag == UTF8 else "ascii")


def _printable(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise CsrError("it holds a malformed name") from None
    if not text or not text.isprintable():
        raise CsrError("it holds a malformed name")
    return text


def _expect(element: _Element, tag: int) -> bytes:
    if element.tag != tag:
        raise CsrError(f"it is malformed: type {element.tag} where {tag} has to be")
    return element.content


def _only(data: bytes, tag: int) -> bytes:
    (element,) = _children(data, 1)
    return _expect(element, tag)


def _children(data: bytes, count: int) -> list[_Element]:
    found = list(_elements(data))
    if len(found) != count:
        raise CsrError(f"it is malformed: {len(found)} elements where {count} have to be")
    return found


def _elements(data: bytes) -> Iterator[_Element]:
    """The elements of DER data, which has one way only to write each."""
    position = 0
    while position < len(data):
        tag = data[position]
        if tag & 0x1F == 0x1F:
            raise CsrError("it is malformed: a type of more than one byte")
        length, start = _length(data, position + 1)
        if start + length > len(data):
            raise CsrError("it is malformed: cut off")
        yield _Element(tag, data[start : start + length])
        position = start + length


def _length(data: bytes, position: int) -> tuple[int, int]:
    first = data[position] if position < len(data) else 0x80
    if first < 0x80:
        return first, position + 1
    width = first & 0x7F
    digits = data[position + 1 : position + 1 + width]
    value = int.from_bytes(digits, "big")
    if not 1 <= width <= 4 or len(digits) < width or value < 0x80 or digits[0] == 0:
        raise CsrError("it is malformed: not DER")
    return value, position + 1 + width
