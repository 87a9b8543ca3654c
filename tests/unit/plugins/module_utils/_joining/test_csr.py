# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import ipaddress
import subprocess

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr as _csr
from ansible_collections.k3a.cluster.tests.unit.csr_samples import request

NODE = "/O=system:nodes/CN=system:node:w1"


def der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def as_pem(data: bytes) -> bytes:
    label = b"CERTIFICATE REQUEST-----\n"
    return b"-----BEGIN " + label + base64.encodebytes(data) + b"-----END " + label


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    head = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big") if size > 0xFF else b"\x81" + bytes([size])
    return bytes([tag]) + head + content


def oid(text: str) -> bytes:
    return tlv(0x06, bytes.fromhex(text))


def relative(kind: str, value: bytes, tag: int = 0x0C) -> bytes:
    return tlv(0x31, tlv(0x30, oid(kind), tlv(tag, value)))


def extension(kind: str, value: bytes, *critical: bytes) -> bytes:
    return tlv(0x30, oid(kind), *critical, tlv(0x04, value))


def extension_request(*extensions: bytes) -> bytes:
    return tlv(0x30, oid("2a864886f70d01090e"), tlv(0x31, tlv(0x30, *extensions)))


EC, P256 = oid("2a8648ce3d0201"), oid("2a8648ce3d030107")


def public_key(algorithm: bytes, bits: bytes, unused: bytes = b"\0") -> bytes:
    return tlv(0x30, tlv(0x30, algorithm), tlv(0x03, unused + bits))


GOOD_KEY = public_key(EC + P256, b"\4" + bytes(64))


def built(subject: bytes = relative("550403", b"x"), attributes: bytes = b"", version: bytes = b"\0") -> bytes:
    info = tlv(0x30, tlv(0x02, version), tlv(0x30, subject), GOOD_KEY, tlv(0xA0, attributes))
    return as_pem(tlv(0x30, info, tlv(0x30), tlv(0x03, b"\0")))


NAMES = "551d11"


def test_a_kubelets_request():
    assert _csr.parse(request(NODE)) == _csr.Request(("system:node:w1",), ("system:nodes",))


def test_names_and_addresses():
    found = _csr.parse(request(NODE, "DNS:w1,DNS:localhost,IP:10.0.0.2,IP:fd00::2"))
    assert (found.dns, found.ips, found.further) == (("w1", "localhost"), ("10.0.0.2", "fd00::2"), ())


def test_an_address_in_the_clothes_of_another_family_is_the_same_address():
    assert _csr.parse(request(NODE, "IP:::ffff:10.0.0.2")).ips == ("10.0.0.2",)


def test_what_is_neither_name_nor_address_is_told():
    found = _csr.parse(request("/C=DE/OU=x/CN=system:node:w1", "URI:spiffe://x,email:a@b.example,DNS:w1"))
    assert found.dns == ("w1",)
    assert len(found.further) == 4
    assert "alternative name of kind 6" in found.further


def test_all_common_names_and_organizations_are_told():
    found = _csr.parse(request("/O=system:nodes/O=system:masters/CN=a/CN=b"))
    assert (found.common_names, found.organizations) == (("a", "b"), ("system:nodes", "system:masters"))


def test_other_extensions_do_not_matter():
    pem = request(NODE, "DNS:w1", "-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=clientAuth")
    assert _csr.parse(pem).dns == ("w1",)


def test_requests_of_another_library():
    x509 = pytest.importorskip("cryptography.x509")
    keys = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    names = x509.oid.NameOID
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    encoding = pytest.importorskip("cryptography.hazmat.primitives.serialization").Encoding
    subject = x509.Name([x509.NameAttribute(names.ORGANIZATION_NAME, "system:nodes"), x509.NameAttribute(names.COMMON_NAME, "system:node:ü")])
    alternatives = [x509.DNSName("ü".encode("idna").decode()), x509.IPAddress(ipaddress.ip_address("10.0.0.2"))]
    signed = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"secret")
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
        .sign(keys.generate_private_key(65537, 2048), hashes.SHA256())
    )
    found = _csr.parse(signed.public_bytes(encoding.PEM))
    assert found == _csr.Request(("system:node:ü",), ("system:nodes",), (alternatives[0].value,), ("10.0.0.2",))


