# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import process
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token

PIN = "X" * 64

# CAs, and below their hashes, from a program in Go that chains them with crypto/x509 by K3s's rules.
ROOT = """\
-----BEGIN CERTIFICATE-----
MIIBUTCB96ADAgECAgECMAoGCCqGSM49BAMCMA8xDTALBgNVBAMTBHJvb3QwIBcN
MjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMA8xDTALBgNVBAMTBHJvb3Qw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARUaDaHGLs9AOlb6A2NkH8q8AFILOiO
vet37+9LIKxw7DCQlZnn4Z0LM21SBd77n4T9w7eUFVBjng8VJw/pJEg7o0IwQDAO
BgNVHQ8BAf8EBAMCAoQwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUpUopxIeh
+vvZFsS6OtD1qfJ+BtswCgYIKoZIzj0EAwIDSQAwRgIhAJn7NVcxsNUn93oDZyJK
CxAuPa8Ib2QCshXM/ODhq1L2AiEAtdR/W4Dcc9H8Ur1icz8yd3/7U6Gb+6tomcQv
UyytnWo=
-----END CERTIFICATE-----
"""
INTERMEDIATE = """\
-----BEGIN CERTIFICATE-----
MIIBejCCASCgAwIBAgIBAzAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDEwRyb290MCAX
DTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAXMRUwEwYDVQQDEwxpbnRl
cm1lZGlhdGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASuPRBvK1LcMBOHRYM5
y3KFGDi+bh7myJInfuNDOKpYfU/oiZYnSwM84GQ9l0/HyGA4/EOQUWG7X3ZRO7m4
FFWOo2MwYTAOBgNVHQ8BAf8EBAMCAoQwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4E
FgQUJjqA2dEaos2cQtsvMHE4rCHcgJowHwYDVR0jBBgwFoAUpUopxIeh+vvZFsS6
OtD1qfJ+BtswCgYIKoZIzj0EAwIDSAAwRQIhAITnN8ue7xklU6fc3iDDo0Bmh6OU
TD+3MR+FrZQkQnXyAiBX6103PCMjQvrc5TdC1+YCY0Yme9aeqISdGDcPSuvNSw==
-----END CERTIFICATE-----
"""
ISSUER = """\
-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIBBDAKBggqhkjOPQQDAjAXMRUwEwYDVQQDEwxpbnRlcm1l
ZGlhdGUwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNV
BAMTCXNlcnZlci1jYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEzFOeXrYcC/
apYzrIpBYrUvLc+FcnqYBhgCN1f422VphZsfCdnzRYJqtBdX/6lJC7cxomwDuP3Z
akYgQ7CU5P+jYzBhMA4GA1UdDwEB/wQEAwIChDAPBgNVHRMBAf8EBTADAQH/MB0G
A1UdDgQWBBSlbwlp25c/q1sK2/1iKE7uJAwoyDAfBgNVHSMEGDAWgBQmOoDZ0Rqi
zZxC2y8wcTisIdyAmjAKBggqhkjOPQQDAgNJADBGAiEA1pN818MzVIVTfgtDoqwH
tV9BjZMqFXPas56SeVY1N5ACIQCCMT1f/4I03Uwy7VeaykrSZ/Tm7FSaWomqmpH1
wNCUig==
-----END CERTIFICATE-----
"""
RENEWED = """\
-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIBBTAKBggqhkjOPQQDAjAXMRUwEwYDVQQDEwxpbnRlcm1l
ZGlhdGUwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNV
BAMTCXNlcnZlci1jYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPUzpTU+n7AX
ijMoT+jzhaIWHOHP0Sw+NnXM4vEQrin3bWOSBYX4uLYygZEBbal9auyhabUz0xnM
Y9KFJ8hGApmjYzBhMA4GA1UdDwEB/wQEAwIChDAPBgNVHRMBAf8EBTADAQH/MB0G
A1UdDgQWBBTQqAKSUni/KU9A3ku+5JQblc9CjjAfBgNVHSMEGDAWgBQmOoDZ0Rqi
zZxC2y8wcTisIdyAmjAKBggqhkjOPQQDAgNIADBFAiAwUJo7iR+JbRkS6z9UvghS
f+sW2y0jBbvVl3SaDRHZZAIhAK+8ZUPTwSIxd2Jqk4TuKuewb6RVX4iSRz9wn/4P
Ck66
-----END CERTIFICATE-----
"""
OTHER = """\
-----BEGIN CERTIFICATE-----
MIIBXDCCAQOgAwIBAgIBBjAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpvdGhlci1y
b290MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAVMRMwEQYDVQQD
EwpvdGhlci1yb290MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPGcABH3IvhuI
7E8kWKS6v4/p+dWdxFDboH5eUtl3/n7ZSJnw7OuyqWUEBbpIm0MG6LHLktjooOb6
iCZnmLL026NCMEAwDgYDVR0PAQH/BAQDAgKEMA8GA1UdEwEB/wQFMAMBAf8wHQYD
VR0OBBYEFJP55vvFMQeiyRfjjPj3HQACqyOaMAoGCCqGSM49BAMCA0cAMEQCICAa
LRRlYmtTNJNW8UF6iqw0HkebIbRv1CQQ2sn5I9aRAiAVYZRni7hqDdZUvaIf7I8j
icJs78pgDC96+8Tlg5oZYg==
-----END CERTIFICATE-----
"""
LIAR = """\
-----BEGIN CERTIFICATE-----
MIIBeDCCAR2gAwIBAgIBBzAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDEwRyb290MCAX
DTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAUMRIwEAYDVQQDEwlzZXJ2
ZXItY2EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATfIrMgFQGvJeeYaSmrx0ds
dNi0tYuMaYOFregOFbjiSvmIgDOl11RvDgB7cSB2NuMmhYh8RAjD6p8K/VQab+ic
o2MwYTAOBgNVHQ8BAf8EBAMCAoQwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQU
X6zuwpKDEr57sVzXUXgalsglsBEwHwYDVR0jBBgwFoAUpUopxIeh+vvZFsS6OtD1
qfJ+BtswCgYIKoZIzj0EAwIDSQAwRgIhAIgBRqE5n62DTVmoArdQwMgP7hSCeOYb
3nTLjDROSkqzAiEA23vQnc99zm2M1SouSDeaC+i2IApLtwd2Txzkc2L8d/o=
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # K3s's own cases of tokens that it takes.
        ("token", token.Token(password="token")),
        ("abcdef.0123456789abcdef", token.Token(id="abcdef", secret="0123456789abcdef")),
        (f"K10{PIN}:::token", token.Token(PIN, password="token")),
        (f"K10{PIN}::server:token", token.Token(PIN, "server", "token")),
        (f"K10{PIN}::abcdef.0123456789abcdef", token.Token(PIN, id="abcdef", secret="0123456789abcdef")),
        ("K10::username:password", token.Token("", "username", "password")),
        # What looks like a part of another form.
        (f"K10{PIN}::server:a::b:c", token.Token(PIN, "server", "a::b:c")),
        ("a::b:c", token.Token(password="a::b:c")),
        ("K1", token.Token(password="K1")),
        ("abcdef.0123456789abcdeF", token.Token(password="abcdef.0123456789abcdeF")),
        ("abcdef.0123456789abcdef0", token.Token(password="abcdef.0123456789abcdef0")),
        (f"K10{PIN}::server:abcdef.0123456789abcdef", token.Token(PIN, "server", "abcdef.0123456789abcdef")),
    ],
)
def test_a_token_is_read_in_each_of_its_forms(text, expected):
    assert token.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        # K3s's own cases of tokens that it refuses.
        ("", "the token is empty"),
        ("K10::", "invalid token format"),
        ("K10::x", "invalid token format"),
        ("K10::x:", "invalid token format"),
        ("K10XX::x:y", "invalid token CA hash length"),
        ("K10X::x", "invalid token CA hash length"),
        # And more.
        ("K10", "invalid token format"),
        ("K10s3cr3t", "invalid token format"),
        (f"K10{PIN}:server:s3cr3t", "invalid token format"),
        (f"K10{PIN}::s3cr3t", "invalid token format"),
        (f"K10{PIN}0::server:s3cr3t", "between K10 and :: are 65 characters"),
    ],
)
def test_a_malformed_token_is_refused_with_the_reason_and_not_shown(text, reason):
    with pytest.raises(token.TokenError, match=reason) as refused:
        token.parse(text)
    assert "s3cr3t" not in str(refused.value)


def test_a_token_does_not_show_what_is_secret_of_it():
    for text in ("K10::server:s3cr3t", "abcdef.s3cr3ts3cr3ts3cr"):
        assert "s3cr3t" not in repr(token.parse(text))


def test_the_bearer_is_the_short_form():
    assert token.parse(f"K10{PIN}::abcdef.0123456789abcdef").bearer == "abcdef.0123456789abcdef"
    assert token.parse("password").bearer == ""


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        (ROOT, "b46bcde5849795bb2061b0ad47448bf760156623a5522669f3979626df196cde"),
        (ISSUER + INTERMEDIATE + ROOT, "817fed64a9c88fab7480495873262fadaa3d4ebf69f883eff765193d3a4add6e"),
        (ISSUER + ROOT + INTERMEDIATE, "817fed64a9c88fab7480495873262fadaa3d4ebf69f883eff765193d3a4add6e"),
        (RENEWED + INTERMEDIATE + ROOT, "817fed64a9c88fab7480495873262fadaa3d4ebf69f883eff765193d3a4add6e"),
        (ISSUER + INTERMEDIATE + OTHER + ROOT, "817fed64a9c88fab7480495873262fadaa3d4ebf69f883eff765193d3a4add6e"),
        (ISSUER + ROOT, "c8ee1dbb04382bbffe10acbbe9bc118ec297c0fb0fec0efa8c083fbe5d91630d"),
        (ROOT + OTHER, "d6c28dabc80d1e8e238a7006bf49bfcacdc707bd26708a34d592dab9de91c57b"),
        (LIAR + ROOT, "22c570bd74457f65003aa07a47964158ccc68b71b21f7b03497e197edb19f1e5"),
    ],
    ids=["one", "chain", "shuffled", "renewed", "another root", "link missing", "two roots", "not signed by the root"],
)
def test_the_hash_is_that_of_k3s(bundle, expected):
    assert token.ca_hash(bundle) == expected


def test_the_hash_of_one_certificate_is_that_of_its_text_and_of_several_that_of_the_root():
    assert token.ca_hash(ROOT) == hashlib.sha256(ROOT.encode()).hexdigest() != token.ca_hash(ROOT.rstrip())
    assert token.ca_hash(ISSUER + INTERMEDIATE + ROOT) == token.ca_hash(RENEWED + INTERMEDIATE + ROOT)
    assert token.ca_hash(LIAR + ROOT) == hashlib.sha256((LIAR + ROOT).encode()).hexdigest()


def test_what_the_hash_does_not_cover_is_no_anchor():
    """Else whoever knows a token's secret adds a CA of his own to a chain, and the pin fits as before."""
    chain = ISSUER + INTERMEDIATE + ROOT
    stray = OTHER
    assert token.ca_hash(chain + stray) == token.ca_hash(chain)
    assert token.anchors(chain + stray) == chain
    # What is whole stays as it is served, byte by byte.
    for whole in (chain, ISSUER, f"# a comment\n{chain}"):
        assert token.anchors(whole) == whole


