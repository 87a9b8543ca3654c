# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import certificate_signature as action
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem
from ansible_collections.k3a.cluster.plugins.modules import certificate_signature as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit import leaf_samples


@pytest.fixture(scope="module")
def authority():
    return pki.new_authority("k3a-client")


@pytest.fixture
def server(tmp_path, authority):
    """A server that has the client CA."""
    (tmp_path / "server/tls").mkdir(parents=True)
    for name, text in zip(("crt", "key"), authority, strict=True):
        (tmp_path / f"server/tls/client-ca.{name}").write_text(text)
    return str(tmp_path)


def request_for(node, key=None):
    leaf = leaf_samples.agent_leaves(Layout("/d"), node, ["10.0.0.2"])[2]
    return {
        **leaf.as_dict(),
        "current": "",
        "request": pki.request_of(key or pki.key_pem(pki.new_key())),
        "reasons": ["it is missing"],
    }


def test_the_requests_of_all_hosts_are_signed_in_one_call(run_action, server, authority):
    requests = {"w1": [request_for("w1")], "w2": [request_for("w2")], "w3": []}
    done = run_action(action, module, requests=requests, data_dir=server)
    assert done["changed"] is False
    assert set(done["certificates"]) == {"w1", "w2"}
    for host in ("w1", "w2"):
        (request,) = requests[host]
        certificate = done["certificates"][host][request["name"]]
        assert pki.renewal_reasons(request, certificate, True, authority[0]) == []


def test_the_authoritys_key_travels_unlogged_and_is_in_no_result(run_action, server, authority):
    done = run_action(action, module, requests={"w1": [request_for("w1")]}, data_dir=server)
    assert run_action.exchanges == [True]
    assert "PRIVATE KEY" not in str(done)
    assert "signing_cas" not in done


def test_check_mode_reads_no_key_and_says_what_would_be_signed(run_action, server):
    done = run_action(action, module, check=True, requests={"w1": [request_for("w1")], "w2": []}, data_dir=server)
    assert done == {"changed": False, "certificates": {"w1": {"client-kube-proxy": ""}}}
    assert run_action.exchanges == []


def test_a_host_without_the_authority_says_where_to_sign(run_action, tmp_path):
    done = run_action(action, module, requests={"w1": [request_for("w1")]}, data_dir=str(tmp_path))
    assert done["failed"]
    assert done["msg"] == "the client CA is not on this host; sign on a server of the cluster"


# As openssl makes it of a key on a curve that nobody else knows.
UNKNOWN_CURVE = pem.request_for(
    pem._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp112r1")
)


@pytest.mark.parametrize("damaged", ["text", "", None, UNKNOWN_CURVE])
def test_a_bad_request_fails_its_own_host_and_the_others_are_signed(run_action, server, damaged):
    requests = {"w1": [{**request_for("w1"), "request": damaged}], "w2": [request_for("w2")]}
    done = run_action(action, module, requests=requests, data_dir=server)
    assert not done.get("failed")
    assert done["certificates"]["w1"] == {"client-kube-proxy": ""}
    assert done["certificates"]["w2"]["client-kube-proxy"].startswith("-----BEGIN CERTIFICATE")
    (warning,) = done["warnings"]
    assert warning.startswith("w1: the signing request for client-kube-proxy is unreadable")
    assert warning.endswith("remove its private key, /d/agent/tls/client-kube-proxy.key, on this host and run again")


def test_an_authority_whose_key_is_anothers_signs_nothing(run_action, server):
    key = os.path.join(server, "server/tls/client-ca.key")
    with open(key, "w", encoding="ascii") as stream:
        stream.write(pki.new_authority("x")[1])
    done = run_action(action, module, requests={"w1": [request_for("w1")]}, data_dir=server)
    assert done["failed"]
    assert "does not belong to its certificate" in done["msg"]
