# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import itertools

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._joining import certificate_request, csr, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves, pem
from ansible_collections.k3a.cluster.tests.unit import leaf_samples
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import (
    JOIN,
    NODES,
    REQUESTS,
    Authority,
    Cluster,
    serving,
)

PASSWORD = "0a" * 16
RequestError = certificate_request.RequestError


@pytest.fixture(scope="module")
def ca_certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ca_certificates")
    return {name: Authority(folder, name) for name in ("server", "client")}


@pytest.fixture
def cluster(ca_certificates, tmp_path, monkeypatch):
    monkeypatch.setattr(certificate_request, "PAUSE", 0.01)
    known = Cluster(ca_certificates["server"], ca_certificates["client"])
    with serving(known, tmp_path):
        yield known


@pytest.fixture
def wanted(tmp_path, monkeypatch):
    """The certificates of a node by name, with their keys where they belong."""
    pair = str(tmp_path / "kubelet-client-current.pem")
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", pair)
    found = {}
    for leaf in leaf_samples.agent_leaves(Layout(str(tmp_path / "k3a")), "w1", ["10.0.0.2", "fd00::2"], pair):
        found[leaf.name] = {**leaf.as_dict(), "request": "a placeholder", "reasons": ["it is missing"]}
        path = tmp_path / leaf.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pem.new_key())
    return found


def requester(cluster, timeout=5.0):
    ca_certificates = cluster.ca_certificates
    return certificate_request.Requester(cluster.url, ca_certificates, timeout)


def credential(cluster):
    return cluster.token(pinned=False)


def posted(cluster):
    """Who asked for what, in order."""
    names = {"k3a-join": "secret", "certificates.k8s.io": "request", "nodes": "node"}
    return [
        (next(kind for part, kind in names.items() if part in path), user)
        for method, path, user in cluster.asked
        if method == "POST"
    ]


def test_a_machine_asks_with_its_token_once_and_then_as_the_node_that_it_has_become(cluster, wanted):
    signed = requester(cluster).certificates(list(wanted.values()), credential(cluster), PASSWORD)
    assert set(signed) == set(wanted)
    assert posted(cluster) == [
        ("secret", "system:bootstrap:f00bar"),
        ("request", "system:bootstrap:f00bar"),
        ("node", "system:node:w1"),
        *[("request", "system:node:w1")] * 3,
    ]
    for name, text in signed.items():
        authority = cluster.kubelets if name == "serving-kubelet" else cluster.client
        assert text.endswith("-----END CERTIFICATE-----\n" + authority.text)
        assert text.count("BEGIN CERTIFICATE") == 2
        key = pem._openssl("pkey", "-pubout", given=open(wanted[name]["key"], "rb").read())
        assert pem._openssl("x509", "-noout", "-pubkey", given=text.encode()) == key


def test_the_requests_are_what_the_signers_and_the_approver_want(cluster, wanted):
    requester(cluster).certificates(list(wanted.values()), credential(cluster), PASSWORD)
    made = {
        path.rpartition("/")[2].rpartition("-")[0]: kept["spec"]
        for path, kept in cluster.objects.items()
        if path.startswith(REQUESTS)
    }
    read = {name: csr.parse(base64.b64decode(spec["request"])) for name, spec in made.items()}
    assert {name: (spec["signerName"].partition("/")[2], spec["usages"]) for name, spec in made.items()} == {
        "k3a-client-kubelet": ("kube-apiserver-client-kubelet", ["digital signature", "client auth"]),
        "k3a-serving-kubelet": ("kubelet-serving", ["digital signature", "server auth"]),
        "k3a-client-kube-proxy": ("kube-apiserver-client", ["digital signature", "client auth"]),
        "k3a-client-flannel": ("kube-apiserver-client", ["digital signature", "client auth"]),
    }
    node = (("system:node:w1",), ("system:nodes",))
    addresses = ("127.0.0.1", "10.0.0.2", "fd00::2")
    assert read == {
        "k3a-client-kubelet": csr.Request(*node),
        "k3a-serving-kubelet": csr.Request(*node, dns=("w1", "localhost"), ips=addresses),
        "k3a-client-kube-proxy": csr.Request(("system:kube-proxy",), ()),
        "k3a-client-flannel": csr.Request(("system:k3a-flannel:w1",), ("system:k3a-flannel",)),
    }
    # The node renews all of them by itself.
    assert {spec["expirationSeconds"] for spec in made.values()} == {30 * 24 * 3600}


def test_a_machine_registers_itself_before_it_asks_as_a_node(cluster, wanted):
    taints = [{"key": "a", "value": "b", "effect": "NoSchedule"}]
    requester(cluster).certificates(list(wanted.values()), credential(cluster), PASSWORD, taints)
    node = cluster.objects[f"{NODES}/w1"]
    assert (node["user"], node["spec"]["taints"]) == ("system:node:w1", taints)
    assert node["status"]["addresses"] == [
        {"type": "InternalIP", "address": "10.0.0.2"},
        {"type": "InternalIP", "address": "fd00::2"},
        {"type": "Hostname", "address": "w1"},
    ]


