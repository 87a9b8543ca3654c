# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import registries
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 brings the reader")
PULL = {"capabilities": ["pull", "resolve"]}
TLS = {"ca_file": "/ca", "cert_file": "/crt", "key_file": "/key", "insecure_skip_verify": True}
BARE = {"b": {"auth": None, "tls": None}}
TRUST = {"ca": ["/ca"], "client": [["/crt", "/key"]], "skip_verify": True}


def rendered(given):
    """The hosts.toml files by their directory, read back."""
    found = {}
    for file in registries.hosts_files(given, "/c"):
        assert file.content.startswith(registries.HEADER.encode())
        assert file.mode == 0o600
        found[file.path.split("/")[2]] = tomllib.loads(file.content.decode())
    return found


@pytest.mark.parametrize("nothing", [{}, {"mirrors": {}}, {"mirrors": None, "configs": None}])
def test_nothing_configured_is_no_file(nothing):
    assert registries.hosts_files(nothing, "/c") == ()
    assert registries.credentials(nothing) == {}


def test_a_mirror_comes_before_the_registry_itself():
    assert rendered(
        {"mirrors": {"docker.io": {"endpoint": ["https://mirror.example", "http://other.example:8080"]}}}
    ) == {
        "docker.io": {
            "server": "https://registry-1.docker.io",
            "host": {"https://mirror.example": PULL, "http://other.example:8080": PULL},
        }
    }


def test_endpoints_keep_their_order_and_appear_once():
    endpoints = ["https://b.example", "https://a.example", "https://b.example"]
    hosts = rendered({"mirrors": {"quay.io": {"endpoint": endpoints}}})["quay.io"]["host"]
    assert list(hosts) == ["https://b.example", "https://a.example"]


def test_the_wildcard_is_for_registries_without_an_entry():
    assert rendered({"mirrors": {"*": {"endpoint": ["https://mirror.example"]}}}) == {
        "_default": {"host": {"https://mirror.example": PULL}}
    }


def test_a_wildcard_without_mirror_still_says_whom_to_trust():
    assert rendered({"configs": {"*": {"tls": TLS}}}) == {"_default": TRUST}


def test_a_registry_on_a_port_has_a_directory_that_containerd_finds():
    assert rendered({"configs": {"reg.example:5000": {"tls": {"ca_file": "/ca"}}}}) == {
        "reg.example_5000_": {"server": "https://reg.example:5000", "ca": ["/ca"]}
    }


def test_the_tls_settings_are_those_of_the_host_that_is_asked():
    given = {
        "mirrors": {"quay.io": {"endpoint": ["https://mirror.example:5000/v2", "https://plain.example"]}},
        "configs": {"mirror.example:5000": {"tls": TLS}},
    }
    assert rendered(given)["quay.io"] == {
        "server": "https://quay.io",
        "host": {"https://mirror.example:5000/v2": {**PULL, **TRUST}, "https://plain.example": PULL},
    }


@pytest.mark.parametrize(
    "endpoint, override",
    [
        ("https://m.example", False),
        ("https://m.example/", False),
        ("https://m.example/v2", False),
        ("https://m.example/artifactory/api/docker/remote", True),
        ("https://m.example/v2/proxy", True),
    ],
)
def test_a_path_of_its_own_is_not_completed(endpoint, override):
    (host,) = rendered({"mirrors": {"docker.io": {"endpoint": [endpoint]}}})["docker.io"]["host"].values()
    assert host.get("override_path", False) is override


