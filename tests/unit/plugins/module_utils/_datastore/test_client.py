# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import threading

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import client as etcd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity
from ansible_collections.k3a.cluster.tests.unit import etcd_gateway as gateways
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import Authority

LIST = "/v3/cluster/member/list"
RANGE = "/v3/kv/range"
STARTED = {
    "ID": "10276657743932975437",
    "name": "s1",
    "peerURLs": ["https://10.0.0.1:2380"],
    "clientURLs": ["https://10.0.0.1:2379"],
}
ANNOUNCED = {"ID": "17", "peerURLs": ["https://10.0.0.2:2380"], "isLearner": True}


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"), "etcd-server")


@pytest.fixture(scope="module")
def layout(authority, tmp_path_factory):
    return gateways.client_of(authority, tmp_path_factory.mktemp("server") / "k3a")


@pytest.fixture
def one(authority):
    with gateways.member(authority, "one") as gateway:
        yield gateway


@pytest.fixture
def two(authority):
    with gateways.member(authority, "two") as gateway:
        yield gateway


@pytest.fixture
def client(layout, one):
    return etcd.Etcd(layout, [one.url])


class TestMembers:
    def test_they_are_read_with_their_numbers_as_texts(self, client, one):
        one.answers[LIST] = 200, {"members": [STARTED, ANNOUNCED]}
        first, second = client.members()
        assert (first.id, first.name, first.learner) == ("10276657743932975437", "s1", False)
        assert (first.peer_urls, first.client_urls) == (("https://10.0.0.1:2380",), ("https://10.0.0.1:2379",))
        assert (second.name, second.client_urls, second.learner) == ("", (), True)

    def test_a_person_calls_them_by_name_or_else_by_their_address(self, client, one):
        one.answers[LIST] = 200, {"members": [STARTED, ANNOUNCED]}
        assert [member.label for member in client.members()] == ["s1", "the member at https://10.0.0.2:2380"]

    def test_a_majority_is_asked_where_it_matters_and_else_not(self, client, one):
        one.answers[LIST] = 200, {"members": [STARTED]}
        assert client.known_members() == client.members()
        assert one.asked == [(LIST, {"linearizable": False}), (LIST, {"linearizable": True})]

    def test_one_is_added_as_a_learner(self, client, one):
        one.answers["/v3/cluster/member/add"] = 200, {"member": ANNOUNCED, "members": [STARTED, ANNOUNCED]}
        added = client.add_learner("https://10.0.0.2:2380")
        assert (added.id, added.learner) == ("17", True)
        assert one.asked == [("/v3/cluster/member/add", {"peerURLs": ["https://10.0.0.2:2380"], "isLearner": True})]

    @pytest.mark.parametrize(
        "call, arguments, path, body",
        [
            ("promote", ("17",), "promote", {"ID": "17"}),
            ("remove", ("17",), "remove", {"ID": "17"}),
            ("update", ("17", ("https://h:2380",)), "update", {"ID": "17", "peerURLs": ["https://h:2380"]}),
        ],
    )
    def test_they_are_changed_by_their_number(self, client, one, call, arguments, path, body):
        one.answers[f"/v3/cluster/member/{path}"] = 200, {}
        assert getattr(client, call)(*arguments) is None
        assert one.asked == [(f"/v3/cluster/member/{path}", body)]

    @pytest.mark.parametrize("call, arguments", [("add_learner", ("u",)), ("promote", ("1",)), ("remove", ("1",)), ("update", ("1", ["u"]))])
    def test_none_is_changed_where_it_must_not(self, client, one, call, arguments):
        def refuse():
            raise etcd.EtcdError("another playbook")

        client.before_change = refuse
        with pytest.raises(etcd.EtcdError, match="another playbook"):
            getattr(client, call)(*arguments)
        assert one.asked == []

    def test_one_says_of_itself_whom_it_follows(self, client, one):
        one.answers["/v3/maintenance/status"] = 200, {"leader": "10276657743932975437"}
        assert client.status()["leader"] == "10276657743932975437"

    def test_one_says_which_cluster_and_member_it_is(self, client, one):
        header = {"cluster_id": "11661517886860798700", "member_id": "8648724509332364393", "revision": "401"}
        one.answers["/v3/maintenance/status"] = 200, {"header": header}
        assert client.identity() == EtcdIdentity("11661517886860798700", "8648724509332364393")

    def test_a_majority_says_of_which_cluster_the_members_are(self, client, one):
        one.answers[LIST] = 200, {"header": {"cluster_id": "11661517886860798700"}, "members": [STARTED]}
        heard = client.heard()
        assert heard.cluster_id == "11661517886860798700"
        assert [member.id for member in heard.members] == [STARTED["ID"]]


