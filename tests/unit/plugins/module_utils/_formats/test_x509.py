# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import x509
from ansible_collections.k3a.cluster.tests.unit import authority_samples


def of(pem):
    return [x509.parse(encoded) for encoded in x509.encoded_in(pem.encode())]


def test_what_openssl_says_is_what_is_read():
    pem = authority_samples.leaf("/O=system:nodes/CN=system:node:w1", 30, "serverAuth,clientAuth")[0]
    leaf, authority = of(pem)
    asked = ("openssl", "x509", "-noout", "-startdate", "-enddate", "-dateopt", "iso_8601")
    shown = subprocess.run(asked, input=pem.encode(), capture_output=True, check=True).stdout.decode().splitlines()
    moments = [datetime.strptime(line.split("=")[1], "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=timezone.utc) for line in shown]
    assert [leaf.begins, leaf.ends] == moments
    assert leaf.ends - leaf.begins == timedelta(days=30)
    assert str(leaf) == "CN=system:node:w1,O=system:nodes"
    assert leaf.common_names == ("system:node:w1",)
    assert (leaf.usages, leaf.authority) == (("server", "client"), False)
    assert (authority.authority, authority.common_names, authority.usages) == (True, ("k3a-ca",), ())


def test_alternative_names_are_read(tmp_path):
    command = ("openssl", "req", "-x509", "-new", "-nodes", "-newkey", "rsa:2048", "-keyout", str(tmp_path / "key"), "-subj", "/CN=x")
    names = ("-addext", "subjectAltName=DNS:w1,DNS:localhost,IP:10.0.0.2,IP:fd00::2,email:a@example.org")
    made = subprocess.run([*command, *names], capture_output=True, check=True).stdout.decode()
    assert of(made)[0].names == ("w1", "localhost", "10.0.0.2", "fd00::2", "a name of kind 1")


@pytest.mark.parametrize(
    ("tag", "text", "year"),
    [
        (x509.UTC_TIME, b"491231235959Z", 2049),
        (x509.UTC_TIME, b"500101000000Z", 1950),
        (x509.GENERALIZED_TIME, b"20500101000000Z", 2050),
        (x509.GENERALIZED_TIME, b"99991231235959Z", 9999),
    ],
)
def test_both_kinds_of_time(tag, text, year):
    assert x509._time(x509.der.Element(tag, text)).year == year


@pytest.mark.parametrize("text", [b"", b"491331235959Z", b"4912312359Z", b"20491231235959Z", b"\xff" * 13])
def test_what_is_no_time(text):
    with pytest.raises(x509.DerError, match="its validity is no time"):
        x509._time(x509.der.Element(x509.UTC_TIME, text))


def test_a_text_without_certificates_has_none():
    assert of("text") == of("") == []


def test_every_damaged_byte_is_a_reason_or_nothing(tmp_path):
    (encoded, _authority) = x509.encoded_in(authority_samples.leaf("/CN=x")[0].encode())
    sound = base64.b64decode(encoded)
    for position, byte in enumerate(sound):
        for bits in (0x01, 0x80, 0xFF):
            damaged = sound[:position] + bytes([byte ^ bits]) + sound[position + 1 :]
            try:
                assert str(x509.parse(base64.b64encode(damaged))).isprintable()
            except x509.DerError as error:
                assert str(error).startswith("it is malformed")
    for cut in range(len(sound)):
        with pytest.raises(x509.DerError):
            x509.parse(base64.b64encode(sound[:cut]))


def test_damaged_pem():
    with pytest.raises(x509.DerError, match="its PEM is damaged"):
        x509.parse(b"no!base64")
