# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import socket

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._joining import join as joining
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import CONFIG, INFO, Authority, Cluster, serving

URL = "https://192.0.2.10:6443"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def ca_certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ca_certificates")
    return {name: Authority(folder, name) for name in ("server", "client", "other-server", "other-client")}


@pytest.fixture
def cluster(ca_certificates, tmp_path, monkeypatch):
    monkeypatch.setattr(joining, "PATIENCE", 0.3)
    monkeypatch.setattr(joining, "PAUSE", 0.01)
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", str(tmp_path / "pki/kubelet-client-current.pem"))
    known = Cluster(ca_certificates["server"], ca_certificates["client"])
    with serving(known, tmp_path):
        yield known


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path / "k3a"))


def make_node(tmp_path, server, client, days="9"):
    """What a node of the cluster of these CAs has."""
    tls, pki = tmp_path / "k3a/agent/tls", tmp_path / "pki"
    for folder in (tls, pki):
        folder.mkdir(parents=True, exist_ok=True)
    (tls / "server-ca.crt").write_text(server.text)
    (tls / "client-ca.crt").write_text(client.text)
    (pki / "kubelet-client-current.pem").write_text("".join(client.node("w1", days)))


def refused(cluster, token, layout, timeout=5.0):
    with pytest.raises(joining.JoinError) as raised:
        joining.join(cluster.url, token, layout, timeout)
    return str(raised.value)


@pytest.mark.parametrize(
    "text, url",
    [
        ("https://192.0.2.10:6443", URL),
        ("https://192.0.2.10:6443/", URL),
        ("https://k3a.example", "https://k3a.example"),
        ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
    ],
)
def test_the_url_of_an_api(text, url):
    assert joining.api_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["192.0.2.10:6443", "http://192.0.2.10:6443", "https://", "https://a:b", "https://a:6443/api", "https://u@a"],
)
def test_what_is_no_url_of_an_api_is_said_with_an_example(text):
    with pytest.raises(joining.JoinError) as refused:
        joining.api_url(text)
    said = f"k3a_server_url {text!r} is not the URL of an API server; write it as in https://192.0.2.10:6443"
    assert str(refused.value) == said


def test_a_machine_without_a_url_is_told_what_is_missing():
    with pytest.raises(joining.JoinError, match="k3a_server_url is missing, so it is not known which cluster to join; write"):
        joining.api_url("")


@pytest.mark.parametrize("text", ["swordfish", f"K10{'a' * 64}::server:swordfish", f"K10{'a' * 64}::node:swordfish"])
def test_a_server_token_is_no_credential(text):
    with pytest.raises(joining.JoinError, match="k3a_token is a server token, which is no credential") as raised:
        joining.agent_token(text)
    assert "swordfish" not in str(raised.value)


def test_a_malformed_token_is_told_in_the_words_of_its_reader():
    with pytest.raises(joining.JoinError, match="k3a_token cannot be used: invalid token CA hash length"):
        joining.agent_token("K10abc::f00bar.0123456789abcdef")


@pytest.mark.parametrize(
    "kubeconfig",
    [
        "clusters:\n- cluster:\n    certificate-authority-data: {}\n    server: x\n",
        'clusters: [{{"cluster": {{"certificate-authority-data": "{}"}}}}]',
    ],
)
def test_the_authority_is_found_however_the_kubeconfig_is_written(kubeconfig):
    content = kubeconfig.format(base64.b64encode(CERTIFICATE.encode()).decode())
    data = {"kubeconfig": content, "jws-kubeconfig-f00bar": "a..b"}
    assert joining.published({"data": data}, URL) == joining.Published(CERTIFICATE, content, {"f00bar": "a..b"})