@pytest.mark.parametrize(
    "endpoint, url",
    [
        ("reg.example", "https://reg.example"),
        ("reg.example:5000", "https://reg.example:5000"),
        ("http://reg.example", "http://reg.example"),
        ("localhost", "https://localhost"),
        ("localhost:443", "https://localhost:443"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000/path", "http://127.0.0.1:5000/path"),
        ("127.1.2.3:5000", "http://127.1.2.3:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("[fd00::1]:5000", "https://[fd00::1]:5000"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
        ("localhost.example:5000", "https://localhost.example:5000"),
    ],
)
def test_an_endpoint_without_scheme_is_https_but_for_a_port_of_this_host(endpoint, url):
    assert registries.endpoint_url(endpoint) == url


def test_a_registry_on_this_host_is_asked_without_tls_itself():
    assert rendered({"mirrors": {"localhost:5000": {}}})["localhost_5000_"]["server"] == "http://localhost:5000"


def test_credentials_go_to_containerd_and_to_no_hosts_file():
    given = {
        "configs": {
            "reg.example": {"auth": {"username": "me", "password": "s3cr3t"}, "tls": {"ca_file": "/ca"}},
            "token.example": {"auth": {"identity_token": "t0k3n"}},
            "open.example": {"tls": {}},
        }
    }
    assert registries.credentials(given) == {
        "configs": {
            "reg.example": {"auth": {"username": "me", "password": "s3cr3t"}},
            "token.example": {"auth": {"identitytoken": "t0k3n"}},
        }
    }
    assert list(rendered(given)) == ["reg.example"]
    assert "s3cr3t" not in str(rendered(given))


def test_docker_io_is_known_by_whom_containerd_asks_too():
    auth = {"username": "me", "password": "s3cr3t"}
    named = {"docker.io": {"auth": auth}, "registry-1.docker.io": {"auth": auth}}
    assert registries.credentials({"configs": {"docker.io": {"auth": auth}}}) == {"configs": named}
    both = {"configs": {"docker.io": {"auth": {"auth": "x"}}, "registry-1.docker.io": {"auth": auth}}}
    assert registries.credentials(both)["configs"]["registry-1.docker.io"] == {"auth": auth}
    given = {
        "mirrors": {"quay.io": {"endpoint": ["https://registry-1.docker.io"]}},
        "configs": {"docker.io": {"tls": {"ca_file": "/ca"}}},
    }
    assert rendered(given)["quay.io"]["host"] == {"https://registry-1.docker.io": {**PULL, "ca": ["/ca"]}}


def test_what_is_empty_says_nothing():
    given = {"mirrors": {"docker.io": None}, "configs": {"a": None, "b": {"auth": None, "tls": None}}}
    assert registries.credentials(given) == {}
    assert rendered(given) == {"docker.io": {"server": "https://registry-1.docker.io"}}
    assert registries.merge_secrets(*registries.split_secrets(given)) == {**given, "configs": {"a": {}, **BARE}}


def test_files_of_registries_that_are_gone_are_surplus_and_those_of_others_stay(tmp_path):
    kept, gone = (
        files.File(str(tmp_path / name / "hosts.toml"), file.content)
        for name in ("docker.io", "quay.io")
        for file in registries.hosts_files({"mirrors": {name: {}}}, str(tmp_path))
    )
    for file in (kept, gone):
        (tmp_path / file.path.split("/")[-2]).mkdir()
        (tmp_path / file.path).write_bytes(file.content)
    (tmp_path / "by-hand.example").mkdir()
    (tmp_path / "by-hand.example/hosts.toml").write_text('server = "https://by-hand.example"\n')
    (tmp_path / "empty").mkdir()
    assert registries.surplus(str(tmp_path), {kept.path}) == (gone.path,)
    assert registries.surplus(str(tmp_path / "none"), set()) == ()


@pytest.mark.parametrize(
    "given, secrets",
    [
        ({}, {}),
        ({"mirrors": {"docker.io": {"endpoint": ["https://m.example"]}}}, {}),
        ({"configs": {"a": {"tls": {"ca_file": "/ca"}}}}, {}),
        ({"configs": {"a": {"auth": {"username": "me", "password": "p"}}, "b": {}}}, {"a": {"password": "p"}}),
        (
            {"configs": {"a": {"auth": {"identity_token": "t"}, "tls": {"ca_file": "/ca"}}}},
            {"a": {"identity_token": "t"}},
        ),
        (
            {"configs": {"a": {"auth": {"auth": "YTpi"}}, "*": {"auth": {"password": "q"}}}},
            {"a": {"auth": "YTpi"}, "*": {"password": "q"}},
        ),
    ],
)
def test_secrets_are_parted_from_the_rest_and_joined_to_the_same_again(given, secrets):
    public, hidden = registries.split_secrets(given)
    assert hidden == secrets
    assert not [value for secret in secrets.values() for value in secret.values() if f"'{value}'" in str(public)]
    assert registries.merge_secrets(public, hidden) == given


@pytest.mark.parametrize(
    "endpoint, host",
    [
        ("https://m.example/v2", "m.example"),
        ("m.example:5000", "m.example"),
        ("[fd00::1]:5000", "fd00::1"),
        ("", ""),
        ("https://", ""),
        ("https://m.example:x", ""),
        ("https://m.example:99999", ""),
        ("https://[", ""),
        ("ftp://m.example", ""),
        ("https://m example", ""),
    ],
)
def test_an_endpoint_has_a_host_that_can_be_asked(endpoint, host):
    assert registries.endpoint_host(endpoint) == host