def test_a_node_that_is_there_is_left_as_it_is(cluster, wanted, tmp_path):
    (tmp_path / "kubelet-client-current.pem").write_text("".join(cluster.client.node("w1")))
    cluster.objects[f"{NODES}/w1"] = {"metadata": {"name": "w1"}}
    requester(cluster).certificates([wanted["serving-kubelet"]], "", "")
    assert posted(cluster) == [("request", "system:node:w1")]


def test_a_node_that_renews_is_not_registered_anew(cluster, wanted, tmp_path):
    (tmp_path / "kubelet-client-current.pem").write_text("".join(cluster.client.node("w1")))
    assert requester(cluster).renewed(wanted["serving-kubelet"]).count("BEGIN CERTIFICATE") == 2
    assert posted(cluster) == [("request", "system:node:w1")]


def take(cluster, places, token="f00bar"):
    """Other machines have these places of a token."""
    cluster.objects.update({f"{JOIN}/{token}-{place:02x}": {"data": {"other": ""}} for place in places})


@pytest.fixture
def counted(monkeypatch):
    """Names of requests in a row, the first two with different places: random ones have the same now and then."""
    names = (f"k3a-client-kubelet-{number}" for number in itertools.count())
    monkeypatch.setattr(certificate_request, "new_name", lambda _leaf: next(names))


def test_a_machine_takes_the_place_that_is_free(cluster, wanted, counted):
    seen = []
    cluster.approver = lambda request, password: seen.append(password) or ("Approved", "")
    take(cluster, [place for place in range(node_password.PLACES) if place != 7])
    assert requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)
    assert seen == [PASSWORD]
    assert list(cluster.objects[f"{JOIN}/f00bar-07"]["data"]) == [
        path.rpartition("/")[2] for path in cluster.objects if path.startswith(REQUESTS)
    ]


def test_a_machine_whose_token_has_no_place_left_says_so_after_its_time(cluster, wanted):
    take(cluster, range(node_password.PLACES))
    told = "the 32 machines that may join with the token f00bar at once do so, or .* for more than 0 s by now: run again"
    with pytest.raises(RequestError, match=told):
        requester(cluster, timeout=0.3).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)
    assert not any(path.startswith(REQUESTS) for path in cluster.objects)


def test_the_places_of_another_token_are_of_no_concern(cluster, wanted):
    take(cluster, range(node_password.PLACES), token="ghijkl")
    assert requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)
    assert posted(cluster)[0] == ("secret", "system:bootstrap:f00bar")


def test_a_cluster_of_another_version_is_told_at_once_what_to_do(cluster, wanted):
    cluster.hiccups += [(422, "a Secret here is a node password")]
    with pytest.raises(RequestError, match="is a node password; run k3a.cluster.site of this version"):
        requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)


def test_the_node_password_goes_along_for_the_request(cluster, wanted):
    seen = []
    cluster.approver = lambda request, password: seen.append(password) or ("Approved", "")
    requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)
    assert seen == [PASSWORD]
    (brought,) = (kept for path, kept in cluster.objects.items() if path.startswith(JOIN))
    assert brought["type"] == "k3a.io/join"


def test_no_two_requests_have_one_name(wanted):
    names = {certificate_request.new_name(wanted["client-kubelet"]) for _again in range(5)}
    assert len(names) == 5
    assert all(name.startswith("k3a-client-kubelet-") for name in names)


def test_a_node_asks_by_its_certificate_and_needs_no_token(cluster, wanted, tmp_path):
    (tmp_path / "kubelet-client-current.pem").write_text("".join(cluster.client.node("w1")))
    signed = requester(cluster).certificates([wanted["client-flannel"], wanted["serving-kubelet"]], "", "")
    assert set(signed) == {"client-flannel", "serving-kubelet"}
    assert posted(cluster) == [("node", "system:node:w1"), *[("request", "system:node:w1")] * 2]


def test_a_kubelet_whose_certificate_has_to_be_replaced_keeps_its_key(cluster, wanted, tmp_path):
    leaf = wanted["client-kubelet"]
    certificate, key = cluster.client.node("w1", days="0")
    (tmp_path / "kubelet-client-current.pem").write_text(certificate + key)
    (tmp_path / leaf["key"]).unlink()
    assert certificate_request.key_file(leaf) == leaf["certificate"]
    signed = requester(cluster).certificates([wanted["client-flannel"], leaf], credential(cluster), PASSWORD)
    public = pem._openssl("pkey", "-pubout", given=key.encode())
    assert pem._openssl("x509", "-noout", "-pubkey", given=signed["client-kubelet"].encode()) == public
    assert posted(cluster)[-1] == ("request", "system:node:w1")