def test_text_around_certificates_does_not_change_the_root():
    chain = f"# issuer\n{ISSUER}\nabove it:\n{INTERMEDIATE}{ROOT.rstrip()}"
    assert token.ca_hash(chain) == token.ca_hash(ISSUER + INTERMEDIATE + ROOT)


def test_an_authority_of_the_host_vouches_for_no_chain(tmp_path, monkeypatch):
    """Whatever the host trusts, the bundle alone decides what its root is."""
    (tmp_path / "ca.pem").write_text(ROOT + INTERMEDIATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert token.ca_hash(ISSUER + OTHER) == hashlib.sha256((ISSUER + OTHER).encode()).hexdigest()


def test_a_host_without_openssl_is_told_so(monkeypatch):
    monkeypatch.setattr(token.process, "run", lambda command, given: process.Done(127, b"", "env: openssl: not found"))
    with pytest.raises(token.TokenError, match="openssl is not installed"):
        token.ca_hash(ISSUER + INTERMEDIATE + ROOT)


def test_the_long_form_pins_the_authority():
    assert token.full(ROOT, "server:s3cr3t") == "K10b46bcde5849795bb2061b0ad47448bf760156623a5522669f3979626df196cde::server:s3cr3t"
    assert token.parse(token.full(ROOT, "abcdef.0123456789abcdef")).ca_hash == token.ca_hash(ROOT)


def test_a_new_bootstrap_token_is_one_and_never_the_same():
    made = {token.bootstrap_token() for _turn in range(50)}
    assert len(made) == 50
    assert all(token.parse(text).bearer == text for text in made)


# Upstream's vectors (k8s.io/cluster-bootstrap/token/jws).
CONTENT = "Hello from the other side. I must have called a thousand times."
PASSCODE = "my voice is my passcode"
HEADER = "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9"


@pytest.mark.parametrize(
    ("content", "secret", "expected"),
    [
        (CONTENT, PASSCODE, f"{HEADER}..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"),
        ("", PASSCODE, f"{HEADER}..7Ui1ALizW4jXphVUB7xUqC9vLYLL9RZeOFfVLoB7Tgk"),
        (CONTENT, "", f"{HEADER}..UfkqvDGiIFxrMnFseDj9LYJOLNrvjW8aHhF71mvvAs8"),
    ],
)
def test_the_signature_is_that_of_the_controller_manager(content, secret, expected):
    assert token.signature(content, "joshua", secret) == expected
    assert token.signature_ok(content, expected, "joshua", secret)


@pytest.mark.parametrize(
    ("content", "jws", "token_id", "secret"),
    [
        (CONTENT, f"{HEADER}..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8foo", "joshua", PASSCODE),
        (CONTENT + "!", f"{HEADER}..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8", "joshua", PASSCODE),
        (CONTENT, f"{HEADER}..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8", "another", PASSCODE),
        (CONTENT, f"{HEADER}..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8", "joshua", "guess"),
        (CONTENT, "eyJhbGciOiJub25lIn0..", "joshua", PASSCODE),
        (CONTENT, "größe", "joshua", PASSCODE),
        (CONTENT, "", "joshua", PASSCODE),
    ],
)
def test_no_other_signature_is_taken(content, jws, token_id, secret):
    assert not token.signature_ok(content, jws, token_id, secret)
