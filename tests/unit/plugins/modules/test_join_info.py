# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.modules import join_info
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import Cluster, serving

SECRET = "0123456789abcdef"


@pytest.fixture
def cluster(ca_certificates, tmp_path, monkeypatch):
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", str(tmp_path / "kubelet-client-current.pem"))
    known = Cluster(*ca_certificates)
    with serving(known, tmp_path):
        yield known


@pytest.fixture
def look(run_module, cluster, tmp_path):
    def run(**arguments):
        return run_module(join_info, server_url=cluster.url, data_dir=str(tmp_path / "k3a"), **arguments)

    return run


def test_a_machine_learns_what_it_has_to_know(look, cluster, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    found = look(token=cluster.token())
    assert found["ca_certificates"] == cluster.ca_certificates
    assert found["servers"] == ["192.0.2.10:6443", "192.0.2.11:6443"]
    assert found["config"] == cluster.values
    assert (found["url"], found["changed"]) == (cluster.url, False)
    assert (found["is_member"], found["is_pinned"], found["token_id"]) == (False, True, "f00bar")
    assert not found.get("warnings")
    assert SECRET not in str({key: value for key, value in found.items() if key != "invocation"})
    assert sorted(tmp_path.rglob("*")) == before


def test_a_machine_that_has_all_in_another_directory_is_no_new_one(look, cluster, monkeypatch):
    monkeypatch.setattr(join_info.identity, "own_data_dir", lambda given: "/srv/k3a")
    told = look(token=cluster.token())["msg"]
    assert "k3a, and this machine has all that it keeps in /srv/k3a; set k3a_data_dir to /srv/k3a, or take" in told
    monkeypatch.setattr(join_info.identity, "own_data_dir", lambda given: f"{given}/")
    assert look(token=cluster.token())["changed"] is False


def test_a_node_whose_data_directory_is_gone_is_no_new_machine(look, cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(join_info.identity.own_units, "installed", lambda: {"kubelet": ""})
    told = look()["msg"]
    assert f"{tmp_path}/k3a holds nothing of k3a any more: it is not mounted, or was emptied; mount it, or" in told
    assert look(token=cluster.token())["changed"] is False
    (tmp_path / "k3a/agent").mkdir(parents=True)
    assert "k3a_token is empty" in look()["msg"]


def test_a_token_that_pins_nothing_works_with_a_warning(look, cluster):
    found = look(token=cluster.token(pinned=False))
    assert found["is_pinned"] is False
    (warning,) = found["warnings"]
    assert "the token f00bar pins no CA" in str(warning)
    assert "K10<hash>::" in str(warning)


def test_a_node_needs_no_token(look, cluster, tmp_path):
    tls = tmp_path / "k3a/agent/tls"
    tls.mkdir(parents=True)
    (tls / "server-ca.crt").write_text(cluster.server.text)
    (tls / "client-ca.crt").write_text(cluster.client.text)
    (tmp_path / "kubelet-client-current.pem").write_text("".join(cluster.client.node("w1")))
    found = look()
    assert (found["is_member"], found["is_pinned"], found["token_id"]) == (True, True, "")
    assert not found.get("warnings")


def test_variables_that_agree_with_the_cluster_are_in_order(look, cluster):
    expected = {"cluster_cidr": ["10.42.0.0/16"], "cluster_domain": "", "https_listen_port": "6443"}
    assert look(token=cluster.token(), expected=expected)["config"] == cluster.values


def test_variables_that_differ_from_the_cluster_are_refused_by_name(look, cluster):
    refused = look(token=cluster.token(), expected={"proxy_mode": "iptables", "cluster_domain": "k3a.example"})
    assert refused["failed"]
    assert refused["msg"] == (
        "k3a_cluster_domain is k3a.example here and cluster.local in the cluster; "
        "k3a_proxy_mode is iptables here and nftables in the cluster; "
        "remove the variable, since a node takes the cluster's values"
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"token": ""}, "k3a_token is empty"),
        ({"token": f"K10{'a' * 64}::server:{SECRET}"}, "is a server token"),
        ({"token": f"K10{'a' * 64}::f00bar.{SECRET}"}, "pins another CA"),
        ({"token": "f00bar.fedcba9876543210"}, "the secret of the token f00bar is wrong"),
    ],
)
def test_what_cannot_join_is_told_in_one_sentence_without_the_secret(look, cluster, arguments, message):
    cluster.token()
    refused = look(**arguments)
    assert refused["failed"]
    assert message in refused["msg"]
    assert SECRET not in refused["msg"]


def test_a_wrong_url_is_told_before_anything_is_asked(run_module):
    refused = run_module(join_info, server_url="k3a.example:6443", token="f00bar.0123456789abcdef")
    assert refused["failed"]
    assert "'k3a.example:6443' is not the URL of an API" in refused["msg"]
