# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import socket
import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import pages
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import Lease
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, names, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver_loop as loop
from ansible_collections.k3a.cluster.tests.unit import csr_samples as samples
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

OLD = "2020-01-01T00:00:00Z"
PROCESSES = (("system:kube-proxy", ""), ("system:k3a-flannel:{node}", "system:k3a-flannel"))
LEASES = "/apis/coordination.k8s.io/v1/namespaces/k3a-system/leases"
LEASE = f"{LEASES}/k3a-approver"
# Where the password for the request of the samples is.
AT = f"{names.JOIN_SECRETS}/{node_password.place('abcdef', 'node-abc')}"


CONFIGURED = {"service_cidr": ["10.43.0.0/16"], "servers": ["10.0.0.1:6443"], "server_nodes": {"server-1": ["10.0.0.1"]}}


def configured(**more):
    return {"data": {"config.json": json.dumps({**CONFIGURED, **more})}}


class Cluster:
    """An API with objects, and approvers that work at it."""

    def __init__(self, objects, url):
        self.objects = objects
        self.url = url
        self.journal: list[str] = []
        self.now = 1000.0
        self.approver = self.another()

    def another(self):
        return loop.Approver(node_api.NodeApi(self.url), names.Journal(self.journal.append), PROCESSES, lambda: self.now)

    def lease(self, holder):
        return Lease(node_api.NodeApi(self.url), node_password.NAMESPACE, loop.NAME, holder, loop.LEASE, clock=lambda: self.now)

    def ask(self, csr, password=""):
        name = csr["metadata"]["name"]
        if password:
            self.bring(name, password, approver.token_of(csr) or "abcdef")
        self.objects.add(f"{loop.REQUESTS}/{name}", csr)

    def bring(self, request, password, token="abcdef", **metadata):
        """Lay a password where it has its place."""
        secret = node_password.join_secret(token, request, password)
        secret["metadata"].update(metadata)
        self.objects.add(f"{names.JOIN_SECRETS}/{node_password.place(token, request)}", secret)

    def condition(self, name="node-abc"):
        conditions = self.objects.kept[f"{loop.REQUESTS}/{name}"]["status"].get("conditions") or [{}]
        return conditions[0].get("type"), conditions[0].get("message", "")

    def password(self, node="w1"):
        return self.objects.kept.get(f"{names.SECRETS}/{node_password.secret_name(node)}")

    def kept(self, node="w1"):
        return node_password.kept(self.password(node))

    def node(self, name="w1", *addresses, password="right"):
        """A node that is one: it is there, and its password is."""
        self.objects.add(f"{pages.NODES}/{name}", samples.node(name, *(addresses or ("10.0.0.2",))))
        self.enroll(name, password, uid=f"uid-{name}")

    def round(self):
        """Let the approver work once more, as after a renewal of its lease; what it asked for."""
        before = len(self.objects.asked)
        self.now += loop.RENEWAL
        self.approver.work(1)
        return [(method, path) for method, path, _query in self.objects.asked[before:]]

    def enroll(self, node, password, uid="", token="", until=0.0, **metadata):
        secret = node_password.secret(node, node_password.hash_of(password), uid, token, until)
        secret["metadata"].update(metadata)
        self.objects.add(f"{names.SECRETS}/{node_password.secret_name(node)}", secret)


@pytest.fixture
def cluster():
    with keeping() as (objects, url):
        objects.add(loop.CONFIG, configured())
        yield Cluster(objects, url)


def test_a_machine_joins(cluster):
    cluster.ask(samples.joining(), "right")
    cluster.approver.work(1)
    assert cluster.condition() == ("Approved", "the kubelet of the new node w1")
    assert node_password.verify("right", node_password.value_in(cluster.password(), "hash"))
    assert cluster.objects.under(names.JOIN_SECRETS) == []
    assert cluster.journal == ["approved node-abc of system:bootstrap:abcdef: the kubelet of the new node w1"]
    sent = cluster.objects.kept[f"{loop.REQUESTS}/node-abc"]
    assert (sent["kind"], sent["apiVersion"]) == ("CertificateSigningRequest", "certificates.k8s.io/v1")
    assert sent["status"]["conditions"][0]["status"] == "True"


