# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import socket

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import Lease
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver_loop as loop
from ansible_collections.k3a.cluster.tests.unit import csr_samples as samples
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

OLD = "2020-01-01T00:00:00Z"
PROCESSES = (("system:kube-proxy", ""), ("system:k3a-flannel:{node}", "system:k3a-flannel"))
LEASES = "/apis/coordination.k8s.io/v1/namespaces/k3a-system/leases"
LEASE = f"{LEASES}/k3a-approver"


class Cluster:
    """An API with objects, and approvers that work at it."""

    def __init__(self, objects, url):
        self.objects = objects
        self.url = url
        self.journal: list[str] = []
        self.now = 1000.0
        self.approver = self.another()

    def another(self):
        return loop.Approver(node_api.NodeApi(self.url), loop.Journal(self.journal.append), PROCESSES, lambda: self.now)

    def lease(self, holder):
        return Lease(node_api.NodeApi(self.url), node_password.NAMESPACE, loop.NAME, holder, loop.LEASE, clock=lambda: self.now)

    def ask(self, csr, password=""):
        name = csr["metadata"]["name"]
        if password:
            self.objects.add(f"{loop.JOIN_SECRETS}/{name}", node_password.join_secret(name, password))
        self.objects.add(f"{loop.REQUESTS}/{name}", csr)

    def condition(self, name="node-abc"):
        conditions = self.objects.kept[f"{loop.REQUESTS}/{name}"]["status"].get("conditions") or [{}]
        return conditions[0].get("type"), conditions[0].get("message", "")

    def password(self, node="w1"):
        return self.objects.kept.get(f"{loop.SECRETS}/{node_password.secret_name(node)}")

    def owners(self, node="w1"):
        return self.password(node)["metadata"].get("ownerReferences")

    def round(self):
        """Let the approver work once more, as after a renewal of its lease; what it asked for."""
        before = len(self.objects.asked)
        self.now += loop.RENEWAL
        self.approver.work(1)
        return [(method, path) for method, path, _query in self.objects.asked[before:]]

    def enroll(self, node, password, **metadata):
        secret = node_password.secret(node, node_password.hash_of(password))
        secret["metadata"].update(metadata)
        self.objects.add(f"{loop.SECRETS}/{node_password.secret_name(node)}", secret)


@pytest.fixture
def cluster():
    with keeping() as (objects, url):
        yield Cluster(objects, url)


def test_a_machine_joins(cluster):
    cluster.ask(samples.joining(), "right")
    cluster.approver.work(1)
    assert cluster.condition() == ("Approved", "the kubelet of the new node w1")
    assert node_password.verify("right", node_password.value_in(cluster.password(), "hash"))
    assert cluster.objects.under(loop.JOIN_SECRETS) == []
    assert cluster.journal == ["approved node-abc of system:bootstrap:abcdef: the kubelet of the new node w1"]
    sent = cluster.objects.kept[f"{loop.REQUESTS}/node-abc"]
    assert (sent["kind"], sent["apiVersion"]) == ("CertificateSigningRequest", "certificates.k8s.io/v1")
    assert sent["status"]["conditions"][0]["status"] == "True"


def test_a_machine_joins_again_and_nothing_is_kept_twice(cluster):
    cluster.enroll("w1", "right")
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
    assert (kind, cluster.objects.under(loop.JOIN_SECRETS)) == ("Denied", [])
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
        if (method, path) == ("POST", loop.SECRETS) and not taken:
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
    cluster.objects.add(f"{loop.JOIN_SECRETS}/node-abc", node_password.join_secret("node-abc", "right"))
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"


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
    for name, address in (("w1", "10.0.0.2"), ("w2", "10.0.0.3")):
        cluster.objects.add(f"{loop.NODES}/{name}", samples.node(name, address))
    cluster.ask(samples.serving("DNS:w1,IP:10.0.0.2", name="own"))
    cluster.ask(samples.serving("DNS:w1,IP:10.0.0.3", name="others"))
    cluster.ask(samples.serving("DNS:w2", name="new", user="system:node:w3", subject="/O=system:nodes/CN=system:node:w3"))
    cluster.approver.work(1)
    assert cluster.condition("own") == ("Approved", "the kubelet's server on node w1")
    assert cluster.condition("others")[1].endswith("it is the address of another node")
    assert cluster.condition("new") == ("Denied", "node w3 may have no certificate for w2")