class TestHealth:
    def member(self, *urls):
        return etcd.Member("1", "s1", (), urls, False)

    @pytest.mark.parametrize("status, healthy", [(200, True), (503, False)])
    def test_a_member_is_healthy_when_it_says_so(self, client, one, status, healthy):
        one.answers["/readyz"] = status, b"ok\n"
        assert client.healthy(self.member(one.url)) is healthy

    def test_one_way_to_it_is_enough(self, client, one):
        one.answers["/readyz"] = 200, b"ok\n"
        assert client.healthy(self.member("https://127.0.0.1:1", one.url))

    def test_one_that_cannot_be_reached_or_has_not_started_is_not(self, client):
        assert not client.healthy(self.member("https://127.0.0.1:1"))
        assert not client.healthy(self.member())


class TestKeys:
    def test_a_value_comes_back_as_bytes(self, client, one):
        value = base64.b64encode(b"\x00\xff").decode()
        one.answers[RANGE] = 200, {"kvs": [{"key": text("/a"), "value": value}], "count": "1"}
        assert client.get("/a") == b"\x00\xff"
        assert one.asked == [(RANGE, {"key": text("/a")})]

    def test_a_key_may_be_absent_or_empty(self, client, one):
        one.answers[RANGE] = 200, {"header": {}}
        assert client.get("/a") is None
        one.answers[RANGE] = 200, {"kvs": [{"key": text("/a")}]}
        assert client.get("/a") == b""

    @pytest.mark.parametrize("prefix, end", [("/bootstrap/", "/bootstrap0"), ("a", "b")])
    def test_a_prefix_ends_before_the_next_one(self, client, one, prefix, end):
        kvs = [{"key": text(f"{prefix}1"), "value": text("x")}, {"key": text(f"{prefix}2")}]
        one.answers[RANGE] = 200, {"kvs": kvs}
        assert client.prefix(prefix) == {f"{prefix}1": b"x", f"{prefix}2": b""}
        assert one.asked == [(RANGE, {"key": text(prefix), "range_end": text(end)})]

    def test_nothing_under_a_prefix(self, client, one):
        one.answers[RANGE] = 200, {}
        assert client.prefix("/bootstrap/") == {}

    def test_keys_are_set_and_removed(self, client, one):
        one.answers["/v3/kv/put"] = one.answers["/v3/kv/deleterange"] = 200, {}
        client.put("/a", b"x")
        client.delete("/a")
        assert one.asked == [
            ("/v3/kv/put", {"key": text("/a"), "value": text("x")}),
            ("/v3/kv/deleterange", {"key": text("/a")}),
        ]