def test_a_machine_joins_again_and_nothing_is_kept_twice(cluster):
    cluster.node()
    before = cluster.password()
    cluster.ask(samples.joining(), "right")
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"
    assert cluster.password() == before


def test_a_second_machine_with_a_taken_name(cluster):
    cluster.enroll("w1", "right")
    cluster.ask(samples.joining(), "wrong")
    cluster.approver.work(1)
    kind, text = cluster.condition()
    assert (kind, cluster.objects.under(names.JOIN_SECRETS)) == ("Denied", [])
    assert cluster.journal == [f"<4>denied node-abc of system:bootstrap:abcdef: {text}"]
    (event,) = cluster.objects.under(loop.EVENTS)
    assert (event["reason"], event["type"], event["message"]) == ("NodeCertificateDenied", "Warning", text)
    assert event["involvedObject"]["name"] == "node-abc"
    assert "wrong" not in json.dumps(event) + "".join(cluster.journal)


def test_of_two_that_want_a_free_name_at_once_one_gets_it(cluster):
    cluster.ask(samples.joining(name="one"), "first")
    cluster.ask(samples.joining(name="two"), "second")
    cluster.approver.work(1)
    assert [cluster.condition(name)[0] for name in ("one", "two")] == ["Approved", "Denied"]


def test_a_name_that_was_taken_between_looking_and_writing(cluster):
    cluster.ask(samples.joining(), "late")
    taken = []

    def take(method, path):
        if (method, path) == ("POST", names.SECRETS) and not taken:
            taken.append(cluster.enroll("w1", "earlier"))

    cluster.objects.before = take
    cluster.approver.work(1)
    assert cluster.condition()[0] is None
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Denied"


def test_a_request_that_comes_during_the_watch(cluster):
    def come(method, path):
        if method == "WATCH" and not cluster.objects.under(loop.REQUESTS):
            cluster.ask(samples.joining(), "right")

    cluster.objects.before = come
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"
    listed = cluster.objects.requests("GET").count(loop.REQUESTS)
    cluster.approver.work(1)
    assert cluster.objects.requests("GET").count(loop.REQUESTS) == listed == 1


def test_a_password_that_comes_after_its_request(cluster):
    cluster.ask(samples.joining())
    cluster.approver.work(1)
    assert cluster.condition()[0] is None
    cluster.bring("node-abc", "right")
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"


def another_request(name="node-abc", token="abcdef"):
    """The name of another request that has the same place."""
    numbered = (f"other-{number}" for number in range(9999))
    return next(other for other in numbered if node_password.place(token, other) == node_password.place(token, name))


def test_a_password_is_for_one_request(cluster):
    """Whoever has the same token knows the place, but not the name of the request before it is made."""
    cluster.node("w1", password="right")
    cluster.bring(another_request(), "right")
    cluster.ask(samples.joining(creationTimestamp=OLD))
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Denied"
    assert AT in cluster.objects.kept


def test_a_password_at_a_place_of_another_token_is_for_nobody(cluster):
    cluster.bring("node-abc", "right", token="ghijkl")
    cluster.ask(samples.joining(creationTimestamp=OLD))
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Denied"
    assert len(cluster.objects.under(names.JOIN_SECRETS)) == 1


def test_a_place_is_free_as_soon_as_its_request_is_judged(cluster):
    cluster.ask(samples.csr("kube-apiserver-client-kubelet", b"x", samples.TOKEN_USER), "right")
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Denied"
    assert cluster.objects.under(names.JOIN_SECRETS) == []


def test_a_password_that_never_comes(cluster):
    cluster.ask(samples.joining(creationTimestamp=OLD))
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Denied"


