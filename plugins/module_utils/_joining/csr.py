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
from typing import NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import der
from ansible_collections.k3a.cluster.plugins.module_utils._formats.der import (
    BIT_STRING,
    BOOLEAN,
    COMMON_NAME,
    INTEGER,
    OCTET_STRING,
    OID,
    ORGANIZATION,
    SEQUENCE,
    SET,
)

_PEM = re.compile(
    rb"\s*-----BEGIN CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE REQUEST-----\s*"
)

UTF8, PRINTABLE, IA5 = 0x0C, 0x13, 0x16
ATTRIBUTES = 0xA0
DNS_NAME, IP_ADDRESS = 0x82, 0x87

# The kinds of public keys, and the curves with the size of a point on each, written as x and y.
EC_KEY = bytes.fromhex("2a8648ce3d0201")
RSA_KEY = bytes.fromhex("2a864886f70d010101")
ED25519_KEY = bytes.fromhex("2b6570")
CURVES = {
    bytes.fromhex("2a8648ce3d030107"): 65,
    bytes.fromhex("2b81040022"): 97,
    bytes.fromhex("2b81040023"): 133,
}
# Larger ones cost whoever verifies them more time than they are worth.
LEAST_RSA, LARGEST_RSA = 2048, 8192
COMMON_EXPONENT = 65537

ALTERNATIVE_NAMES = bytes.fromhex("551d11")
EXTENSIONS = bytes.fromhex("2a864886f70d01090e")


class CsrError(K3aError):
    """The request cannot be understood, or could be in two ways."""


class Request(NamedTuple):
    """What a request asks for; further says that its subject or names hold more than these.

    C(weakness) is what is wrong with its public key, if anything is.
    """

    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    weakness: str = ""


def parse(pem: bytes) -> Request:
    """Read the one request of a PEM text."""
    try:
        return _parse(pem)
    except der.DerError as error:
        raise CsrError(str(error)) from None


def _parse(pem: bytes) -> Request:
    found = _PEM.fullmatch(pem)
    if not found:
        raise CsrError("it is not one certificate request in PEM")
    try:
        data = base64.b64decode(b"".join(found.group(1).split()), validate=True)
    except ValueError:
        raise CsrError("its PEM is damaged") from None
    request, signature_algorithm, signature = der.children(der.only(data, SEQUENCE), 3)
    der.expect(signature_algorithm, SEQUENCE)
    der.expect(signature, BIT_STRING)
    version, subject, public_key, attributes = der.children(der.expect(request, SEQUENCE), 4)
    if der.expect(version, INTEGER) != b"\0":
        raise CsrError("it is of another version than 1")
    weakness = weakness_of(der.expect(public_key, SEQUENCE))
    names, organizations, further = _subject(der.expect(subject, SEQUENCE))
    dns, ips, others = _alternative_names(der.expect(attributes, ATTRIBUTES))
    return Request(names, organizations, dns, ips, (*further, *others), weakness)


def weakness_of(public_key: bytes) -> str:
    """What is wrong with a public key (the content of its SubjectPublicKeyInfo); nothing when it may be certified."""
    algorithm, bits = der.children(public_key, 2)
    kind, *parameters = der.elements(der.expect(algorithm, SEQUENCE))
    identity, key = der.expect(kind, OID), der.expect(bits, BIT_STRING)
    if key[:1] != b"\0":
        return "its key is malformed"
    if identity == EC_KEY:
        size = CURVES.get(parameters[0].content, 0) if parameters and parameters[0].tag == OID else 0
        good = len(key) == size + 1 and key[1:2] == b"\4"
        return "" if good else "its key is on another curve than P-256, P-384 and P-521, or malformed"
    if identity == RSA_KEY:
        return _weakness_of_rsa(key[1:])
    if identity == ED25519_KEY:
        return "" if len(key) == 33 and not parameters else "its key is malformed"
    return "its key is of another kind than EC, RSA and Ed25519"


def _weakness_of_rsa(key: bytes) -> str:
    modulus, exponent = (
        int.from_bytes(der.expect(number, INTEGER), "big", signed=True)
        for number in der.children(der.only(key, SEQUENCE), 2)
    )
    if not (LEAST_RSA <= modulus.bit_length() <= LARGEST_RSA and modulus > 0 and modulus % 2):
        return f"its RSA key has {modulus.bit_length()} bits, and has to have {LEAST_RSA} to {LARGEST_RSA}"
    if not COMMON_EXPONENT <= exponent < 2**31 or not exponent % 2:
        return f"its RSA key has another exponent than {COMMON_EXPONENT} or a larger one"
    return ""


def _subject(data: bytes) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    found: dict[bytes, list[str]] = {COMMON_NAME: [], ORGANIZATION: []}
    further = []
    for relative in der.elements(data):
        (pair,) = der.children(der.expect(relative, SET), 1)
        kind, value = der.children(der.expect(pair, SEQUENCE), 2)
        if der.expect(kind, OID) in found:
            found[kind.content].append(_text(value))
        else:
            further.append(f"subject attribute {kind.content.hex()}")
    return tuple(found[COMMON_NAME]), tuple(found[ORGANIZATION]), tuple(further)


def _alternative_names(attributes: bytes) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    wanted = []
    for attribute in der.elements(attributes):
        kind, values = der.children(der.expect(attribute, SEQUENCE), 2)
        if der.expect(kind, OID) == EXTENSIONS:
            (extensions,) = der.children(der.expect(values, SET), 1)
            wanted += list(der.elements(der.expect(extensions, SEQUENCE)))
    dns: list[str] = []
    ips: list[str] = []
    further: list[str] = []
    seen: set[bytes] = set()
    for extension in wanted:
        parts = list(der.elements(der.expect(extension, SEQUENCE)))
        if len(parts) not in (2, 3) or any(der.expect(flag, BOOLEAN) not in (b"\xff", b"\0") for flag in parts[1:-1]):
            raise CsrError("it holds a malformed extension")
        name, content = der.expect(parts[0], OID), der.expect(parts[-1], OCTET_STRING)
        if name in seen:
            raise CsrError("it holds an extension twice")
        seen.add(name)
        if name == ALTERNATIVE_NAMES:
            _sort_names(der.only(content, SEQUENCE), dns, ips, further)
    return tuple(dns), tuple(ips), tuple(further)


def _sort_names(data: bytes, dns: list[str], ips: list[str], further: list[str]) -> None:
    for name in der.elements(data):
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


def _text(value: der.Element) -> str:
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
