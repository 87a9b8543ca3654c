# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever is root on one node can do with the credentials that lie there: nothing to others."""

from __future__ import annotations

import base64
import json

import pytest
import yaml
from cryptography import x509

TLS = "/var/lib/k3a/agent/tls"
CURL = f"curl -s --cacert {TLS}/server-ca.crt --header Content-Type:application/merge-patch+json"
KUBELET = "/var/lib/kubelet/pki/kubelet-client-current.pem"


def as_flannel(cluster, node, method, path, change):
    """What the API says to flannel of a node, and whether it refused."""
    address = f"https://{cluster.addresses[cluster.servers[0]]}:6443/api/v1/nodes/{path}"
    own = f"--cert {TLS}/client-flannel.crt --key {TLS}/client-flannel.key"
    said = cluster.run(node, f"{CURL} {own} -X {method} --data", json.dumps(change), address)
    answer = json.loads(said)
    return answer.get("message", ""), answer["kind"] == "Status"


def patched(cluster, node, name, **change):
    return as_flannel(cluster, node, "PATCH", f"{name}/status", change)


def meta(**fields):
    return {"metadata": fields}


OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "gone", "uid": "0b2d"}
FOREIGN = {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.66"}]}}
ATTACKS = {
    "role": meta(labels={"node-role.kubernetes.io/control-plane": "true"}),
    "label removed": meta(labels={"kubernetes.io/hostname": None}),
    "owner": meta(ownerReferences=[OWNER]),
    "finalizer": meta(finalizers=["example.com/stays"]),
    "annotation": meta(annotations={"k3a.io/owned": "{}"}),
    "annotation removed": meta(annotations={"k3a.io/node-args": None}),
    "prefix": meta(annotations={"flannel.alpha.coreos.com.example.com/x": "y"}),
    "addresses": FOREIGN,
    "capacity": {"status": {"capacity": {"cpu": "1000"}}},
    "port": {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}},
    "readiness": {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
    "hidden": {**meta(annotations={"flannel.alpha.coreos.com/x": "y"}, labels={"a": "b"})},
}


@pytest.mark.parametrize("change", ATTACKS.values(), ids=ATTACKS)
def test_flannel_changes_nothing_else_of_its_node(cluster, core, change):
    node = cluster.agents[0]
    said, refused = patched(cluster, node, node, **change)
    assert refused and "k3a-flannel" in said, said
    # Whatever it said: the rest of the Node is as it was.
    assert "10.0.0.66" not in str(core.read_node(node).status.addresses)


MOVED = meta(annotations={"flannel.alpha.coreos.com/public-ip": "10.0.0.66"})


@pytest.mark.parametrize("change", [ATTACKS["role"], FOREIGN, MOVED])
def test_flannel_changes_nothing_of_another_node(cluster, change):
    node, other = cluster.agents[0], cluster.servers[0]
    said, refused = patched(cluster, node, other, **change)
    assert refused and "flannel may change its own Node only" in said, said


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_flannel_has_no_other_permission(cluster, method):
    node = cluster.agents[0]
    said, refused = as_flannel(cluster, node, method, node, meta(labels={"a": "b"}))
    assert refused and f'User "system:k3a-flannel:{node}" cannot' in said, said


def test_nobody_is_flannel_of_all_nodes(cluster):
    """A cluster that this version made has never had that identity."""
    asked = "kubectl auth can-i patch nodes --subresource=status --as=system:k3a-flannel 2>/dev/null || true"
    assert cluster.run(cluster.servers[0], asked).strip() == "no"


def test_flannel_says_of_its_node_what_it_has_to(cluster, core):
    node = cluster.agents[0]
    said, refused = patched(cluster, node, node, **meta(annotations={"flannel.alpha.coreos.com/k3a-test": "x"}))
    assert not refused, said
    assert core.read_node(node).metadata.annotations["flannel.alpha.coreos.com/k3a-test"] == "x"
    said, refused = patched(cluster, node, node, **meta(annotations={"flannel.alpha.coreos.com/k3a-test": None}))
    assert not refused, said
    cluster.run(node, "systemctl restart k3a-flannel")
    assert cluster.run(node, "systemctl is-active k3a-flannel").strip() == "active"
    annotations = core.read_node(node).metadata.annotations
    assert annotations["flannel.alpha.coreos.com/public-ip"] == cluster.addresses[node]


def test_a_network_policy_is_accepted_with_a_warning(cluster):
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "none"}}
    given = json.dumps({**body, "spec": {"podSelector": {}}})
    said = cluster.feed(cluster.servers[0], given, "sh", "-c", "kubectl apply --dry-run=server -f - 2>&1")
    assert "Warning:" in said and "nothing that k3a runs enforces a NetworkPolicy" in said and "created" in said


