# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr as _csr
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_secret
from ansible_collections.k3a.cluster.tests.unit import csr_samples as samples

SETTINGS = approver.settings(
    json.dumps(
        {
            "cluster_cidr": ["10.42.0.0/16", "fd00:42::/56"],
            "service_cidr": ["10.43.0.0/16"],
            "servers": ["10.0.0.1:6443", "[fd00::1]:6443", "api.example:6443"],
            "tls_san": ["10.0.0.100", "lb.example"],
            "server_url": "https://vip.example:6443",
            "server_nodes": {"server-1": ["10.0.0.1", "10.1.0.1"], "api.example": ["fd00::1"]},
        }
    ),
    ["10.0.0.9"],
)
PROCESSES = (("system:kube-proxy", ""), ("system:k3a-flannel:{node}", "system:k3a-flannel"))
HASH = node_password.hash_of("right")


NODE = samples.node("w1", "10.0.0.2", "fd00::2")


def own(node, **known):
    """What is known of a node that has its password."""
    return {"node": node, "hashed": HASH, "owner": node["metadata"]["uid"], **known}


def decide(csr, processes=PROCESSES, **known):
    request = _csr.parse(base64.b64decode(csr["spec"]["request"]))
    return approver.decide(csr, request, approver.Context(**{"settings": SETTINGS, **known}), processes)


def denied(csr, **known):
    decision = decide(csr, **known)
    assert decision.action == approver.DENY
    assert not decision.enroll
    return decision.text


def test_the_settings():
    assert SETTINGS.networks == ("10.42.0.0/16", "fd00:42::/56", "10.43.0.0/16")
    assert SETTINGS.addresses == {"10.0.0.1", "10.1.0.1", "fd00::1", "10.0.0.100", "10.0.0.9"}
    assert SETTINGS.names == {"api.example", "lb.example", "vip.example", "server-1"}
    assert SETTINGS.servers == {"server-1": {"10.0.0.1", "10.1.0.1"}, "api.example": {"fd00::1"}}


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        "{}",
        "[]",
        "1",
        '{"server_nodes": []}',
        '{"server_nodes": {"s": 1}}',
        '{"server_nodes": {}, "cluster_cidr": ["10.42.0.1/16"]}',
        '{"server_nodes": {}, "service_cidr": ["x"]}',
        '{"server_nodes": {}, "servers": 1}',
        '{"server_nodes": {}, "tls_san": 5}',
        "[" * 100000,
    ],
)
def test_settings_that_lack_anything_are_none(config):
    with pytest.raises(ValueError):
        approver.settings(config)


@pytest.mark.parametrize(
    ("csr", "kind"),
    [
        (samples.joining(), approver.JOIN),
        (samples.serving(), approver.SERVING),
        (samples.component(), approver.COMPONENT),
        (samples.renewal(), approver.RENEWAL),
        # With a token that is for something else.
        (samples.joining(groups=["system:bootstrappers", "system:bootstrappers:other"]), ""),
        (samples.joining(groups=["system:authenticated"]), ""),
        (samples.joining(user="system:bootstrap:abcdef", groups=samples.NODES), ""),
        (samples.joining(user="system:bootstrap:abcdefg", groups=samples.BOOTSTRAPPERS), ""),
        (samples.joining(user="admin", groups=["system:masters"]), ""),
        (samples.serving(user=samples.TOKEN_USER), ""),
        (samples.serving(groups=["system:authenticated"]), ""),
        (samples.component(user=samples.TOKEN_USER), ""),
        (samples.component(user="admin", groups=["system:masters"]), ""),
        (samples.csr("legacy-unknown", samples.request()), ""),
    ],
)
def test_whose_requests_are_ours_to_judge(csr, kind):
    assert approver.kind_of(csr) == kind


def test_what_somebody_has_judged_is_left_alone():
    assert approver.is_undecided({"status": {}}) and approver.is_undecided({})
    assert not approver.is_undecided({"status": {"conditions": [{"type": "Denied"}]}})


def test_a_new_machine_gets_a_free_name():
    decision = decide(samples.joining(), password="right")
    assert (decision.action, decision.enroll) == (approver.APPROVE, True)


def test_a_machine_that_is_the_node_already_gets_its_name_again():
    for node in (None, samples.node("w1", "10.0.0.2")):
        decision = decide(samples.joining(), password="right", hashed=HASH, node=node)
        assert (decision.action, decision.enroll) == (approver.APPROVE, False)


@pytest.mark.parametrize("hashed", [HASH, "unreadable", ""])
def test_a_taken_name_with_another_password(hashed):
    text = denied(samples.joining(), password="wrong", hashed=hashed)
    assert "a node named w1 is already a member and its password differs (/etc/k3a/node/password on the node)" in text
    assert "remove_node.yml -e k3a_remove_node=w1 -e k3a_release_names=true" in text