def test_what_the_cluster_says_of_itself_counts(cluster):
    config = {"service_cidr": ["10.43.0.0/16"], "servers": ["10.0.0.1:6443"]}
    cluster.objects.add(loop.CONFIG, {"data": {"config.json": json.dumps(config)}})
    cluster.objects.add(f"{loop.ENDPOINTS}/kubernetes", {"endpoints": [{"addresses": ["10.0.0.9"]}]})
    for name, address in (("service", "10.43.0.1"), ("server", "10.0.0.1"), ("endpoint", "10.0.0.9"), ("free", "10.0.0.2")):
        cluster.ask(samples.serving(f"IP:{address}", name=name))
    cluster.approver.work(1)
    found = {name: cluster.condition(name)[0] for name in ("service", "server", "endpoint", "free")}
    assert found == {"service": "Denied", "server": "Denied", "endpoint": "Denied", "free": "Approved"}


def test_nothing_is_decided_on_settings_that_cannot_be_read(cluster):
    cluster.objects.add(loop.CONFIG, {"data": {"config.json": "{"}})
    cluster.ask(samples.serving())
    cluster.approver.work(1)
    cluster.approver.work(1)
    assert cluster.condition()[0] is None
    assert len(cluster.journal) == 1 and "k3a-config is malformed" in cluster.journal[0]
    cluster.objects.put(loop.CONFIG, {"data": {"config.json": "{}"}})
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"


def test_the_other_processes_of_a_node(cluster):
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
    monkeypatch.setattr(loop, "PAGE", "2")
    for number in range(5):
        cluster.ask(samples.component(name=f"r{number}"))
    cluster.approver.work(1)
    assert {cluster.condition(f"r{number}")[0] for number in range(5)} == {"Approved"}


def test_one_that_cannot_be_settled_does_not_hold_the_others_up(cluster):
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
    cluster.ask(samples.component())
    touched = []

    def touch(method, path):
        if method == "PUT" and not touched:
            touched.append(cluster.objects.put(f"{loop.REQUESTS}/node-abc", cluster.objects.kept[f"{loop.REQUESTS}/node-abc"]))

    cluster.objects.before = touch
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Approved"


def test_a_request_that_somebody_else_judges_meanwhile_stays_judged(cluster):
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
    cluster.objects.refusals[("POST", loop.EVENTS)] = [(403, "no events")]
    cluster.ask(samples.component("/CN=other"))
    cluster.approver.work(1)
    assert cluster.condition()[0] == "Denied"
    assert "<4>events: no events; trying again" in cluster.journal


def test_a_watch_that_lost_its_place_begins_with_a_list(cluster):
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
    assert cluster.objects.under(loop.JOIN_SECRETS) == []


def test_passwords_go_with_their_nodes_and_those_without_go_after_a_while(cluster):
    cluster.objects.add(f"{loop.NODES}/w1", samples.node("w1"))
    for name in ("w1", "fresh"):
        cluster.enroll(name, "x")
    cluster.enroll("orphan", "x", creationTimestamp=OLD)
    cluster.objects.add(f"{loop.SECRETS}/else", {"type": "Opaque", "metadata": {"creationTimestamp": OLD}})
    join = node_password.join_secret("old", "x")
    join["metadata"]["creationTimestamp"] = OLD
    cluster.objects.add(f"{loop.JOIN_SECRETS}/old", join)
    cluster.objects.add(f"{loop.JOIN_SECRETS}/new", node_password.join_secret("new", "x"))
    cluster.approver.work(1)
    assert cluster.password("w1")["metadata"]["ownerReferences"] == [node_password.owner("w1", "uid-w1")]
    assert cluster.password("w1")["data"]
    assert "ownerReferences" not in cluster.password("fresh")["metadata"]
    assert cluster.password("orphan") is None
    assert f"{loop.SECRETS}/else" in cluster.objects.kept
    assert [secret["metadata"]["name"] for secret in cluster.objects.under(loop.JOIN_SECRETS)] == ["new"]