@pytest.mark.parametrize(
    "config_map",
    [
        None,
        {},
        {"data": None},
        {"data": {"kubeconfig": "clusters: []"}},
        {"data": {"kubeconfig": "certificate-authority-data: eA=="}},
        {"data": {"kubeconfig": "certificate-authority-data: x"}},
        {"message": "<html>"},
    ],
)
def test_what_publishes_no_authority_cannot_be_joined(config_map):
    with pytest.raises(joining.JoinError, match=f"{URL} publishes no cluster-info with a CA"):
        joining.published(config_map, URL)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"config.json": "{"},
        {"config.json": "[]", "client-ca.crt": "c", "kubelet-serving-ca.crt": "k"},
        {"config.json": "{}"},
        {"config.json": "{}", "client-ca.crt": "c"},
    ],
)
def test_a_cluster_has_to_say_how_its_nodes_are_set_up(data):
    with pytest.raises(joining.JoinError, match="does not say how a node has to be set up"):
        joining.config_in({"data": data}, URL)
    data = {"config.json": '{"a": 1}', "client-ca.crt": "c", "kubelet-serving-ca.crt": "k"}
    assert joining.config_in({"data": data}, URL) == ({"a": 1}, {"client": "c", "kubelet-serving": "k"})


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"cluster_cidr": None, "cluster_domain": "", "cluster_dns": []},
        {"cluster_cidr": ["10.42.0.0/16", "fd00:42::/56"], "https_listen_port": 6443},
        {"cluster_cidr": "10.42.0.0/16, fd00:42::/56", "https_listen_port": "6443"},
        {"unknown": 1},
    ],
)
def test_what_agrees_or_is_not_given_is_no_difference(expected):
    config = {"cluster_cidr": ["10.42.0.0/16", "fd00:42::/56"], "https_listen_port": 6443, "cluster_domain": "a"}
    assert joining.differences(expected, config) == []


def test_each_difference_is_told_with_both_values():
    config = {"cluster_cidr": ["10.42.0.0/16"], "cluster_dns": [], "https_listen_port": 6443}
    expected = {"https_listen_port": 443, "cluster_dns": "10.43.0.10", "cluster_cidr": ["10.1.0.0/16", "fd00::/56"]}
    assert joining.differences(expected, config) == [
        "k3a_cluster_cidr is 10.1.0.0/16, fd00::/56 here and 10.42.0.0/16 in the cluster",
        "k3a_cluster_dns is 10.43.0.10 here and nothing in the cluster",
        "k3a_https_listen_port is 443 here and 6443 in the cluster",
    ]


@pytest.mark.parametrize("pinned", [True, False])
def test_a_token_opens_its_cluster_and_is_not_shown_before_the_cluster_has_proved_itself(cluster, layout, pinned):
    found, token = joining.join(cluster.url, cluster.token(pinned=pinned), layout, 5.0)
    assert found.ca_certificates == cluster.ca_certificates
    assert found.config == cluster.values
    assert (found.url, found.member, token.id, bool(token.ca_hash)) == (cluster.url, False, "f00bar", pinned)
    assert cluster.asked == [("GET", INFO, ""), ("GET", INFO, ""), ("GET", CONFIG, "system:bootstrap:f00bar")]


def test_a_token_of_another_cluster_is_told_at_once(cluster, layout):
    foreign = f"K10{'a' * 64}::{cluster.token(pinned=False)}"
    assert "pins another CA than the one that https://127.0.0.1" in refused(cluster, foreign, layout)
    assert cluster.asked == [("GET", INFO, "")]


@pytest.mark.parametrize("pinned", [True, False])
def test_a_wrong_secret_is_told_at_once_and_never_shown(cluster, layout, pinned):
    wrong = cluster.token(pinned=pinned).replace("0123456789abcdef", "fedcba9876543210")
    told = refused(cluster, wrong, layout)
    assert told == "the secret of the token f00bar is wrong; copy the whole token again"
    assert cluster.asked == [("GET", INFO, "")]


def test_nothing_is_read_of_what_the_token_has_not_signed(cluster, layout, monkeypatch):
    def read(_authority):
        raise AssertionError("read before it was proved")

    monkeypatch.setattr(tokens, "ca_hash", read)
    monkeypatch.setattr(tokens, "anchors", read)
    assert "is wrong" in refused(cluster, f"K10{'a' * 64}::f00bar.fedcba9876543210" if cluster.token() else "", layout)


def test_an_answer_without_end_is_refused(cluster, layout, monkeypatch):
    monkeypatch.setattr(joining, "LONGEST_ANSWER", 999)
    token = cluster.token()
    cluster.answer = lambda *_request: (200, {"data": {"kubeconfig": "x" * 2000}})
    with pytest.raises(node_api.ApiError, match="answers with more than 999 bytes, as none does"):
        joining.join(cluster.url, token, layout, 5.0)


