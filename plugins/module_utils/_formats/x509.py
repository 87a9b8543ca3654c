# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a certificate says of itself, read without a library: nodes have none.

For people to read, and to know when it ends; whoever trusts a certificate verifies it by TLS.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.k3a.cluster.plugins.module_utils._formats import der
from ansible_collections.k3a.cluster.plugins.module_utils._formats.der import DerError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.S)
VERSION, EXTENSIONS = 0xA0, 0xA3
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
# How each kind of time is written; what of two digits a century is missing is of 1950 to 2049.
TIMES = {UTC_TIME: (13, "%y%m%d%H%M%SZ"), GENERALIZED_TIME: (15, "%Y%m%d%H%M%SZ")}
FIRST_YEAR = 1950
ATTRIBUTES = {der.COMMON_NAME: "CN", der.ORGANIZATION: "O", bytes.fromhex("55040b"): "OU"}
BASIC_CONSTRAINTS = bytes.fromhex("551d13")
EXTENDED_KEY_USAGE = bytes.fromhex("551d25")
ALTERNATIVE_NAMES = bytes.fromhex("551d11")
DNS_NAME, IP_ADDRESS = 0x82, 0x87
USAGES = {bytes.fromhex("2b06010505070301"): "server", bytes.fromhex("2b06010505070302"): "client"}


@dataclass(frozen=True)
class Certificate:
    """A certificate: C(begins) and C(ends) are in UTC, C(authority) says that it is a CA's.

    C(names) are the alternative ones, addresses too.
    """

    subject: tuple[tuple[str, str], ...]
    begins: datetime
    ends: datetime
    usages: tuple[str, ...] = ()
    authority: bool = False
    names: tuple[str, ...] = ()

    @property
    def common_names(self) -> tuple[str, ...]:
        """Whom it names."""
        return tuple(value for kind, value in self.subject if kind == "CN")

    def __str__(self) -> str:
        return ",".join(f"{kind}={value}" for kind, value in reversed(self.subject))


def encoded_in(pem: bytes) -> list[bytes]:
    """The certificates of a PEM text, each as it is between the lines that mark it."""
    return [b"".join(found.split()) for found in _PEM.findall(pem)]


def parse(encoded: bytes) -> Certificate:
    """Read a certificate; a DerError says that it cannot be."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise DerError("its PEM is damaged") from None
    content, _algorithm, _signature = der.children(der.only(data, der.SEQUENCE), 3)
    parts = list(der.elements(der.expect(content, der.SEQUENCE)))
    if parts and parts[0].tag == VERSION:
        del parts[0]
    if len(parts) < 6:
        raise DerError("it is malformed: cut off")
    _serial, _algorithm, _issuer, validity, subject, _key, *further = parts
    begins, ends = der.children(der.expect(validity, der.SEQUENCE), 2)
    extensions = dict(pair for part in further if part.tag == EXTENSIONS for pair in _extensions(part.content))
    return Certificate(
        subject=tuple(_attributes(der.expect(subject, der.SEQUENCE))),
        begins=_time(begins),
        ends=_time(ends),
        usages=tuple(_usages(extensions.get(EXTENDED_KEY_USAGE))),
        authority=_is_authority(extensions.get(BASIC_CONSTRAINTS)),
        names=tuple(_names(extensions.get(ALTERNATIVE_NAMES))),
    )


def _attributes(data: bytes) -> Iterator[tuple[str, str]]:
    for relative in der.elements(data):
        for pair in der.elements(der.expect(relative, der.SET)):
            kind, value = der.children(der.expect(pair, der.SEQUENCE), 2)
            name = der.expect(kind, der.OID)
            text = value.content.decode(errors="replace")
            yield ATTRIBUTES.get(name, name.hex()), "".join(each if each.isprintable() else "?" for each in text)


def _time(element: der.Element) -> datetime:
    length, form = TIMES.get(element.tag, (0, ""))
    try:
        text = element.content.decode("ascii")
        if len(text) != length:
            raise ValueError
        read = datetime.strptime(text, form)
    except ValueError:
        raise DerError("it is malformed: its validity is no time") from None
    if element.tag == UTC_TIME and read.year >= FIRST_YEAR + 100:
        read = read.replace(year=read.year - 100)
    return read.replace(tzinfo=timezone.utc)


def _extensions(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for extension in der.elements(der.only(data, der.SEQUENCE)):
        parts = list(der.elements(der.expect(extension, der.SEQUENCE)))
        if len(parts) < 2:
            raise DerError("it is malformed: an extension without a value")
        yield der.expect(parts[0], der.OID), der.expect(parts[-1], der.OCTET_STRING)


def _usages(data: bytes | None) -> Iterator[str]:
    for usage in der.elements(der.only(data, der.SEQUENCE)) if data else ():
        name = der.expect(usage, der.OID)
        yield USAGES.get(name, name.hex())


def _names(data: bytes | None) -> Iterator[str]:
    for name in der.elements(der.only(data, der.SEQUENCE)) if data else ():
        if name.tag == IP_ADDRESS:
            yield _address(name.content)
        elif name.tag == DNS_NAME:
            yield "".join(each if each.isprintable() else "?" for each in name.content.decode(errors="replace"))
        else:
            yield f"a name of kind {name.tag & 0x1F}"


def _address(data: bytes) -> str:
    try:
        return str(ipaddress.ip_address(data))
    except ValueError:
        raise DerError("it is malformed: an IP address of another length") from None


def _is_authority(data: bytes | None) -> bool:
    first = next(der.elements(der.only(data, der.SEQUENCE)), None) if data else None
    return first == der.Element(der.BOOLEAN, b"\xff")
