# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils import _files as files
from ansible_collections.k3a.cluster.plugins.module_utils import _pem as pem

if os.geteuid() != 0:
    pytest.skip("keys belong to root", allow_module_level=True)


def openssl(*arguments, given):
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True)
    return done.stdout.decode()


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


@pytest.mark.parametrize("damaged", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_has_no_request(damaged):
    assert pem.request_for(damaged) is None


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
    assert (tmp_path / "told").read_text() == "req -new -key /dev/stdin -subj /CN=k3a\n"
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