def test_requests_of_others_and_judged_ones_are_left_alone(cluster):
    cluster.ask(samples.joining(user="admin", groups=["system:masters"]))
    judged = samples.joining(name="judged")
    judged["status"]["conditions"] = [{"type": "Denied", "message": "by a person"}]
    cluster.ask(judged, "right")
    cluster.approver.work(1)
    assert cluster.condition()[0] is None
    assert cluster.condition("judged") == ("Denied", "by a person")
    assert cluster.journal == []


def test_a_serving_certificate(cluster):
    cluster.node("w1", "10.0.0.2")
    cluster.node("w2", "10.0.0.3", "10.0.0.2")
    w3 = {"user": "system:node:w3", "subject": "/O=system:nodes/CN=system:node:w3"}
    cluster.ask(samples.serving("DNS:w2", name="nobody", **w3))
    cluster.approver.work(1)
    assert cluster.condition("nobody") == ("Denied", "the cluster has no node w3")
    cluster.node("w3", "10.0.0.4")
    cluster.ask(samples.serving("DNS:w2", name="name", **w3))
    cluster.ask(samples.serving("DNS:w3,IP:10.0.0.4", name="own", **w3))
    cluster.approver.work(1)
    assert cluster.condition("name") == ("Denied", "node w3 may have no certificate for w2")
    assert cluster.condition("own") == ("Approved", "the kubelet's server on node w3")
    assert cluster.kept("w3").addresses == {"10.0.0.4"}


def test_an_address_that_two_nodes_report_is_named_and_nobody_is_denied(cluster):
    cluster.node("w1", "10.0.0.2")
    cluster.node("evil", "10.0.0.66", "10.0.0.2")
    cluster.ask(samples.serving("DNS:w1,IP:10.0.0.2"))
    for _round in range(3):
        cluster.round()
    assert cluster.condition()[0] is None
    (event,) = cluster.objects.under(loop.EVENTS)
    text = "10.0.0.2 is reported by the node evil as well as by w1; see which one has it"
    assert (event["reason"], event["message"]) == ("NodeCertificateWaits", text)
    assert cluster.journal == [f"<4>request node-abc of system:node:w1 waits: {text}"]


def test_who_was_given_an_address_keeps_it_whatever_others_report(cluster):
    cluster.node("w1", "10.0.0.2")
    cluster.ask(samples.serving("DNS:w1,IP:10.0.0.2", name="first"))
    cluster.round()
    cluster.node("evil", "10.0.0.66", "10.0.0.2")
    evil = {"user": "system:node:evil", "subject": "/O=system:nodes/CN=system:node:evil"}
    cluster.ask(samples.serving("DNS:w1,IP:10.0.0.2", name="again"))
    cluster.ask(samples.serving("IP:10.0.0.2", name="evil", **evil))
    # Another approver knows as much.
    cluster.approver = cluster.another()
    cluster.round()
    assert [cluster.condition(name)[0] for name in ("first", "again")] == ["Approved"] * 2
    assert cluster.condition("evil")[1].endswith("it is the address of another node, w1")


def test_the_address_of_a_node_that_is_gone_is_free(cluster):
    cluster.node("w1", "10.0.0.2")
    cluster.ask(samples.serving("DNS:w1,IP:10.0.0.2", name="first"))
    cluster.round()
    del cluster.objects.kept[f"{pages.NODES}/w1"]
    cluster.node("w2", "10.0.0.2")
    cluster.now += loop.SWEEP
    w2 = {"user": "system:node:w2", "subject": "/O=system:nodes/CN=system:node:w2"}
    cluster.ask(samples.serving("IP:10.0.0.2", name="next", **w2))
    cluster.round()
    assert cluster.condition("next")[0] == "Approved"


def test_what_the_cluster_says_of_itself_counts(cluster):
    cluster.objects.add(f"{loop.ENDPOINTS}/kubernetes", {"endpoints": [{"addresses": ["10.0.0.9"]}]})
    there = {"service": "10.43.0.1", "server": "10.0.0.1", "endpoint": "10.0.0.9", "free": "10.0.0.2"}
    cluster.node("w1", *there.values())
    for name, address in there.items():
        cluster.ask(samples.serving(f"IP:{address}", name=name))
    cluster.approver.work(1)
    found = {name: cluster.condition(name)[0] for name in there}
    assert found == {"service": "Denied", "server": "Denied", "endpoint": "Denied", "free": "Approved"}