def test_a_name_of_a_node_that_has_no_password():
    assert "a node named w1 is already a member" in denied(samples.joining(), password="x", node=samples.node("w1"))


def test_the_password_is_waited_for_and_not_for_ever():
    assert decide(samples.joining(), age=1).action == approver.LATER
    assert "k3a-join" in denied(samples.joining(), age=60)
    assert "k3a-join" in denied(samples.joining(), age=60, hashed=HASH)


@pytest.mark.parametrize(
    "name",
    [
        "kubernetes",
        "kubernetes.default.svc",
        "localhost",
        "x.svc",
        "lb.example",
        "vip.example",
    ],
)
def test_no_node_is_named_as_the_api(name):
    subject = f"/O=system:nodes/CN=system:node:{name}"
    assert "clients know the API" in denied(samples.joining(subject), password="x")
    serving = samples.serving(f"DNS:{name}", subject, user=f"system:node:{name}")
    assert "clients know the API" in denied(serving, **own(samples.node(name)))


def test_no_machine_joins_by_the_name_of_a_server():
    for name in ("server-1", "api.example"):
        subject = f"/O=system:nodes/CN=system:node:{name}"
        assert "clients know the API" in denied(samples.joining(subject), password="x")


def test_a_server_is_who_the_operator_says_and_not_who_has_its_label():
    subject = "/O=system:nodes/CN=system:node:server-1"
    serving = samples.serving("DNS:server-1,IP:10.0.0.1,IP:10.1.0.1", subject, user="system:node:server-1")
    there = own(samples.node("server-1", "10.0.0.1", "10.1.0.1"))
    assert decide(serving, **there).action == approver.APPROVE
    for csr in (samples.serving("IP:10.0.0.1"), samples.serving("IP:10.0.0.100")):
        labelled = own(samples.node("w1", "10.0.0.1", "10.0.0.100", server=True))
        assert "an address of the API" in denied(csr, **labelled)


@pytest.mark.parametrize(
    "csr",
    [
        samples.joining("/O=system:nodes/CN=system:node:W1"),
        samples.joining("/O=system:nodes/CN=system:node:-w1"),
        samples.joining("/O=system:nodes/CN=system:node:"),
        samples.joining("/O=system:nodes/CN=system:node:a_b"),
        samples.joining("/O=system:nodes/CN=system:node:..\\/..\\/x"),
        samples.joining("/O=system:nodes/CN=w1"),
        samples.joining("/O=system:nodes/CN=system:node:w1/CN=system:node:w2"),
        samples.joining("/O=system:masters/CN=system:node:w1"),
        samples.joining("/O=system:nodes/O=system:masters/CN=system:node:w1"),
        samples.joining("/CN=system:node:w1"),
        samples.joining("/OU=x/O=system:nodes/CN=system:node:w1"),
        samples.joining(names="DNS:w1"),
        samples.joining(names="IP:10.0.0.2"),
        samples.joining(names="URI:spiffe://w1"),
        samples.joining(usages=("client auth",)),
        samples.joining(usages=("digital signature", "server auth")),
        samples.joining(usages=("digital signature", "client auth", "server auth")),
        samples.joining(usages=("digital signature", "client auth", "cert sign")),
        samples.joining(usages=()),
        samples.serving(subject="/O=system:nodes/CN=system:node:w2"),
        samples.serving(subject="/CN=system:node:w1"),
        samples.serving(subject="/O=system:nodes/CN=w1"),
        samples.serving(names=""),
        samples.serving(names="DNS:w1,email:a@b.example"),
        samples.serving(names="DNS:w1,DNS:w2"),
        samples.serving(names="DNS:*.example"),
        samples.serving(usages=("digital signature", "client auth")),
        samples.serving(usages=("digital signature", "server auth", "client auth")),
        samples.component("/CN=system:kube-controller-manager"),
        samples.component("/CN=system:admin/O=system:masters"),
        samples.component("/CN=system:kube-proxy/O=system:masters"),
        samples.component("/CN=system:kube-proxy/CN=system:admin"),
        samples.component("/CN=system:node:w1"),
        samples.component(names="DNS:w1"),
        samples.component(usages=("server auth",)),
        samples.component(usages=("client auth", "server auth")),
    ],
)
def test_whoever_asks_for_more_or_for_another_is_denied(csr):
    assert denied(csr, password="right", node=None)


def test_the_certificates_of_a_nodes_other_processes():
    for subject in ("/CN=system:kube-proxy", "/O=system:k3a-flannel/CN=system:k3a-flannel:w1"):
        for usages in (("client auth",), ("client auth", "digital signature", "key encipherment")):
            assert decide(samples.component(subject, usages=usages), **own(NODE)).action == approver.APPROVE


