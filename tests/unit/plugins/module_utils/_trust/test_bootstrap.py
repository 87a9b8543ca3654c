# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens

# A certificate as K3s serves it at /cacerts; what its tokens carry is `sha256sum` of exactly these bytes.
SERVED = """\
-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIBADAKBggqhkjOPQQDAjAjMSEwHwYDVQQDDBhrM3Mtc2Vy
dmVyLWNhQDE3MzI0MjA4MDAwHhcNMjQxMTI0MDQwMDAwWhcNMzQxMTIyMDQwMDAw
-----END CERTIFICATE-----
"""
HASH = "1c0d6fa88ff0e58b5b33eeb6a8f1ed3b4f3b6fd7d0fd0f6fb8a19a4b6a9c3f43"


def test_the_secure_form_is_k3s_s():
    assert bootstrap.secure_token("abc", "s3cr3t") == (
        "K10ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad::server:s3cr3t"
    )


@pytest.mark.parametrize(
    "password", ["s3cr3t", "0123456789abcdef0123456789abcdef", "with space", "a:b", "::", "K", "größe"]
)
def test_the_password_is_what_the_secure_form_was_made_of(password):
    assert bootstrap.password_of(bootstrap.secure_token(SERVED, password), SERVED) == password


@pytest.mark.parametrize("password", ["s3cr3t", "abcdef.0123456789abcdeF", "a:b", "K1", "k10"])
def test_the_short_form_is_the_password_itself(password):
    assert bootstrap.password_of(password, SERVED) == password


def test_a_token_of_another_cluster_is_refused_and_not_shown():
    with pytest.raises(bootstrap.TokenError, match="another cluster") as refused:
        bootstrap.password_of(f"K10{HASH}::server:s3cr3t", SERVED)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("user", ["node", "", "x"])
def test_only_the_password_of_a_secure_form_counts(user):
    assert bootstrap.password_of(f"K10{tokens.ca_hash(SERVED)}::{user}:s3cr3t", SERVED) == "s3cr3t"
    assert bootstrap.password_of(f"K10::{user}:s3cr3t", SERVED) == "s3cr3t"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("K10", "k3a_token: invalid token format"),
        ("K10abc::server:s3cr3t", "k3a_token: invalid token CA hash length"),
        (f"K10{HASH}:server:s3cr3t", "k3a_token: invalid token format"),
        (f"K10{HASH}::server:", "k3a_token: invalid token format"),
        (f"K10{tokens.ca_hash(SERVED)}::s3cr3t", "k3a_token: invalid token format"),
        (f"K10{tokens.ca_hash(SERVED).upper()}::server:s3cr3t", "another cluster"),
        ("abcdef.0123456789abcdef", "k3a_token is a bootstrap token, with which agents join"),
        (f"K10{tokens.ca_hash(SERVED)}::abcdef.0123456789abcdef", "k3a_token is a bootstrap token"),
    ],
)
def test_a_token_that_is_not_a_server_s_is_refused_with_the_reason(token, reason):
    with pytest.raises(bootstrap.TokenError, match=reason):
        bootstrap.password_of(token, SERVED)


def test_authorities_are_read_when_they_are_there(tmp_path):
    layout = Layout(str(tmp_path))
    assert bootstrap.read_authorities(layout) == {}
    (tmp_path / "server/tls/etcd").mkdir(parents=True)
    (tmp_path / "server/tls/client-ca.crt").write_text(SERVED)
    (tmp_path / "server/tls/etcd/peer-ca.crt").write_text("peer")
    (tmp_path / "server/tls/server-ca.crt").write_text("")
    assert bootstrap.read_authorities(layout) == {"client": SERVED, "etcd-peer": "peer"}


def test_every_authority_has_its_name_and_place():
    layout = Layout("/d")
    assert {name: bootstrap.authority_paths(layout, name)[1] for name in bootstrap.CN_PREFIXES} == {
        "server": "/d/server/tls/server-ca.key",
        "kubelet-serving": "/d/server/tls/kubelet-serving-ca.key",
        "client": "/d/server/tls/client-ca.key",
        "request-header": "/d/server/tls/request-header-ca.key",
        "etcd-server": "/d/server/tls/etcd/server-ca.key",
        "etcd-peer": "/d/server/tls/etcd/peer-ca.key",
    }


@pytest.mark.parametrize("provider", ["secretbox", "aescbc", "aesgcm"])
def test_secrets_are_written_encrypted_and_plain_ones_still_read(provider):
    configuration = json.loads(bootstrap.encryption_configuration(provider, "a2V5"))
    assert configuration["kind"] == "EncryptionConfiguration"
    (rule,) = configuration["resources"]
    assert rule["resources"] == ["secrets"]
    assert rule["providers"] == [{provider: {"keys": [{"name": f"{provider}key", "secret": "a2V5"}]}}, {"identity": {}}]


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path / "k3a"))


def test_keys_come_before_what_depends_on_them(layout):
    """A run that is killed in between leaves a key without certificate, which has signed nothing."""
    paths = bootstrap.wanted_paths(layout, True)
    for name in bootstrap.CN_PREFIXES:
        certificate, key = bootstrap.authority_paths(layout, name)
        assert paths.index(key) < paths.index(certificate)
    assert paths[-1] == layout.token