@pytest.mark.parametrize("config", [None, {"data": {}}, {"data": {"config.json": "{"}}, {"data": {"config.json": "{}"}}])
def test_nothing_is_approved_without_what_the_operator_wrote(cluster, config):
    cluster.node()
    del cluster.objects.kept[loop.CONFIG]
    if config:
        cluster.objects.add(loop.CONFIG, config)
    all_kinds = {"join": samples.joining("/O=system:nodes/CN=system:node:w2"), "serve": samples.serving()}
    all_kinds |= {"renew": samples.renewal(), "proxy": samples.component()}
    for name, csr in all_kinds.items():
        csr["metadata"]["name"] = name
        cluster.ask(csr, "right" if name == "join" else "")
    for _round in range(3):
        cluster.round()
    assert {cluster.condition(name)[0] for name in all_kinds} == {None}
    (line,) = cluster.journal
    assert line.startswith("<4>settings: nothing is approved, since ConfigMap kube-system/k3a-config cannot be used: ")
    cluster.objects.put(loop.CONFIG, configured())
    cluster.round()
    assert {cluster.condition(name)[0] for name in all_kinds} == {"Approved"}


def test_a_node_renews_its_certificate(cluster):
    cluster.node()
    cluster.ask(samples.renewal())
    cluster.approver.work(1)
    assert cluster.condition() == ("Approved", "the next certificate of node w1")


def test_a_node_that_was_removed_gets_nothing_any_more(cluster):
    cluster.node()
    cluster.objects.add(names.REMOVED, {"data": {"w1": "2099-01-01T00:00:00Z"}})
    for kind in ("renewal", "serving", "component"):
        cluster.ask(getattr(samples, kind)(name=kind))
    cluster.ask(samples.joining(name="joining"), "right")
    cluster.approver.work(1)
    assert {cluster.condition(kind)[0] for kind in ("renewal", "serving", "component", "joining")} == {"Denied"}


def test_names_that_were_removed_are_forgotten_in_the_end(cluster):
    told = {"old": "2020-01-01T00:00:00Z", "new": "2099-01-01T00:00:00Z", "odd": "for ever"}
    cluster.objects.add(names.REMOVED, {"data": told})
    cluster.approver.work(1)
    left = cluster.objects.kept[names.REMOVED]["data"]
    assert {name for name, until in left.items() if until} == {"new", "odd"}
    assert cluster.journal == ["the names old of removed nodes are free again"]


def test_a_node_that_has_just_come_owns_its_password_when_it_asks(cluster):
    cluster.ask(samples.joining(name="join"), "right")
    cluster.round()
    assert cluster.kept()[:2] == ("", "abcdef") and cluster.kept().until > 0
    cluster.objects.add(f"{pages.NODES}/w1", samples.node("w1", "10.0.0.2"))
    cluster.ask(samples.serving(name="serve"))
    cluster.round()
    assert cluster.condition("serve")[0] == "Approved"
    assert cluster.kept() == node_password.Kept("uid-w1", "abcdef", 0.0, frozenset({"10.0.0.2"}))


def test_a_machine_whose_node_was_made_anew_shows_its_password_again(cluster):
    cluster.node()
    cluster.objects.add(f"{pages.NODES}/w1", {**samples.node("w1", "10.0.0.2"), "metadata": {"name": "w1", "uid": "new"}})
    cluster.ask(samples.renewal(name="renew"))
    cluster.round()
    assert cluster.condition("renew")[0] is None
    cluster.ask(samples.joining(name="join"), "right")
    for _round in range(2):
        cluster.round()
    assert [cluster.condition(name)[0] for name in ("join", "renew")] == ["Approved"] * 2
    assert cluster.kept().owner == "new"