def test_only_what_the_pin_covers_is_trusted(cluster, ca_certificates, layout, monkeypatch):
    monkeypatch.setattr(tokens, "anchors", lambda text: text.partition("# stray")[0])
    cluster.published = cluster.server.text + "# stray\n" + ca_certificates["other-server"].text
    found, _token = joining.join(cluster.url, cluster.token(), layout, 5.0)
    assert found.ca_certificates["server"] == cluster.server.text


def test_a_token_that_the_cluster_does_not_know_has_expired_or_was_deleted(cluster, layout):
    token = cluster.token()
    cluster.tokens.clear()
    told = refused(cluster, token, layout)
    assert "the token f00bar is unknown to the cluster" in told
    assert "has expired or was deleted" in told
    assert "0123456789abcdef" not in told


def test_a_new_token_is_waited_for_until_the_cluster_has_signed_for_it(cluster, layout, monkeypatch):
    monkeypatch.setattr(joining, "PATIENCE", 60.0)  # how long that takes is not what is tested
    token = cluster.token()
    cluster.unsigned.add("f00bar")
    answer, asked = cluster.answer, []

    def sign_the_third_time(*request):
        asked.append(request)
        if len(asked) == 3:
            cluster.unsigned.clear()
        return answer(*request)

    cluster.answer = sign_the_third_time
    found, _token = joining.join(cluster.url, token, layout, 60.0)
    assert found.config == cluster.values
    assert len(asked) == 5


def test_a_token_that_expires_after_it_was_signed_for_is_told_too(cluster, layout):
    token = cluster.token()
    user = cluster.user
    cluster.user = lambda handler: "?" if handler.headers.get("Authorization") else user(handler)
    told = refused(cluster, token, layout)
    assert "does not accept the token f00bar: it has expired or was deleted" in told


def refuse(cluster, what, status, message):
    """Have the cluster answer a path in this way from now on."""
    answer = cluster.answer
    cluster.answer = lambda method, path, *rest: (
        (status, {"message": message}) if path == what else answer(method, path, *rest)
    )


def test_a_token_without_its_permissions_says_what_is_missing(cluster, layout):
    refuse(cluster, CONFIG, 403, "configmaps is forbidden")
    told = refused(cluster, cluster.token(), layout)
    assert "does not let a machine with a token in (configmaps is forbidden)" in told


def test_an_api_that_hides_its_cluster_info_cannot_be_joined(cluster, layout):
    refuse(cluster, INFO, 401, "Unauthorized")
    assert "does not show its cluster-info (Unauthorized)" in refused(cluster, cluster.token(), layout)


def test_the_served_certificate_has_to_be_of_the_published_authority(cluster, ca_certificates, layout):
    cluster.published = ca_certificates["other-server"].text
    told = refused(cluster, cluster.token(), layout)
    assert "the certificate that is served there is not of the token's CA" in told
    assert ("GET", CONFIG, "system:bootstrap:f00bar") not in cluster.asked


def test_the_served_certificate_has_to_be_that_of_the_api(ca_certificates, layout, tmp_path, monkeypatch):
    """A kubelet of the cluster may have one of the same CA, for the address that is dialed."""
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", str(tmp_path / "none"))
    known = Cluster(ca_certificates["server"], ca_certificates["client"])
    with serving(known, tmp_path, names="DNS:w2,DNS:localhost,IP:127.0.0.1"):
        told = refused(known, known.token(), layout)
    assert "127.0.0.1" in told
    assert "or not the API's: check k3a_server_url" in told
    assert not [user for _method, _path, user in known.asked if user]


def test_a_server_that_is_not_ready_is_asked_again(cluster, layout):
    cluster.hiccups += [(503, "not ready"), (429, "too many"), (500, "etcd"), (403, "rules unknown"), (401, "token")]
    found, _token = joining.join(cluster.url, cluster.token(), layout, 5.0)
    assert found.config == cluster.values


