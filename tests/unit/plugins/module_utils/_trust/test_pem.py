# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem

if os.geteuid() != 0:
    pytest.skip("keys belong to root", allow_module_level=True)


def openssl(*arguments, given):
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True)
    return done.stdout.decode()


def openssl_errors(*arguments, given):
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stderr.decode()


@pytest.fixture(scope="module")
def key():
    return pem.new_key()


@pytest.fixture(scope="module")
def certificate(key, tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "key"
    path.write_bytes(key)
    command = ["openssl", "req", "-x509", "-key", str(path), "-subj", "/CN=a", "-days", "2"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_a_key_is_on_the_curve_p_256(key):
    assert "ASN1 OID: prime256v1" in openssl("pkey", "-noout", "-text", given=key)
    assert key != pem.new_key()


def test_a_request_proves_the_possession_of_the_key_and_asks_for_nothing(key):
    request = pem.request_for(key)
    assert (
        openssl("req", "-noout", "-subject", "-verify", given=request.encode()).replace(" ", "").strip()
        == "subject=CN=k3a"
    )
    assert openssl("req", "-noout", "-pubkey", given=request.encode()) == openssl("pkey", "-pubout", given=key)
    assert "Alternative" not in openssl("req", "-noout", "-text", given=request.encode())


def subject_of(request):
    return openssl("req", "-noout", "-subject", "-nameopt", "RFC2253", "-verify", given=request.encode()).strip()


def test_a_request_asks_for_the_names_that_it_is_given(key):
    node = {"common_name": "system:node:w1", "organization": "system:nodes"}
    request = pem.request_for(key, **node, dns=["w1", "localhost"], ips=["127.0.0.1", "fd00::2"])
    assert subject_of(request) == "subject=CN=system:node:w1,O=system:nodes"
    text = openssl("req", "-noout", "-text", given=request.encode())
    assert "DNS:w1, DNS:localhost, IP Address:127.0.0.1, IP Address:FD00:0:0:0:0:0:0:2\n" in text
    without = pem.request_for(key, **node)
    assert subject_of(without) == "subject=CN=system:node:w1,O=system:nodes"
    assert "Alternative" not in openssl("req", "-noout", "-text", given=without.encode())


@pytest.mark.parametrize("length", [52, 53, 63])
def test_the_longest_name_of_a_node_fits_into_a_request(key, length):
    """X.509 ends a common name at 64 characters, and so does openssl as it is."""
    node = {"common_name": f"system:node:{'n' * length}", "organization": "system:nodes", "dns": ["n" * length]}
    request = pem.request_for(key, **node)
    assert "self-signature verify OK" in openssl_errors("req", "-noout", "-verify", given=request.encode())
    asked = csr.parse(request.encode())
    assert (asked.common_names, asked.organizations) == ((node["common_name"],), ("system:nodes",))
    assert (asked.dns, asked.further) == (("n" * length,), ())


def test_what_means_something_in_a_subject_is_taken_as_it_is(key):
    request = pem.request_for(key, common_name="a/O=system:masters+b\\c")
    assert subject_of(request) == r"subject=CN=a/O=system:masters\+b\\c"


def authority(folder, name):
    (folder / name).write_bytes(pem.new_key())
    command = ["openssl", "req", "-x509", "-new", "-key", str(folder / name), "-subj", f"/CN={name}", "-days", "2"]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


def test_a_clients_certificate_is_told_from_that_of_another_authority(tmp_path, key):
    first, second = authority(tmp_path, "first"), authority(tmp_path, "second")
    (tmp_path / "first.crt").write_text(first)
    sign = ["x509", "-req", "-CA", f"{tmp_path}/first.crt", "-CAkey", f"{tmp_path}/first", "-set_serial", "1"]
    request = pem.request_for(key).encode()
    valid = openssl(*sign, "-days", "1", given=request)
    assert pem.issued_by(valid, first)
    assert pem.issued_by(valid, second + first)
    assert not pem.issued_by(valid, second)
    assert not pem.issued_by(openssl(*sign, "-days", "0", given=request), first)
    assert not pem.issued_by("no certificate", first)
    (tmp_path / "server").write_text("extendedKeyUsage=serverAuth\n")
    server = openssl(*sign, "-days", "1", "-extfile", f"{tmp_path}/server", given=request)
    assert not pem.issued_by(server, first)


@pytest.mark.parametrize("damaged", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_has_no_request(damaged):
    assert pem.request_for(damaged) is None
    assert pem.request_for(damaged, f"system:node:{'n' * 63}") is None


def test_a_key_is_kept_for_root_alone_where_it_is_used(tmp_path):
    path = str(tmp_path / "tls/a.key")
    key = pem.write_new_key(path)
    assert files.read_bytes(path) == key
    assert files.ownership(path) == (0o600, "root", "root")


def test_the_key_never_stands_on_a_command_line(tmp_path, monkeypatch, key):
    (tmp_path / "openssl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\ncat > {tmp_path}/given\n')
    (tmp_path / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pem.request_for(key)
    assert (tmp_path / "told").read_text() == "req -new -key /dev/stdin -passin pass: -subj /CN=k3a\n"
    assert (tmp_path / "given").read_bytes() == key


def test_a_file_of_both_is_taken_apart(key, certificate):
    both = b"comment\n" + certificate + certificate + key
    assert pem.certificates_in(both) == (certificate + certificate).decode()
    assert pem.private_key_in(both) == key
    assert pem.private_key_in(key + both) == key


def test_an_ec_key_in_the_older_form_is_a_key_too(key):
    older = openssl("ec", given=key).encode()
    assert older.startswith(b"-----BEGIN EC PRIVATE KEY-----")
    assert pem.private_key_in(b"x\n" + older) == older


@pytest.mark.parametrize("content", [None, b"", b"garbage\xff", b"-----BEGIN CERTIFICATE-----\ncut off"])
def test_there_is_nothing_in_a_file_that_is_absent_or_damaged(content):
    assert pem.certificates_in(content) == ""
    assert pem.private_key_in(content) == b""


def test_a_host_without_openssl_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pem.OpensslError, match="openssl is not installed on this host; install it"):
        pem.new_key()


def test_what_openssl_refuses_is_told_in_its_words(tmp_path, monkeypatch):
    (tmp_path / "openssl").write_text("#!/bin/sh\necho unknown curve >&2\nexit 1\n")
    (tmp_path / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(pem.OpensslError, match="openssl genpkey failed: unknown curve"):
        pem.new_key()


def test_a_file_of_certificates_is_readable_as_a_whole(certificate, tmp_path):
    path = tmp_path / "ca.crt"
    said = []
    for content in (certificate, certificate * 2, b"", b"none", certificate.replace(b"M", b"!", 1)):
        path.write_bytes(content)
        said.append(pem.is_readable(str(path)))
    assert said == [True, True, False, False, False]
    assert not pem.is_readable(str(tmp_path / "missing"))