def test_a_denied_request_fails_with_the_approvers_words(cluster, wanted):
    cluster.approver = lambda request, password: ("Denied", "a node named w1 is already a member")
    with pytest.raises(RequestError, match=r"client-kubelet \(system:node:w1\) was denied: a node named w1 is already"):
        requester(cluster).certificates(list(wanted.values()), credential(cluster), PASSWORD)
    assert posted(cluster) == [("secret", "system:bootstrap:f00bar"), ("request", "system:bootstrap:f00bar")]


def test_a_request_that_cannot_be_signed_fails_with_the_signers_words(cluster, wanted):
    cluster.approver = lambda request, password: ("Failed", "unsupported key")
    with pytest.raises(RequestError, match="could not be signed: unsupported key"):
        requester(cluster).certificates(list(wanted.values()), credential(cluster), PASSWORD)


def test_a_request_that_somebody_deleted_fails(cluster, wanted):
    def delete(request, password):
        cluster.objects.pop(f"{REQUESTS}/{request['metadata']['name']}")

    cluster.approver = delete
    with pytest.raises(RequestError, match="is gone: somebody has deleted it"):
        requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)


def test_what_a_request_waits_for_is_told_when_the_time_is_over(cluster, wanted):
    leaf = [wanted["client-kubelet"]]
    cluster.approver = lambda request, password: None
    with pytest.raises(RequestError, match=r"\(system:node:w1\) waits to be approved, which k3a-approver .* 0 s by now"):
        requester(cluster, timeout=0.1).certificates(leaf, credential(cluster), PASSWORD)
    cluster.approver, cluster.signs = (lambda request, password: ("Approved", "")), False
    with pytest.raises(RequestError, match="is approved, and waits for kube-controller-manager to sign it"):
        requester(cluster, timeout=0.1).certificates(leaf, credential(cluster), PASSWORD)


def test_a_server_that_is_not_ready_is_asked_again(cluster, wanted):
    cluster.hiccups += [(503, "not ready"), (500, "etcd"), (401, "token unknown"), (403, "rules unknown")]
    assert requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)


def test_a_request_that_is_there_is_ours_made_by_an_attempt_whose_answer_was_lost(cluster, wanted, counted):
    answer, lost = cluster.answer, []

    def losing(method, path, user, body):
        answered = answer(method, path, user, body)
        if method == "POST" and not (lost and path in lost):
            lost.append(path)
            return 503, {"message": "the answer was lost"}
        return answered

    cluster.answer = losing
    assert requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)
    # Of the password it cannot tell, so it takes another place; the first one is set free after a while.
    assert [kind for kind, _user in posted(cluster)] == ["secret", "secret", "secret", "request", "request"]


def test_what_the_api_refuses_is_told_in_its_words(cluster, wanted, monkeypatch):
    monkeypatch.setattr(certificate_request, "STARTING", 0.05)
    cluster.answer = lambda *_request: (403, {"message": "secrets is forbidden"})
    with pytest.raises(RequestError, match=r"refuses the request k3a-client-kubelet-\w+ .*: secrets is forbidden"):
        requester(cluster).certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)


def test_an_api_that_is_away_is_told_when_the_time_is_over(cluster, wanted):
    gone = certificate_request.Requester("https://127.0.0.1:1", {"server": cluster.server.text}, 0.1)
    with pytest.raises(RequestError, match="the API at https://127.0.0.1:1 cannot be reached"):
        gone.certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)


def test_an_api_of_another_cluster_is_told_at_once(cluster, wanted):
    other = certificate_request.Requester(cluster.url, {"server": cluster.client.text}, 60)
    with pytest.raises(RequestError, match="is not trusted"):
        other.certificates([wanted["client-kubelet"]], credential(cluster), PASSWORD)


@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_a_damaged_key_is_told_with_its_path(cluster, wanted, content, tmp_path):
    leaf = wanted["client-flannel"]
    (tmp_path / leaf["key"]).write_bytes(content)
    with pytest.raises(RequestError, match=f"the key {leaf['key']} is missing or damaged"):
        certificate_request.request_pem(leaf)


def test_a_certificate_that_the_api_does_not_sign_is_refused(wanted):
    with pytest.raises(RequestError, match="no signer of the API makes the certificate etcd-client"):
        leaf = {**wanted["client-flannel"], "name": "etcd-client", "authority": "etcd-server"}
        certificate_request.body(leaf, "x", "request")


def test_an_answer_that_is_no_certificate_is_told(wanted):
    asked = certificate_request.Asked(wanted["client-flannel"], "k3a-client-flannel-1")
    with pytest.raises(RequestError, match="answered with something that is no certificate"):
        certificate_request.outcome(asked, {"status": {"certificate": "no base64"}})
    assert certificate_request.outcome(asked, {"status": {}}) == ""
    assert certificate_request.outcome(asked, {}) == ""
