# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import certificate_request as requesting
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.modules import certificate, certificate_request
from ansible_collections.k3a.cluster.tests.unit import leaf_samples
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import JOIN, Cluster, serving

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)

NAMES = ("serving-kubelet", "client-kubelet", "client-kube-proxy", "client-flannel")


def pair_in(folder):
    return str(folder / "kubelet/pki/kubelet-client-current.pem")


@pytest.fixture
def cluster(ca_certificates, tmp_path, monkeypatch):
    monkeypatch.setattr(requesting, "PAUSE", 0.01)
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", pair_in(tmp_path))
    monkeypatch.setattr(node_password, "PASSWORD_FILE", str(tmp_path / "etc/node/password"))
    known = Cluster(*ca_certificates)
    with serving(known, tmp_path):
        yield known


@pytest.fixture
def node(run_module, cluster, tmp_path):
    """The module on a machine, and the one that makes and installs what it needs."""

    class Node:
        own = {"data_dir": str(tmp_path / "k3a")}
        trust = {"ca_certificates": cluster.ca_certificates}
        password = tmp_path / "etc/node/password"

        def certificates(self, check=False, **more):
            declared = leaf_samples.declared("agent", pair_in(tmp_path))
            arguments = {"profile": "agent", "declared": declared, "node_name": "w1", "node_ip": ["10.0.0.2"]}
            arguments |= {**self.own, **self.trust}
            return run_module(certificate, check=check, **arguments, **more)

        def request(self, requests, check=False, **more):
            arguments = {**self.own, **self.trust, "server_url": cluster.url, "requests": requests}
            return run_module(certificate_request, check=check, **arguments, **more)

    return Node()


def test_a_machine_gets_all_its_certificates_and_the_next_run_finds_them(node, cluster):
    requests = node.certificates()["certificates"]
    signed = node.request(requests, token=cluster.token())
    assert sorted(signed["certificates"]) == sorted(NAMES)
    assert "PRIVATE KEY" not in str(signed)
    node.certificates(signed=signed["certificates"])
    found = {each["name"]: each["current"] for each in node.certificates()["certificates"]}
    assert found == signed["certificates"]


def test_the_node_password_is_made_once_for_root_alone_and_not_shown(node, cluster):
    requests = node.certificates()["certificates"]
    first = node.request(requests, token=cluster.token())
    password = node.password.read_text()
    assert len(password) == 33
    assert node.password.stat().st_mode & 0o777 == 0o600
    assert node.password.parent.stat().st_mode & 0o777 == 0o700
    assert (first["changed"], [entry["after_header"] for entry in first["diff"]]) == (True, [str(node.password)])
    again = node.request(requests, token=cluster.token())
    assert (again["changed"], again["diff"], node.password.read_text()) == (False, [], password)
    assert password.strip() not in str((first, again))


def test_check_mode_asks_nobody_and_makes_nothing(node, cluster):
    requests = node.certificates(check=True)["certificates"]
    announced = node.request(requests, check=True, token=cluster.token())
    assert announced["certificates"] == dict.fromkeys(NAMES, "")
    assert (announced["changed"], len(announced["diff"])) == (True, 1)
    assert not node.password.exists()
    assert cluster.asked == []


def test_a_node_renews_its_other_certificates_without_a_token_or_a_password(node, cluster):
    first = node.request(node.certificates()["certificates"], token=cluster.token())
    node.certificates(signed=first["certificates"])
    cluster.objects.clear()
    node.password.unlink()
    others = [each for each in node.certificates()["certificates"] if each["name"] != "client-kubelet"]
    renewed = node.request(others)
    assert len(renewed["certificates"]) == 3
    assert not renewed["changed"]
    assert not any(path.startswith(JOIN) for path in cluster.objects)
    assert not node.password.exists()


@pytest.mark.parametrize(
    "token, message",
    [("", "the kubelet has no valid certificate, and k3a_token is empty"), ("swordfish", "is a server token")],
)
def test_the_kubelets_certificate_needs_a_token(node, cluster, token, message):
    refused = node.request(node.certificates()["certificates"], token=token)
    assert refused["failed"]
    assert message in refused["msg"]
    assert cluster.asked == []


def test_a_denial_is_one_sentence_and_leaves_no_certificate(node, cluster, tmp_path):
    cluster.approver = lambda request, password: ("Denied", "a node named w1 is already a member")
    refused = node.request(node.certificates()["certificates"], token=cluster.token())
    assert refused["failed"]
    assert refused["msg"].endswith("was denied: a node named w1 is already a member")
    assert sorted(path.name for path in tmp_path.rglob("agent/tls/*.crt")) == ["client-ca.crt", "server-ca.crt"]
