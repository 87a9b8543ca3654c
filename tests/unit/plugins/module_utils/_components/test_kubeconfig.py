# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout


def parsed(text):
    """User and cluster that the current context of a kubeconfig leads to."""
    document = yaml.safe_load(text)
    assert (document["apiVersion"], document["kind"]) == ("v1", "Config")
    named = {kind: {entry["name"]: entry for entry in document[kind]} for kind in ("contexts", "clusters", "users")}
    context = named["contexts"][document["current-context"]]["context"]
    return named["clusters"][context["cluster"]]["cluster"], named["users"][context["user"]]["user"]


def test_a_components_kubeconfig_names_paths_and_holds_no_secret():
    cluster, user = parsed(kubeconfig.by_path("https://[fd00::1]:6443", "/tls/ca.crt", "/tls/a.crt", "/tls/a.key"))
    assert cluster == {
        "server": "https://[fd00::1]:6443",
        "certificate-authority": "/tls/ca.crt",
        "tls-server-name": "kubernetes.default.svc",
    }
    assert user == {"client-certificate": "/tls/a.crt", "client-key": "/tls/a.key"}


def test_a_persons_kubeconfig_holds_all_it_needs():
    cluster, user = parsed(kubeconfig.embedded("https://10.0.0.1:6443", b"CA\n", b"CERT\n", b"KEY\xff\n"))
    assert cluster["server"] == "https://10.0.0.1:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"CA\n"
    assert base64.b64decode(user["client-certificate-data"]) == b"CERT\n"
    assert base64.b64decode(user["client-key-data"]) == b"KEY\xff\n"


PARAMS = {"path": "/etc/k3a/k3a.yaml", "mode": "0600", "group": "", "name": "default", "https_listen_port": 6443}


def test_its_sources_are_the_servers_authority_and_the_administrators_certificate_and_key():
    tls = "/srv/k3a/server/tls"
    expected = (f"{tls}/server-ca.crt", f"{tls}/client-administrator.crt", f"{tls}/client-administrator.key")
    assert kubeconfig.sources(Layout("/srv/k3a")) == expected


def test_it_holds_each_of_its_sources_where_it_belongs():
    file = kubeconfig.wanted_file({**PARAMS, "https_listen_port": 7443}, [b"authority", b"certificate", b"key"])
    document = yaml.safe_load(file.content)
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    assert cluster["server"] == "https://127.0.0.1:7443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"authority"
    assert base64.b64decode(user["client-certificate-data"]) == b"certificate"
    assert base64.b64decode(user["client-key-data"]) == b"key"


@pytest.mark.parametrize("mode, expected", [("0600", 0o600), ("640", 0o640)])
def test_it_is_a_secret_with_the_mode_that_was_asked_for(mode, expected):
    file = kubeconfig.wanted_file({**PARAMS, "mode": mode}, [b"", b"", b""])
    assert (file.path, file.mode, file.secret) == ("/etc/k3a/k3a.yaml", expected, True)


@pytest.mark.parametrize("group, expected", [("", "root"), ("adm", "adm")])
def test_it_is_of_the_group_that_was_asked_for(group, expected):
    assert kubeconfig.wanted_file({**PARAMS, "group": group}, [b"", b"", b""]).group == expected


def test_cluster_user_and_context_have_the_name_that_was_asked_for():
    content = kubeconfig.wanted_file({**PARAMS, "name": "staging"}, [b"authority", b"", b""]).content
    document = yaml.safe_load(content)
    assert [document[kind][0]["name"] for kind in ("clusters", "users", "contexts")] == ["staging"] * 3
    assert parsed(content)[0]["certificate-authority-data"] == base64.b64encode(b"authority").decode()