def test_a_token_fills_its_share_of_names_and_no_more(cluster, monkeypatch):
    monkeypatch.setattr(approver, "SHARE", 2)
    for number in range(4):
        csr = samples.joining(f"/O=system:nodes/CN=system:node:n{number}", name=f"r{number}")
        cluster.ask(csr, "x")
    other = samples.joining("/O=system:nodes/CN=system:node:other", name="other", user="system:bootstrap:fedcba")
    cluster.ask(other, "x")
    cluster.round()
    found = [cluster.condition(name)[0] for name in ("r0", "r1", "r2", "r3", "other")]
    assert found == ["Approved", "Approved", "Denied", "Denied", "Approved"]


def test_one_who_asks_for_much_does_not_hold_the_others_up(cluster, monkeypatch):
    monkeypatch.setattr(loop, "TURNS", 3)
    cluster.node()
    cluster.node("w2", "10.0.0.3")
    for number in range(10):
        cluster.ask(samples.component(name=f"a{number}"))
    cluster.ask(samples.component(name="z", user="system:node:w2"))
    cluster.round()
    many = [cluster.condition(f"a{number}")[0] for number in range(10)]
    assert (cluster.condition("z")[0], many.count("Approved")) == ("Approved", 3)
    for _round in range(3):
        cluster.round()
    assert {cluster.condition(f"a{number}")[0] for number in range(10)} == {"Approved"}


def test_of_one_who_asks_for_much_only_so_much_is_kept_in_mind(cluster, monkeypatch):
    monkeypatch.setattr(loop, "TURNS", 3)
    monkeypatch.setattr(loop, "HELD_OF_NODE", 4)
    cluster.node()
    for number in range(10):
        cluster.ask(samples.component(name=f"a{number}"))
    for _round in range(2):
        cluster.round()
    assert len(cluster.approver._waiting) <= 4
    for _round in range(4):
        cluster.now += loop.SWEEP
        cluster.round()
    assert {cluster.condition(f"a{number}")[0] for number in range(10)} == {"Approved"}


def test_a_token_does_not_fill_the_datastore_with_requests(cluster, monkeypatch):
    monkeypatch.setattr(loop, "TURNS", 3)
    monkeypatch.setattr(loop, "HELD", 4)
    for number in range(10):
        cluster.ask(samples.joining(name=f"a{number}"))
    cluster.ask(samples.joining(name="other", user="system:bootstrap:fedcba"))
    for _round in range(3):
        cluster.round()
    left = [csr["metadata"]["name"] for csr in cluster.objects.under(loop.REQUESTS)]
    assert left == ["a0", "a1", "a2", "a3", "other"]
    assert cluster.journal == ["<4>token abcdef: has more than 4 requests that wait, others are deleted"]


def test_what_a_token_asks_too_much_is_deleted_when_nobody_waits_for_it(cluster, monkeypatch):
    monkeypatch.setattr(loop, "HELD", 4)
    for number in range(50):
        cluster.ask(samples.joining(name=f"a{number}"))
    cluster.node("w2", "10.0.0.3")
    cluster.ask(samples.component(name="z", user="system:node:w2"))
    asked = cluster.round()
    deleted = [index for index, (method, _path) in enumerate(asked) if method == "DELETE"]
    assert len(deleted) == 46
    assert asked.index(("PUT", f"{loop.REQUESTS}/z/approval")) < deleted[0]
    # As long as there is time, so that the lease is renewed: each takes a second here.
    monkeypatch.setattr(cluster.approver, "_clock", lambda: cluster.objects.version + 0.0)
    for number in range(50, 90):
        cluster.ask(samples.joining(name=f"a{number}"))
    before = len(cluster.objects.requests("DELETE"))
    cluster.approver.forget()
    cluster.round()
    assert 0 < len(cluster.objects.requests("DELETE")) - before < 40