class TestEndpoints:
    @pytest.fixture
    def both(self, layout, one, two):
        return etcd.Etcd(layout, [one.url, two.url])

    def test_the_first_that_answers_is_enough(self, both, one, two):
        one.answers[LIST] = two.answers[LIST] = 200, {"members": [STARTED]}
        assert len(both.members()) == 1
        assert two.asked == []

    def test_one_that_is_down_is_passed_over(self, layout, two):
        two.answers[LIST] = 200, {"members": [STARTED]}
        assert len(etcd.Etcd(layout, ["https://127.0.0.1:1", two.url]).members()) == 1

    def test_one_that_hangs_is_passed_over(self, layout, one, two):
        one.hangs.clear()
        two.answers[LIST] = 200, {"members": [STARTED]}
        assert len(etcd.Etcd(layout, [one.url, two.url], timeout=0.5).members()) == 1

    def test_an_agreement_may_take_longer_than_it_takes_to_be_reached(self, layout, one, monkeypatch):
        monkeypatch.setattr(etcd, "PROBE_TIMEOUT", 0.5)
        one.answers[LIST] = 200, {"members": [STARTED]}
        one.hangs.clear()
        threading.Timer(0.8, one.hangs.set).start()
        assert len(etcd.Etcd(layout, [one.url]).members()) == 1

    @pytest.mark.parametrize(
        "code, message",
        [
            (9, "etcdserver: can only promote a learner member which is in sync with leader"),
            (14, "etcdserver: no leader"),
        ],
    )
    def test_what_another_one_may_know_better_is_asked_of_it(self, both, one, two, code, message):
        one.answers[LIST] = 503, {"error": message, "code": code, "message": message}
        two.answers[LIST] = 200, {"members": [STARTED]}
        assert len(both.members()) == 1
        two.answers[LIST] = one.answers[LIST]
        with pytest.raises(etcd.EtcdUnavailable) as raised:
            both.members()
        assert str(raised.value) == f"no member of etcd answers ({one.url}: {message}; {two.url}: {message})"
        assert (raised.value.answered, raised.value.untrusted) == (True, False)

    def test_any_other_refusal_is_final(self, both, one, two):
        message = "etcdserver: member not found"
        one.answers["/v3/cluster/member/remove"] = 404, {"error": message, "code": 5, "message": message}
        with pytest.raises(etcd.EtcdError, match=message) as raised:
            both.remove("4")
        assert not isinstance(raised.value, etcd.EtcdUnavailable)
        assert two.asked == []

    @pytest.mark.parametrize("content, told", [(b"Not Found\n", "Not Found"), ({}, "HTTP status 404"), (b"", "HTTP")])
    def test_a_refusal_without_a_message_says_what_there_is(self, client, one, content, told):
        one.answers[LIST] = 404, content
        with pytest.raises(etcd.EtcdError, match=told):
            client.members()

    def test_why_none_could_be_asked_is_said_of_each(self, layout):
        with pytest.raises(etcd.EtcdUnavailable) as raised:
            etcd.Etcd(layout, ["https://127.0.0.1:1", "https://127.0.0.1:2"]).members()
        assert str(raised.value).count("Connection refused") == 2
        assert str(raised.value).startswith("no member of etcd answers (https://127.0.0.1:1: ")
        assert (raised.value.answered, raised.value.untrusted) == (False, False)


class TestTrust:
    def test_a_member_of_another_authority_is_not_believed(self, layout, tmp_path):
        with gateways.member(Authority(tmp_path, "other")) as stranger:
            stranger.answers[LIST] = 200, {"members": [STARTED]}
            with pytest.raises(etcd.EtcdUnavailable, match="certificate") as raised:
                etcd.Etcd(layout, [stranger.url]).members()
            assert raised.value.untrusted
            assert stranger.asked == []

    def test_who_has_no_certificate_yet_cannot_ask(self, tmp_path, one):
        with pytest.raises(etcd.EtcdUnavailable, match="No such file"):
            etcd.Etcd(Layout(str(tmp_path)), [one.url]).members()
        assert not etcd.Etcd(Layout(str(tmp_path)), []).healthy(etcd.Member("1", "s1", (), (one.url,), False))


def test_urls_of_an_address():
    assert (etcd.client_url("10.0.0.1"), etcd.peer_url("[fd00::1]")) == ("https://10.0.0.1:2379", "https://[fd00::1]:2380")