def test_an_api_that_does_not_answer_is_told_when_the_time_is_over(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", str(tmp_path / "none"))
    monkeypatch.setattr(joining, "PAUSE", 0.01)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(joining.JoinError, match=f"the API at {url} cannot be reached: .*; check k3a_server_url"):
            joining.join(url, "f00bar.0123456789abcdef", layout, 0.1)


def test_a_machine_without_a_token_that_is_no_node_asks_nobody(cluster, layout):
    assert "k3a_token is empty, and this machine is no node yet" in refused(cluster, "", layout)
    assert cluster.asked == []


@pytest.mark.parametrize("token", ["", "K10nonsense", "f00bar.fedcba9876543210"])
def test_a_node_needs_no_token_and_a_wrong_one_does_not_matter(cluster, layout, tmp_path, token):
    make_node(tmp_path, cluster.server, cluster.client)
    found, used = joining.join(cluster.url, token, layout, 5.0)
    assert found.ca_certificates == cluster.ca_certificates
    assert (found.member, used, found.config) == (True, None, cluster.values)
    assert cluster.asked == [("GET", CONFIG, "system:node:w1"), ("GET", INFO, "")]


def test_a_node_follows_its_cluster_to_a_new_authority(cluster, layout, tmp_path, ca_certificates):
    make_node(tmp_path, cluster.server, cluster.client)
    cluster.published = cluster.server.text + ca_certificates["other-server"].text
    found, _used = joining.join(cluster.url, "", layout, 5.0)
    assert found.ca_certificates["server"] == cluster.published


def test_a_node_whose_certificate_has_expired_needs_a_token(cluster, layout, tmp_path):
    make_node(tmp_path, cluster.server, cluster.client, days="0")
    assert joining.membership(layout) is None
    assert "k3a_token is empty, and this machine is no node yet" in refused(cluster, "", layout)
    found, token = joining.join(cluster.url, cluster.token(), layout, 5.0)
    assert (found.member, token.id) == (False, "f00bar")


@pytest.mark.parametrize("damaged", ["pki/kubelet-client-current.pem", "k3a/agent/tls/client-ca.crt"])
def test_what_a_node_lacks_makes_it_a_machine_that_joins(cluster, layout, tmp_path, damaged):
    make_node(tmp_path, cluster.server, cluster.client)
    (tmp_path / damaged).write_text("damaged")
    assert joining.membership(layout) is None


def test_a_node_that_its_cluster_refuses_joins_again_by_token(cluster, layout, tmp_path):
    make_node(tmp_path, cluster.server, cluster.client)
    user = cluster.user
    cluster.user = lambda handler: "?" if user(handler).startswith("system:node:") else user(handler)
    assert "the certificate of this node is not accepted" in refused(cluster, "", layout)
    found, token = joining.join(cluster.url, cluster.token(), layout, 5.0)
    assert (found.member, token.id) == (False, "f00bar")


def test_a_node_without_its_permissions_says_so(cluster, layout, tmp_path):
    make_node(tmp_path, cluster.server, cluster.client)
    refuse(cluster, CONFIG, 403, "configmaps is forbidden")
    assert "refuses this node: configmaps is forbidden" in refused(cluster, "", layout)


def test_a_node_of_another_cluster_is_not_taken_over(cluster, layout, tmp_path, ca_certificates):
    make_node(tmp_path, ca_certificates["other-server"], ca_certificates["other-client"])
    assert "the certificate of this node is not accepted" in refused(cluster, "", layout)
    told = refused(cluster, cluster.token(), layout)
    assert told.startswith(f"this machine is a node of another cluster than the one at {cluster.url}")
    assert "k3a.cluster.reset -e join_hosts=" in told


def test_a_node_that_was_away_while_the_servers_authority_changed_joins_again(cluster, layout, tmp_path, ca_certificates):
    make_node(tmp_path, ca_certificates["other-server"], cluster.client)
    found, token = joining.join(cluster.url, cluster.token(), layout, 5.0)
    assert (found.member, token.id) == (False, "f00bar")


def test_a_signature_is_checked_against_what_was_served():
    token = tokens.parse("f00bar.0123456789abcdef")
    signature = tokens.signature("content", token.id, token.secret)
    joining.check_proof(token, joining.Published(CERTIFICATE, "content", {"f00bar": signature}), URL)
    with pytest.raises(joining.JoinError, match="the secret of the token f00bar is wrong"):
        joining.check_proof(token, joining.Published(CERTIFICATE, "changed", {"f00bar": signature}), URL)


def test_the_servers_are_those_of_the_configuration():
    assert joining.servers(json.loads('{"servers": ["192.0.2.10:6443"]}')) == ["192.0.2.10:6443"]
    assert joining.servers({}) == []