def test_a_machine_whose_password_has_not_come_costs_one_look_a_round(cluster):
    cluster.ask(samples.joining())
    cluster.approver.work(1)
    looked = [path for method, path in cluster.round() if method == "GET"]
    assert [path for path in looked if path not in (loop.CONFIG, loop.ENDPOINTS)] == [AT]


def test_what_is_too_large_is_denied_in_few_words(cluster):
    large = ",".join(f"DNS:{letter * 60}.{letter * 60}.{letter * 60}" for letter in "abcdefghijklmnopqrstuvwxyz" * 4)
    cluster.node()
    cluster.ask(samples.serving(large, name="a\n<6>approved b"))
    cluster.ask(samples.csr("kubelet-serving", b"x" * 2**20, name="huge"))
    cluster.approver.work(1)
    assert [cluster.condition(name)[0] for name in ("a\n<6>approved b", "huge")] == ["Denied"] * 2
    assert all(len(cluster.condition(name)[1]) < 512 for name in ("a\n<6>approved b", "huge"))
    assert all(line.isprintable() and line.startswith("<4>denied") for line in cluster.journal)


def test_the_other_processes_of_a_node(cluster):
    cluster.node()
    cluster.ask(samples.component("/CN=system:kube-proxy", name="proxy"))
    cluster.ask(samples.component("/CN=system:kube-scheduler", name="scheduler"))
    cluster.approver.work(1)
    assert [cluster.condition(name)[0] for name in ("proxy", "scheduler")] == ["Approved", "Denied"]


def test_a_request_that_cannot_be_read(cluster):
    csr = samples.csr("kubelet-serving", b"garbage")
    cluster.ask(csr)
    cluster.approver.work(1)
    assert cluster.condition() == ("Denied", "its request cannot be read: it is not one certificate request in PEM")


def test_many_requests_come_a_page_at_a_time(cluster, monkeypatch):
    cluster.node()
    monkeypatch.setattr(pages, "PAGE", "2")
    for number in range(5):
        cluster.ask(samples.component(name=f"r{number}"))
    cluster.approver.work(1)
    assert {cluster.condition(f"r{number}")[0] for number in range(5)} == {"Approved"}


def test_one_that_cannot_be_settled_does_not_hold_the_others_up(cluster):
    cluster.node()
    cluster.ask(samples.component(name="a"))
    cluster.ask(samples.component(name="b"))
    cluster.objects.refusals[("PUT", f"{loop.REQUESTS}/a/approval")] = [(403, "no"), (403, "no")]
    cluster.approver.work(1)
    cluster.approver.work(1)
    assert [cluster.condition(name)[0] for name in ("a", "b")] == [None, "Approved"]
    assert [line for line in cluster.journal if "request a" in line] == ["<4>request a: no; trying again"]
    cluster.approver.work(1)
    assert cluster.condition("a")[0] == "Approved"
    assert cluster.journal[-1] == "request a: well again"


def test_a_request_that_has_changed_meanwhile(cluster):
    cluster.node()
    cluster.ask(samples.component())
    touched = []

    def touch(method, path):
        if method == "PUT" and not touched:
            touched.append(cluster.objects.put(f"{loop.REQUESTS}/node-abc", cluster.objects.kept[f"{loop.REQUESTS}/node-abc"]))

    cluster.objects.before = touch
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"


def test_a_decision_is_not_put_on_another_request_of_the_same_name(cluster):
    cluster.node()
    cluster.ask(samples.component())

    def swap(method, path):
        if method == "PUT" and cluster.objects.kept[f"{loop.REQUESTS}/node-abc"]["metadata"]["uid"] != "another":
            other = samples.component("/CN=system:masters", uid="another")
            cluster.objects.put(f"{loop.REQUESTS}/node-abc", other)

    cluster.objects.before = swap
    cluster.approver.work(1)
    assert cluster.condition()[0] != "Approved"


