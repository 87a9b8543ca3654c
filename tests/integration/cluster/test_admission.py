# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API itself refuses of machines with a token, of nodes, of the approver and in a namespace."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest

JOINERS = ("system:bootstrappers", "system:bootstrappers:k3a:default-node-token")
TOKEN = ("system:bootstrap:abcdef", *JOINERS)
KUBELET = "kubernetes.io/kube-apiserver-client-kubelet"
CLIENT = ["digital signature", "client auth"]


def request(subject="/O=system:nodes/CN=system:node:stranger", names=""):
    """A request for a certificate, with a key that nobody keeps."""
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", "/dev/null", "-subj", subject, *(["-addext", f"subjectAltName={names}"] if names else [])]
    return subprocess.run(command, check=True, capture_output=True).stdout


def csr(pem, signer=KUBELET, **metadata):
    spec = {"signerName": signer, "usages": CLIENT, "request": base64.b64encode(pem).decode()}
    metadata = {"generateName": "k3a-test-", **metadata}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**kind, "metadata": metadata, "spec": spec}


def at(name, **metadata):
    """The metadata of a Secret at a place for node passwords."""
    return {"name": name, "namespace": "k3a-join", **metadata}


def secret(**more):
    password = base64.b64encode(b"x" * 32).decode()
    whole = {"metadata": at("abcdef-07"), "type": "k3a.io/join", "data": {"k3a-test": password}}
    return {"apiVersion": "v1", "kind": "Secret", **whole, **more}


def created(cluster, body, who=TOKEN, how="--dry-run=server --output=json"):
    """What the API says to somebody who makes an object; nothing is kept of it."""
    user, *groups = who
    claims = " ".join([f"--as={user}", *(f"--as-group={group}" for group in groups)])
    script = f"kubectl create {how} {claims} -f - 2>&1 || true"
    return cluster.feed(cluster.servers[0], json.dumps(body), "sh", "-c", script)


LARGE = ",".join(f"DNS:{letter * 60}.{letter * 60}.{letter * 60}" for letter in "abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    "body, told",
    [
        (csr(request(names=LARGE)), "with a bootstrap token a request has at most 4096 bytes"),
        (csr(request(), annotations={"a": "x" * 9999}), "neither labels nor annotations nor owners"),
        (csr(request(), finalizers=["example.com/for-ever"]), "nor finalizers"),
        (csr(request(), name="x" * 9999), "nor a name of more than 253 characters"),
        (csr(request(), "kubernetes.io/kube-apiserver-client"), "only certificates of"),
        (csr(request(), "example.com/other"), "only certificates of"),
        (secret(data={"k3a-test": base64.b64encode(b"x" * 9999).decode()}), "a Secret here is a node password"),
        (secret(type="Opaque"), "a Secret here is a node password"),
        (secret(stringData={"more": "x" * 9999}), "a Secret here is a node password"),
        (
            secret(metadata=at("abcdef-07", finalizers=["example.com/for-ever"])),
            "a Secret here is a node password",
        ),
        (secret(metadata=at("ghijkl-07")), "at one of the 32 places of its token"),
        (secret(metadata=at("abcdef-20")), "at one of the 32 places of its token"),
        (secret(metadata=at("abcdef-07x")), "at one of the 32 places of its token"),
        (secret(metadata={"generateName": "abcdef-0", "namespace": "k3a-join"}), "at one of the 32 places of its"),
    ],
)
def test_a_token_makes_nothing_large_and_nothing_else(cluster, body, told):
    said = created(cluster, body)
    assert "denied request" in said and told in said, said


def test_a_token_makes_what_it_takes_to_join(cluster):
    assert '"kind": "Secret"' in created(cluster, secret())
    made = json.loads(created(cluster, csr(request())))
    assert made["spec"]["expirationSeconds"] == 30 * 24 * 3600


def test_a_token_takes_no_place_of_another_one(cluster):
    """By all its places, and again and again by one that is taken: a quota would count each of these for a while."""
    places = [f"abcdef-{place:02x}" for place in range(32)]
    items = [secret(metadata=at(name)) for name in [*places, *places[:1] * 520]]
    try:
        created(cluster, {"apiVersion": "v1", "kind": "List", "items": items}, how="--output=name")
        assert "already exists" in created(cluster, secret())
        other = ("system:bootstrap:ghijkl", *JOINERS)
        assert '"kind": "Secret"' in created(cluster, secret(metadata=at("ghijkl-07")), other)
    finally:
        script = f"kubectl delete secret -n k3a-join --ignore-not-found {' '.join(places)}"
        cluster.feed(cluster.servers[0], "", "sh", "-c", script)


def test_the_api_serves_a_token_apart_from_all_others(cluster):
    """The API's answer names the FlowSchema by which it was sorted."""
    who = " ".join([f"--as={TOKEN[0]}", *(f"--as-group={group}" for group in TOKEN[1:])])
    asked = f"kubectl get csr none {who} -v=8 2>&1 || true"
    said = cluster.feed(cluster.servers[0], "", "sh", "-c", asked).lower()
    sought = ("flowschema", "k3a-join", "--output=jsonpath={.metadata.uid}")
    uid = cluster.feed(cluster.servers[0], "", "kubectl", "get", *sought)
    assert f"x-kubernetes-pf-flowschema-uid: {uid}" in said, said


def test_a_token_of_another_group_makes_nothing(cluster):
    other = ("system:bootstrap:abcdef", "system:bootstrappers", "system:bootstrappers:other")
    for body in (secret(), csr(request())):
        assert "cannot create resource" in created(cluster, body, other)


@pytest.mark.parametrize("signer", ["kube-apiserver-client-kubelet", "kube-apiserver-client", "kubelet-serving"])
def test_what_a_node_renews_is_short_lived_too(cluster, signer):
    node = cluster.agents[0]
    who = (f"system:node:{node}", "system:nodes")
    body = csr(request(f"/O=system:nodes/CN=system:node:{node}"), f"kubernetes.io/{signer}")
    assert json.loads(created(cluster, body, who))["spec"]["expirationSeconds"] == 30 * 24 * 3600


def test_the_approver_approves_for_nodes_only(cluster):
    body = csr(request("/CN=nobody"), "kubernetes.io/kube-apiserver-client", name="k3a-test-nobody")
    del body["metadata"]["generateName"]
    server = cluster.servers[0]
    approve = "kubectl certificate approve k3a-test-nobody --as=system:k3a-approver 2>&1 || true"
    try:
        cluster.feed(server, json.dumps(body), "sh", "-c", "kubectl create -f -")
        said = cluster.feed(server, "", "sh", "-c", approve)
        assert "the approver judges what nodes and joining machines ask for" in said, said
    finally:
        cluster.feed(server, "", "sh", "-c", "kubectl delete csr k3a-test-nobody --ignore-not-found")


@pytest.mark.parametrize(
    "pod, container",
    [
        ({}, {"securityContext": {"privileged": True}}),
        ({"hostNetwork": True}, {}),
        ({"hostPID": True}, {}),
        ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, {}),
    ],
    ids=["privileged", "network", "processes", "files"],
)
def test_no_pod_of_a_namespace_is_the_host(cluster, pod, container):
    """Whoever makes it: of the level of Pod Security no permission is an exception."""
    containers = [{"name": "test", "image": "example.com/none", **container}]
    metadata = {"name": "k3a-test-host", "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**pod, "containers": containers}}
    script = "kubectl create --dry-run=server --output=json -f - 2>&1 || true"
    said = cluster.feed(cluster.servers[0], json.dumps(body), "sh", "-c", script)
    assert 'violates PodSecurity "baseline' in said, said