@pytest.mark.parametrize(
    "subject",
    [
        "/O=system:k3a-flannel/CN=system:k3a-flannel:w2",
        "/O=system:k3a-flannel/CN=system:k3a-flannel:",
        "/O=system:k3a-flannel/CN=system:k3a-flannel:{node}",
        # What all nodes once had alike.
        "/CN=system:k3a-flannel",
        "/O=system:k3a-flannel/CN=system:k3a-flannel",
        "/CN=system:k3a-flannel:w1",
        "/O=system:k3a-flannel/CN=system:kube-proxy",
        "/O=system:k3a-flannel/O=system:nodes/CN=system:k3a-flannel:w1",
    ],
)
def test_a_node_is_flannel_on_itself_and_on_no_other(subject):
    assert denied(samples.component(subject)) == (
        "node w1 may have certificates of system:kube-proxy of no organization"
        " and system:k3a-flannel:w1 of the organization system:k3a-flannel, and no others"
    )


@pytest.mark.parametrize("names", ["DNS:w1", "DNS:w1,DNS:localhost,IP:127.0.0.1,IP:::1,IP:10.0.0.2,IP:fd00::2", "IP:::ffff:10.0.0.2"])
def test_a_serving_certificate_for_a_nodes_own_names(names):
    assert decide(samples.serving(names), **own(NODE)).action == approver.APPROVE


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.0.0.3", "the address of another node, w3"),
        ("10.42.7.1", "in a network of pods or services"),
        ("10.43.0.1", "in a network of pods or services"),
        ("fd00:42::7", "in a network of pods or services"),
        ("10.0.0.1", "an address of the API"),
        ("10.0.0.9", "an address of the API"),
        ("10.0.0.100", "an address of the API"),
        ("::ffff:10.0.0.1", "an address of the API"),
        ("0.0.0.0", "no address of a machine"),
        ("224.0.0.1", "no address of a machine"),
    ],
)
def test_addresses_that_no_node_may_have(address, reason):
    csr = samples.serving(f"DNS:w1,IP:{address}")
    # That it has reported the address changes nothing: a node can report what it wants.
    for node in (samples.node("w1"), samples.node("w1", address, "10.0.0.2")):
        assert reason in denied(csr, **own(node, holders={"10.0.0.3": "w3"}))


def test_a_node_gets_a_certificate_for_what_it_has_reported_or_was_given_before():
    csr = samples.serving("IP:10.0.0.77")
    assert "not among the addresses of the node (10.0.0.2, fd00::2)" in denied(csr, **own(NODE))
    assert "not among the addresses of the node ()" in denied(csr, **own(samples.node("w1")))
    assert decide(csr, **own(NODE, given=frozenset({"10.0.0.77"}))).action == approver.APPROVE


def test_a_node_that_claims_the_addresses_of_others_has_nobody_denied():
    claims = {"claimants": {"10.0.0.2": "evil\n<6>approved"}}
    assert decide(samples.serving(), **own(NODE, given=frozenset({"10.0.0.2"}), **claims)).action == approver.APPROVE
    decision = decide(samples.serving(), **own(NODE, **claims))
    assert (decision.action, decision.told) == (approver.LATER, True)
    assert "10.0.0.2 is reported by the node" in decision.text and decision.text.isprintable()


def everything(**known):
    """The decisions about all that a node asks for."""
    return {kind: decide(csr, **known) for kind, csr in OF_A_NODE.items()}


OF_A_NODE = {
    approver.RENEWAL: samples.renewal(),
    approver.SERVING: samples.serving(),
    approver.COMPONENT: samples.component(),
}


def test_a_node_renews_what_it_is():
    assert {decision.action for decision in everything(**own(NODE)).values()} == {approver.APPROVE}
    assert decide(samples.renewal(usages=("digital signature", "client auth", "key encipherment")), **own(NODE)).action
    for wrong in (
        samples.renewal("/O=system:nodes/CN=system:node:w2"),
        samples.renewal("/O=system:masters/CN=system:node:w1"),
        samples.renewal(names="DNS:w1"),
        samples.renewal(usages=("client auth", "server auth", "digital signature")),
    ):
        assert denied(wrong, **own(NODE))


def test_a_certificate_alone_makes_no_node():
    for known in (
        own(NODE, removed="2027-11-26T00:00:00Z"),
        {"node": None, "hashed": HASH, "owner": "uid-w1"},
        {"node": None},
    ):
        assert {decision.action for decision in everything(**known).values()} == {approver.DENY}


def test_a_node_that_was_deleted_and_made_anew_does_not_renew():
    for known in ({"node": NODE}, {"node": NODE, "hashed": HASH, "owner": "another"}, {"node": NODE, "hashed": HASH}):
        found = everything(**known)
        assert found.pop(approver.RENEWAL)[::3] == (approver.LATER, True)
        assert {decision.action for decision in found.values()} == {approver.DENY}


