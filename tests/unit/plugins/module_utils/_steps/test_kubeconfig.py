# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._steps import kubeconfig

PARAMS = {"path": "/etc/k3a/k3a.yaml", "mode": "0600", "https_listen_port": 6443}


def test_its_sources_are_the_servers_authority_and_the_administrators_certificate_and_key():
    tls = "/srv/k3a/server/tls"
    expected = (f"{tls}/server-ca.crt", f"{tls}/client-admin.crt", f"{tls}/client-admin.key")
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