def test_a_request_that_somebody_else_judges_meanwhile_stays_judged(cluster):
    cluster.node()
    cluster.ask(samples.component())
    judged = samples.component()
    judged["status"] = {"conditions": [{"type": "Denied", "message": "by a person"}]}

    def judge(method, path):
        if method == "PUT" and cluster.condition()[0] is None:
            cluster.objects.put(f"{loop.REQUESTS}/node-abc", judged)

    cluster.objects.before = judge
    cluster.approver.work(1)
    assert cluster.condition() == ("Denied", "by a person")
    assert cluster.journal == []


def test_a_denial_stands_without_its_event(cluster):
    cluster.node()
    cluster.objects.refusals[("POST", loop.EVENTS)] = [(403, "no events")]
    cluster.ask(samples.component("/CN=other"))
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Denied"
    assert "<4>events: no events; trying again" in cluster.journal


def test_a_watch_that_lost_its_place_begins_with_a_list(cluster):
    cluster.node()
    cluster.objects.refusals[("WATCH", loop.REQUESTS)] = [(410, "too old")]
    with pytest.raises(node_api.ApiRefused):
        cluster.approver.work(1)
    cluster.ask(samples.component())
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"
    assert cluster.objects.requests("GET").count(loop.REQUESTS) == 2


def test_what_a_killed_approver_left_is_finished(cluster):
    # It had kept the password, and not approved yet.
    cluster.enroll("w1", "right")
    cluster.ask(samples.joining(), "right")
    cluster.another().work(1)
    assert cluster.condition()[0] == "Approved"
    assert cluster.objects.under(names.JOIN_SECRETS) == []


def test_passwords_are_kept_for_their_nodes_and_a_while_longer(cluster):
    cluster.node()
    for name in ("new", "bare", "gone", "joined"):
        cluster.objects.add(f"{pages.NODES}/{name}", samples.node(name))
    cluster.enroll("new", "x", until=time.time() + 99)
    old = [{"apiVersion": "v1", "kind": "Node", "name": "bare", "uid": "uid-bare"}]
    cluster.enroll("bare", "x", ownerReferences=old)
    cluster.enroll("gone", "x", "uid-another")
    cluster.enroll("joined", "x", "uid-another", token="abcdef")
    cluster.enroll("orphan", "x", until=time.time() - 1)
    cluster.enroll("waiting", "x", until=time.time() + 99)
    cluster.objects.add(f"{names.SECRETS}/else", {"type": "Opaque", "metadata": {"creationTimestamp": OLD}})
    cluster.bring("old", "x", creationTimestamp=OLD)
    cluster.bring("fresh", "x")
    cluster.approver.work(1)
    assert cluster.kept("new")[:3:2] == ("uid-new", 0.0) and cluster.password("new")["data"]
    assert cluster.kept("bare") == node_password.Kept("uid-bare")
    assert cluster.kept("gone").owner == cluster.kept("joined").owner == "uid-another"
    left = {name: (cluster.kept(name).until - time.time()) / approver.DAY for name in ("gone", "joined")}
    # The certificates of a node's other processes live for a year, also those that came by a token.
    assert {name: round(days) for name, days in left.items()} == {"gone": 367, "joined": 367}
    assert cluster.password("orphan") is None
    assert cluster.password("waiting")
    assert f"{names.SECRETS}/else" in cluster.objects.kept
    assert [list(secret["data"]) for secret in cluster.objects.under(names.JOIN_SECRETS)] == [["fresh"]]
    assert cluster.journal == ["deleted the password of orphan, which has no Node"]
    changed = len(cluster.objects.requests("PATCH"))
    cluster.now += loop.SWEEP
    cluster.round()
    assert len(cluster.objects.requests("PATCH")) == changed


def test_looking_for_leftovers_costs_nothing_most_of_the_time(cluster):
    cluster.approver.work(1)
    assert cluster.round() == [("WATCH", loop.REQUESTS)]
    cluster.now += loop.SWEEP
    assert ("GET", names.SECRETS) in cluster.round()