def test_a_name_that_was_removed_is_nobodys():
    for known in ({}, {"hashed": node_password.hash_of("right")}):
        text = denied(samples.joining(), password="right", removed="2027-11-26T00:00:00Z", **known)
        assert "was removed from the cluster" in text and "until 2027-11-26T00:00:00Z" in text


def test_a_name_with_dots_is_given_to_no_machine_that_joins():
    csr = samples.joining("/O=system:nodes/CN=system:node:github.com")
    assert "a name without dots" in denied(csr, password="x")
    # One that joined before this was so stays.
    assert decide(csr, password="right", hashed=HASH).action == approver.APPROVE


def test_a_token_has_so_many_names_without_nodes():
    assert decide(samples.joining(), password="x", pending=approver.SHARE - 1).action == approver.APPROVE
    assert "64 names for which no node has come" in denied(samples.joining(), password="x", pending=approver.SHARE)
    assert decide(samples.joining(), password="right", hashed=HASH, pending=999).action == approver.APPROVE


def test_a_machine_joins_for_a_month_at_most():
    for lifetime in (0, -1, approver.LIFETIME + 1):
        assert "30 days at most" in denied(samples.joining(lifetime=lifetime), password="x")


def test_what_is_large_is_refused_unread():
    assert approver.oversize(samples.joining()) == ""
    large = samples.csr("kubelet-serving", b"x" * 16385)
    assert approver.oversize(large) == "its request has 21848 characters, and may have 21845"
    names = ",".join(f"DNS:n{number}" for number in range(33))
    assert denied(samples.serving(names), **own(NODE)) == "it names 33 names and addresses, and may name 32"


@pytest.mark.parametrize(
    "csr",
    [
        samples.serving("DNS:w1," + ",".join(f"DNS:{letter * 60}.{letter * 60}" for letter in "abcdefgh")),
        samples.joining(usages=tuple(f"usage {number}" * 20 for number in range(99))),
        samples.joining("/O=system:nodes/CN=system:node:" + "/L=x" * 99),
    ],
)
def test_what_is_refused_is_not_repeated_whole(csr):
    assert len(denied(csr, **own(NODE))) < 400


def test_a_weak_key_is_refused():
    request = _csr.parse(base64.b64decode(samples.joining()["spec"]["request"]))._replace(weakness="its key is weak")
    assert approver.wrong_form(samples.joining(), request, ()) == "its key is weak"


def test_of_what_others_wrote_the_first_few_are_shown():
    assert approver.listed("abcde") == "a, b, c and 2 more"


def test_nobody_waits_for_all_of_another():
    many = [samples.joining(name=f"m{number}", user="system:bootstrap:aaaaaa") for number in range(5)]
    few = [samples.joining(name=f"f{number}", user="system:bootstrap:bbbbbb") for number in range(2)]
    found = [csr["metadata"]["name"] for csr in approver.in_turn([*many, *few], 3)]
    assert found == ["m0", "f0", "m1", "f1", "m2"]


def test_a_name_is_as_long_as_that_of_a_node_may_be_and_fits_its_secret():
    long = "a" * 63
    assert len(node_password.secret_name(long)) <= 253
    subject = _csr.Request((f"system:node:{long}",), ("system:nodes",))
    assert approver.wrong_form(samples.joining(), subject, ()) == ""
    longer = subject._replace(common_names=(f"system:node:a{long}",))
    assert approver.wrong_form(samples.joining(), longer, ()).endswith("a valid node name")


Kept = node_password.Kept


@pytest.mark.parametrize(
    ("kept", "node", "fate"),
    [
        (Kept(until=50.0), "uid", approver.ADOPT),
        (Kept(), "uid", approver.ADOPT),
        (Kept("uid"), "uid", approver.LATER),
        # As earlier versions kept it, and one that was thought to be without its Node.
        (Kept("uid", bare=True), "uid", approver.ADOPT),
        (Kept("uid", until=200.0), "uid", approver.ADOPT),
        (Kept("uid"), "", approver.MARK),
        (Kept("uid"), "another", approver.MARK),
        (Kept("uid", until=200.0), "", approver.LATER),
        (Kept("uid", until=200.0), "another", approver.LATER),
        (Kept("uid", until=50.0), "", approver.DELETE),
        (Kept(until=50.0), "", approver.DELETE),
        (Kept(), "", approver.MARK),
    ],
)
def test_a_name_is_kept_as_long_as_a_certificate_of_it_could_live(kept, node, fate):
    assert approver.fate(kept, node, 100.0) == fate


def test_the_group_of_tokens_that_join_is_the_one_that_they_are_made_with():
    assert approver.JOINERS == token_secret.DEFAULT_GROUP
