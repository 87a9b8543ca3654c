# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr as _csr
from ansible_collections.k3a.cluster.tests.unit import csr_samples as samples

SETTINGS = approver.settings(
    json.dumps(
        {
            "cluster_cidr": ["10.42.0.0/16", "fd00:42::/56"],
            "service_cidr": ["10.43.0.0/16"],
            "servers": ["10.0.0.1:6443", "[fd00::1]:6443", "api.example:6443"],
            "tls_san": ["10.0.0.100", "lb.example"],
        }
    ),
    ["10.0.0.9"],
)
PROCESSES = (("system:kube-proxy", ""), ("system:k3a-flannel:{node}", "system:k3a-flannel"))
HASH = node_password.hash_of("right")


def decide(csr, **known):
    request = _csr.parse(base64.b64decode(csr["spec"]["request"]))
    return approver.decide(csr, request, approver.Context(**{"settings": SETTINGS, **known}), PROCESSES)


def denied(csr, **known):
    decision = decide(csr, **known)
    assert decision.action == approver.DENY
    assert not decision.enroll
    return decision.text


def test_the_settings():
    assert SETTINGS.networks == ("10.42.0.0/16", "fd00:42::/56", "10.43.0.0/16")
    assert SETTINGS.addresses == {"10.0.0.1", "fd00::1", "10.0.0.100", "10.0.0.9"}
    assert SETTINGS.names == {"api.example", "lb.example"}
    assert approver.settings("") == approver.Settings()


@pytest.mark.parametrize("config", ["{", '{"cluster_cidr": ["10.42.0.1/16"]}', '{"service_cidr": ["x"]}'])
def test_malformed_settings_are_not_taken_for_none(config):
    with pytest.raises(ValueError):
        approver.settings(config)


@pytest.mark.parametrize(
    ("csr", "kind"),
    [
        (samples.joining(), approver.JOIN),
        (samples.serving(), approver.SERVING),
        (samples.component(), approver.COMPONENT),
        # Of a node for itself: upstream's renewal.
        (samples.joining(user="system:node:w1"), ""),
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
    assert "remove_node.yml" in text


def test_a_name_of_a_node_that_has_no_password():
    assert "a node named w1 is already a member" in denied(samples.joining(), password="x", node=samples.node("w1"))


def test_the_password_is_waited_for_and_not_for_ever():
    assert decide(samples.joining(), age=1).action == approver.LATER
    assert "k3a-join" in denied(samples.joining(), age=60)
    assert "k3a-join" in denied(samples.joining(), age=60, hashed=HASH)


@pytest.mark.parametrize("name", ["kubernetes", "kubernetes.default.svc", "localhost", "x.svc", "api.example", "lb.example"])
def test_no_node_is_named_as_the_api(name):
    subject = f"/O=system:nodes/CN=system:node:{name}"
    assert "clients know the API" in denied(samples.joining(subject), password="x")
    serving = samples.serving(f"DNS:{name}", subject, user=f"system:node:{name}")
    assert "clients know the API" in denied(serving)


def test_a_server_that_is_known_by_its_nodes_name_keeps_it():
    subject = "/O=system:nodes/CN=system:node:api.example"
    serving = samples.serving("DNS:api.example,IP:10.0.0.1", subject, user="system:node:api.example")
    assert decide(serving, node=samples.node("api.example", "10.0.0.1", server=True)).action == approver.APPROVE
    assert denied(serving, node=samples.node("api.example", "10.0.0.1"))


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
            assert decide(samples.component(subject, usages=usages)).action == approver.APPROVE


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


NODE = samples.node("w1", "10.0.0.2", "fd00::2")


@pytest.mark.parametrize("names", ["DNS:w1", "DNS:w1,DNS:localhost,IP:127.0.0.1,IP:::1,IP:10.0.0.2,IP:fd00::2", "IP:::ffff:10.0.0.2"])
def test_a_serving_certificate_for_a_nodes_own_names(names):
    assert decide(samples.serving(names), node=NODE).action == approver.APPROVE


def test_a_serving_certificate_before_the_node_has_reported_addresses():
    for node in (None, samples.node("w1")):
        assert decide(samples.serving("DNS:w1,IP:10.0.0.77"), node=node).action == approver.APPROVE


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.0.0.3", "the address of another node"),
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
    others = frozenset({"10.0.0.3"})
    # That it has reported the address changes nothing: a node can report what it wants.
    for node in (None, samples.node("w1"), samples.node("w1", address, "10.0.0.2")):
        assert reason in denied(csr, node=node, others=others)


def test_a_node_that_has_reported_its_addresses_gets_no_others():
    assert "not among the addresses of the node (10.0.0.2, fd00::2)" in denied(samples.serving("IP:10.0.0.77"), node=NODE)


def test_a_server_may_have_its_own_address_though_it_is_the_apis():
    own = samples.node("w1", "10.0.0.1", server=True)
    assert decide(samples.serving("DNS:w1,IP:10.0.0.1"), node=own).action == approver.APPROVE
    assert "an address of the API" in denied(samples.serving("DNS:w1,IP:10.0.0.9"), node=own)


def test_the_longest_name_fits_its_secret():
    long = "a" * approver.LONGEST_NAME
    assert len(node_password.secret_name(long)) == 253
    subject = _csr.Request((f"system:node:{long}",), ("system:nodes",))
    assert approver.wrong_form(samples.joining(), subject, ()) == ""
    assert approver.wrong_form(samples.joining(), subject._replace(common_names=(f"system:node:a{long}",)), ())


@pytest.mark.parametrize(
    ("node", "age", "fate"),
    [
        (None, 0, approver.LATER),
        (None, approver.ORPHANED, approver.LATER),
        (None, approver.ORPHANED + 1, approver.DELETE),
        (NODE, 0, approver.ADOPT),
        (NODE, approver.ORPHANED + 1, approver.ADOPT),
    ],
)
def test_a_password_waits_for_its_node_but_not_for_ever(node, age, fate):
    assert approver.fate(node, age) == fate