def test_the_name_of_a_node_that_is_gone_is_its_machines_only(cluster):
    cluster.node()
    cluster.approver.work(1)
    del cluster.objects.kept[f"{pages.NODES}/w1"]
    cluster.now += loop.SWEEP
    cluster.ask(samples.joining(name="stranger"), "wrong")
    cluster.ask(samples.joining(name="owner"), "right")
    cluster.round()
    assert [cluster.condition(name)[0] for name in ("stranger", "owner")] == ["Denied", "Approved"]
    # It was given certificates before that live for longer than the one with which it joins again.
    assert round((cluster.kept().until - time.time()) / approver.DAY) == 367


def test_the_name_of_a_machine_that_never_came_is_kept_as_long_as_the_one_certificate_that_it_has(cluster):
    cluster.ask(samples.joining(), "right")
    cluster.round()
    assert round((cluster.kept().until - time.time()) / approver.DAY) == 31


def test_a_password_that_was_removed_before_its_node_came(cluster):
    cluster.ask(samples.joining(), "right")
    cluster.round()
    del cluster.objects.kept[f"{names.SECRETS}/{node_password.secret_name('w1')}"]
    cluster.objects.add(f"{pages.NODES}/w1", samples.node("w1"))
    cluster.now += loop.SWEEP
    cluster.round()
    assert cluster.password() is None
    assert len(cluster.journal) == 1


def test_an_owner_that_is_refused_is_tried_again(cluster):
    cluster.objects.add(f"{pages.NODES}/w1", samples.node("w1"))
    cluster.enroll("w1", "x")
    tie = ("PATCH", f"{names.SECRETS}/{node_password.secret_name('w1')}")
    cluster.objects.refusals[tie] = [(403, "no"), (403, "no")]
    for _time in range(3):
        cluster.round()
        cluster.now += loop.SWEEP
    assert cluster.kept().owner == "uid-w1"
    assert cluster.journal == ["<4>passwords: no; trying again", "passwords: well again"]


class Ended(Exception):
    """The end of a test of what never ends."""


def run(cluster, steps, lease=None):
    """Run the loop for some pauses, each a step that may change the cluster."""
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) > len(steps):
            raise Ended
        steps[len(pauses) - 1]()

    with contextlib.suppress(Ended):
        loop.run(lease or cluster.lease("a"), cluster.approver, names.Journal(cluster.journal.append), sleep)
    return pauses


def nothing():
    """A step in which nothing happens."""


def test_failures_are_told_once_and_tried_again_ever_more_slowly(cluster):
    no = (404, 'namespaces "k3a-system" not found')
    cluster.objects.refusals[("GET", LEASE)] = [(403, "leases is forbidden")] * 2
    cluster.objects.refusals[("POST", LEASES)] = [no] * 4
    cluster.objects.refusals[("WATCH", loop.REQUESTS)] = [(500, "etcd leader changed")]
    pauses = run(cluster, [nothing] * 6)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert cluster.journal == [
        "<4>API: leases is forbidden; trying again",
        '<4>API: namespaces "k3a-system" not found; trying again',
        "working",
        "<4>API: etcd leader changed; trying again",
    ]


def test_one_that_has_no_lease_does_not_work(cluster):
    cluster.lease("b").hold()
    cluster.ask(samples.component())
    pauses = run(cluster, [nothing])
    assert (pauses, cluster.condition()[0]) == ([loop.RENEWAL] * 2, None)
    assert [path for _method, path, _query in cluster.objects.asked if path != LEASE] == [LEASES]


def test_it_takes_over(cluster):
    cluster.node()
    other = cluster.lease("b")
    other.hold()
    cluster.ask(samples.component())

    def end(method, path):
        if method == "WATCH":
            cluster.objects.refusals[("GET", LEASE)] = [(503, "gone")]

    cluster.objects.before = end
    run(cluster, [other.release])
    assert cluster.condition()[0] == "Approved"
    assert cluster.journal[0] == "working"


def test_systemd_is_told(tmp_path, monkeypatch):
    loop.notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        loop.notify("READY=1")
        assert listening.recv(100) == b"READY=1"