def test_a_hand_made_request_is_understood():
    assert _csr.parse(built()) == _csr.Request(("x",), ())


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
        request(NODE) + request("/CN=other"),
        b"Subject: nobody\n" + request(NODE),
        request(NODE).replace(b"CERTIFICATE REQUEST", b"CERTIFICATE"),
        request(NODE).replace(b"-----\nMI", b"-----\nProc-Type: 4,ENCRYPTED\n\nMI"),
        request(NODE).replace(b"-----\nMI", b"-----\nMI==", 1),
        as_pem(b""),
        as_pem(der(request(NODE)) + b"\0"),
        as_pem(der(request(NODE)) * 2),
        as_pem(der(request(NODE))[:-1]),
        as_pem(b"\x30\x80" + der(request(NODE))[3:] + b"\0\0"),
        as_pem(b"\x30\x83\x00" + der(request(NODE))[1:]),
        as_pem(b"\x3f\x81\x01\x00"),
        as_pem(tlv(0x30, tlv(0x30), tlv(0x30), tlv(0x03))),
        built(version=b"\1"),
        built(tlv(0x30, oid("550403"), tlv(0x0C, b"x"))),
        built(tlv(0x31, tlv(0x30, oid("550403"), tlv(0x0C, b"x")), tlv(0x30, oid("550403"), tlv(0x0C, b"y")))),
        built(relative("550403", b"x\0y")),
        built(relative("550403", b"x\ny")),
        built(relative("550403", b"\xff")),
        built(relative("550403", b"")),
        built(relative("550403", b"\0x", tag=0x1E)),
        built(relative("550403", b"\xe4", tag=0x13)),
        built(attributes=extension_request(extension(NAMES, tlv(0x30, tlv(0x82, b"a"))), extension(NAMES, tlv(0x30, tlv(0x82, b"b"))))),
        built(attributes=extension_request(extension(NAMES, tlv(0x30))) + extension_request(extension(NAMES, tlv(0x30)))),
        built(attributes=extension_request(extension(NAMES, tlv(0x30, tlv(0x87, b"\1\2\3"))))),
        built(attributes=extension_request(extension(NAMES, tlv(0x30, tlv(0x82, b"a")) + b"\5\0"))),
        built(attributes=extension_request(extension(NAMES, tlv(0x30), tlv(0x01, b"\1")))),
        built(attributes=extension_request(extension(NAMES, tlv(0x30), tlv(0x01, b"\xff"), tlv(0x01, b"\xff")))),
        built(attributes=extension_request(tlv(0x30, oid(NAMES)))),
        built(attributes=tlv(0x30, oid("2a864886f70d01090e"), tlv(0x31, tlv(0x30), tlv(0x30)))),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(pem):
    with pytest.raises(_csr.CsrError):
        _csr.parse(pem)


def test_no_damage_gets_through_as_something_else_than_an_error():
    whole = der(request(NODE, "DNS:w1,IP:10.0.0.2"))
    for position in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            try:
                _csr.parse(as_pem(whole[:position] + bytes([whole[position] ^ flip]) + whole[position + 1 :]))
            except _csr.CsrError:
                continue


def rsa(bits: int, exponent: int = 65537, odd: int = 1) -> bytes:
    modulus = ((1 << bits - 1) | odd).to_bytes(bits // 8 + 1, "big")
    power = exponent.to_bytes(exponent.bit_length() // 8 + 1, "big")
    return public_key(oid("2a864886f70d010101") + b"\5\0", tlv(0x30, tlv(2, modulus), tlv(2, power)))


@pytest.mark.parametrize(
    "good",
    [
        GOOD_KEY,
        public_key(EC + oid("2b81040022"), b"\4" + bytes(96)),
        public_key(EC + oid("2b81040023"), b"\4" + bytes(132)),
        public_key(oid("2b6570"), bytes(32)),
        rsa(2048),
        rsa(4096),
    ],
)
def test_keys_that_may_be_certified(good):
    assert _csr.weakness_of(_csr.der.only(good, 0x30)) == ""


@pytest.mark.parametrize(
    ("weak", "reason"),
    [
        (public_key(EC + oid("2b8104000a"), b"\4" + bytes(64)), "another curve"),
        (public_key(EC + P256, b"\2" + bytes(32)), "another curve"),
        (public_key(EC, b"\4" + bytes(64)), "another curve"),
        (public_key(EC + P256, b"\4" + bytes(64), b"\1"), "malformed"),
        (public_key(oid("2a8648ce380401"), bytes(32)), "another kind"),
        (public_key(oid("2b6570"), bytes(31)), "malformed"),
        (rsa(1024), "its RSA key has 1024 bits, and has to have 2048 to 8192"),
        (rsa(16384), "its RSA key has 16384 bits"),
        (rsa(2048, odd=0), "RSA key"),
        (rsa(2048, exponent=3), "another exponent"),
        (rsa(2048, exponent=65538), "another exponent"),
    ],
)
def test_keys_that_are_too_weak_or_nothing_known(weak, reason):
    assert reason in _csr.weakness_of(_csr.der.only(weak, 0x30))


@pytest.mark.parametrize("kind", [("rsa", "rsa_keygen_bits:1024"), ("rsa", "rsa_keygen_bits:2048"), ("ed25519", "")])
def test_keys_that_openssl_makes(kind):
    name, option = kind
    command = ["openssl", "genpkey", "-algorithm", name, *(["-pkeyopt", option] if option else [])]
    key = subprocess.run(command, check=True, capture_output=True).stdout
    made = subprocess.run(
        ["openssl", "req", "-new", "-key", "/dev/stdin", "-subj", NODE], check=True, capture_output=True, input=key
    ).stdout
    assert bool(_csr.parse(made).weakness) == ("1024" in option)