def test_a_node_that_is_just_joining_again_keeps_its_password(cluster):
    cluster.approver.work(1)
    cluster.enroll("w1", "right", creationTimestamp=OLD)
    cluster.ask(samples.joining(), "right")
    cluster.approver.work(1)
    cluster.now += loop.SWEEP
    cluster.approver.work(1)
    assert cluster.password("w1")
    cluster.now += approver.ORPHANED
    cluster.approver.work(1)
    assert cluster.password("w1") is None


def test_looking_for_leftovers_costs_nothing_most_of_the_time(cluster):
    cluster.approver.work(1)
    assert cluster.round() == [("WATCH", loop.REQUESTS)]
    cluster.now += loop.SWEEP
    assert ("GET", loop.SECRETS) in cluster.round()


LOOK, TIE = ("GET", f"{loop.NODES}/w1"), ("PATCH", f"{loop.SECRETS}/{node_password.secret_name('w1')}")
WATCH = ("WATCH", loop.REQUESTS)


@pytest.fixture
def enrolled(cluster):
    """A cluster whose approver has just given w1 its name, long before the next sweep; its Node has not come yet."""
    cluster.approver.work(1)
    cluster.ask(samples.joining(), "right")
    cluster.round()
    assert cluster.condition()[0] == "Approved"
    return cluster


def test_a_new_node_soon_owns_its_password(enrolled):
    assert [enrolled.round() for _time in range(2)] == [[LOOK, WATCH]] * 2
    assert enrolled.owners() is None
    enrolled.objects.add(f"{loop.NODES}/w1", samples.node("w1"))
    assert enrolled.round() == [LOOK, TIE, WATCH]
    assert enrolled.owners() == [node_password.owner("w1", "uid-w1")]
    assert enrolled.round() == [WATCH]


def test_a_new_node_soon_owns_its_password_though_another_approver_made_it(enrolled):
    enrolled.approver = enrolled.another()
    assert ("GET", loop.SECRETS) in enrolled.round()
    enrolled.objects.add(f"{loop.NODES}/w1", samples.node("w1"))
    assert enrolled.round() == [LOOK, TIE, WATCH]


def test_a_node_that_never_comes_is_looked_for_until_its_password_is_old(enrolled):
    enrolled.password()["metadata"]["creationTimestamp"] = OLD
    assert enrolled.round() == [LOOK, WATCH]
    enrolled.now += approver.ORPHANED
    enrolled.round()
    assert enrolled.password() is None
    assert enrolled.round() == [WATCH]


def test_only_a_sweep_deletes_since_what_is_remembered_may_have_been_made_anew(cluster):
    cluster.enroll("w1", "right")
    cluster.approver.work(1)
    cluster.password()["metadata"]["creationTimestamp"] = OLD
    assert cluster.round() == [LOOK, WATCH]
    cluster.now += loop.SWEEP
    cluster.round()
    assert cluster.password() is None


@pytest.mark.parametrize("node_comes", [True, False])
def test_a_password_that_was_removed_before_its_node_came(enrolled, node_comes):
    told = list(enrolled.journal)
    del enrolled.objects.kept[TIE[1]]
    if node_comes:
        enrolled.objects.add(f"{loop.NODES}/w1", samples.node("w1"))
        assert enrolled.round() == [LOOK, TIE, WATCH]
    else:
        enrolled.now += loop.SWEEP
        enrolled.round()
    assert enrolled.round() == [WATCH]
    assert enrolled.journal == told


def test_an_owner_that_is_refused_is_tried_again(enrolled):
    enrolled.objects.add(f"{loop.NODES}/w1", samples.node("w1"))
    enrolled.objects.refusals[TIE] = [(403, "no"), (403, "no")]
    for _time in range(2):
        assert enrolled.round() == [LOOK, TIE, WATCH]
    enrolled.round()
    assert enrolled.owners()
    assert enrolled.journal[1:] == ["<4>passwords: no; trying again"]


def test_of_many_new_nodes_each_has_its_turn(cluster, monkeypatch):
    monkeypatch.setattr(loop, "ADOPTIONS", 2)
    names = ["w1", "w2", "w3"]
    for name in names:
        cluster.enroll(name, "x")
    cluster.approver.work(1)
    looked = [path for _time in range(3) for _method, path in cluster.round()[:-1]]
    assert looked == [f"{loop.NODES}/{name}" for name in names * 2]


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
        loop.run(lease or cluster.lease("a"), cluster.approver, loop.Journal(cluster.journal.append), sleep)
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