def test_a_service_takes_no_address_of_others(cluster):
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "thief"}}
    given = json.dumps({**body, "spec": {"ports": [{"port": 443}], "externalIPs": ["192.0.2.1"]}})
    said = cluster.feed(cluster.servers[0], given, "sh", "-c", "kubectl apply --dry-run=server -f - 2>&1 || true")
    assert "externalIPs" in said and "created" not in said


def test_no_file_that_is_copied_about_is_above_all_bindings(cluster):
    """Neither the operator's kubeconfig nor that of a server is of system:masters, which nobody could take away."""
    of_servers = [cluster.run(server, "cat /etc/k3a/k3a.yaml") for server in cluster.servers]
    for text in [(cluster.directory / "kubeconfig").read_text(), *of_servers]:
        (user,) = yaml.safe_load(text)["users"]
        subject = x509.load_pem_x509_certificate(base64.b64decode(user["user"]["client-certificate-data"])).subject
        assert subject.rfc4514_string() == "CN=k3a:administrator,O=k3a:administrators"
    for server in cluster.servers:
        found = cluster.run(server, "stat --format '%a %U' /var/lib/k3a/server/tls/client-admin.key").split()
        assert found == ["600", "root"]


def test_a_binding_that_was_deleted_locks_nobody_out(cluster, playbooks):
    server = cluster.servers[0]
    cluster.run(server, "kubectl delete clusterrolebinding k3a:administrators")
    said = cluster.run(server, "sh -c 'kubectl get nodes 2>&1 || true'")
    assert 'User "k3a:administrator" cannot list resource "nodes"' in said
    # What stays on a server's disk still opens everything.
    tls = "/var/lib/k3a/server/tls/client-admin"
    cluster.run(server, f"kubectl --client-certificate={tls}.crt --client-key={tls}.key get nodes")
    assert len(playbooks.succeed("site.yml").changed) == 1
    assert cluster.nodes[0] in cluster.run(server, "kubectl get nodes")


BINDING = """10.0.0.66 evil
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-evil}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:node:evil}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: test-evil, namespace: kube-system}
data:
  NodeHosts: |
    10.0.0.66"""
NAME = "10.0.0.66 registry.example.com\n    10.0.0.66"


def lies(core, node):
    """Whether a node has said what it should not, and what it says."""
    told = [each.address for each in core.read_node(node).status.addresses]
    return BINDING in told, told


def test_what_a_node_says_of_its_addresses_is_no_manifest(cluster, core, playbooks, wait):
    """By this a node with one bootstrap token was once cluster-admin: it patches its own status, as it may."""
    node = cluster.agents[0]
    told = [{"type": "InternalIP", "address": address} for address in (cluster.addresses[node], BINDING, NAME)]
    body = json.dumps({"status": {"addresses": [*told, {"type": "Hostname", "address": node}]}})
    address = f"https://{cluster.addresses[cluster.servers[0]]}:6443/api/v1/nodes/{node}/status"
    patch = f"{CURL} --cert {KUBELET} -X PATCH --data @/run/test-evil {address} --output /dev/null"
    cluster.feed(node, body, "tee", "/run/test-evil")
    # The kubelet says the truth again every now and then.
    cluster.run(node, "systemd-run --unit=test-evil sh -c", f"while :; do {patch}; sleep 0.3; done")
    try:
        wait(lambda: lies(core, node), "the node's lie")
        output = playbooks.succeed("site.yml").output
    finally:
        cluster.run(node, "sh -c 'systemctl stop test-evil; rm /run/test-evil'")
    assert f"CoreDNS leaves out addresses of {node}" in " ".join(output.split()), output
    kinds = "clusterrolebindings,configmaps"
    assert "evil" not in cluster.run(cluster.servers[0], f"kubectl get {kinds} --all-namespaces --output name")
    hosts = core.read_namespaced_config_map("coredns-node-hosts", "kube-system").data["NodeHosts"]
    assert "10.0.0.66" not in hosts and f"{cluster.addresses[node]} {node}\n" in hosts
