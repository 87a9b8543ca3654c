# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that has a URL and a token becomes a node, and nobody who does not belong."""

from __future__ import annotations

import json

import pytest
from backdated import signed

TLS = "/var/lib/k3a/agent/tls"
# What no process renews by itself: the CA of each, and whom it names.
RENEWED = {
    "client-kube-proxy": ("client-ca", "/CN=system:kube-proxy"),
    "client-flannel": ("client-ca", "/O=system:k3a-flannel/CN=system:k3a-flannel:{node}"),
    "serving-kubelet": ("kubelet-serving-ca", "/O=system:nodes/CN=system:node:{node}"),
}


def changed_in(text: str, position: int) -> str:
    """Another token of the same form."""
    other = "0" if text[position] != "0" else "1"
    return f"{text[:position]}{other}{text[position + 1 :]}"


REFUSED = {
    "another cluster's": (lambda token: changed_in(token, 10), "the token pins another CA"),
    "a wrong secret": (lambda token: changed_in(token, -1 % len(token)), "the secret of the token {id} is wrong"),
    "an unknown one": (lambda token: f"{token[:-23]}zzzzzz.{token[-16:]}", "the token zzzzzz is unknown"),
    "none": (lambda _token: "", "k3a_token is empty, and this machine is no node yet"),
    "no token at all": (lambda _token: "K10abc", "k3a_token cannot be used"),
    "a server's": (lambda token: token.partition("::")[0] + "::server:0123456789", "k3a_token is a server token"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tokens_that_let_nobody_in(outsider, token, kind):
    make, sentence = REFUSED[kind]
    played = outsider.join(make(token))
    assert played.status != 0 and played.changed == {}
    wanted = sentence.format(id=token.partition("::")[2].partition(".")[0])
    assert wanted in " ".join(played.output.split()), played.output
    assert outsider.running() == ""


def test_another_clusters_values(outsider, token):
    played = outsider.join(token, k3a_cluster_cidr=["10.77.0.0/16"])
    assert played.status != 0 and played.changed == {}
    assert "k3a_cluster_cidr is 10.77.0.0/16 here and 10.42.0.0/16 in the cluster" in " ".join(played.output.split())
    assert outsider.running() == ""


def test_a_label_that_a_node_may_not_give_itself(outsider, token):
    played = outsider.join(token, k3a_node_label=["node-role.kubernetes.io/worker="])
    assert played.status != 0 and played.changed == {}
    assert "a node may not give itself node-role.kubernetes.io/worker=" in " ".join(played.output.split())
    assert outsider.running() == ""


def test_a_name_that_is_taken(cluster, servers, wait, outsider, token):
    """The approver refuses it, and says why: to the machine, in an event and in its journal."""
    taken = cluster.agents[0]
    before = servers.get(cluster.servers[0], "node", taken)["metadata"]["uid"]
    played = outsider.join(token, k3a_node_name=taken)
    assert played.status != 0
    assert f"a node named {taken} is already a member" in " ".join(played.output.split()), played.output
    assert outsider.running() == ""
    assert servers.get(cluster.servers[0], "node", taken)["metadata"]["uid"] == before

    def told():
        events = servers.get(cluster.servers[0], "events", "--field-selector=reason=NodeCertificateDenied")
        texts = [event["message"] for event in events["items"]]
        return any(taken in text for text in texts), texts

    wait(told, "an event that says why", 30)
    journal = "journalctl --unit=k3a-approver --output=cat --no-pager"
    said = "".join(cluster.feed(server, "", "sh", "-c", journal) for server in cluster.servers)
    assert f"a node named {taken} is already a member" in said


def test_a_token_lets_a_machine_in_while_apis_restart(cluster, servers, outsider, token):
    """The approvers outlive their API; the machine knows one server, and that one is as good as any."""
    for server in cluster.servers:
        assert cluster.feed(server, "", "systemctl", "restart", "k3a-apiserver") == ""
    played = outsider.join(token)
    assert played.status == 0, played.output[-4000:]
    assert token not in played.output and token.partition(".")[2] not in played.output
    servers.wait_until_whole()


def test_what_makes_it_a_node_ends_within_a_month(cluster, outsider):
    """And the node's password is kept with whose it is, and by which token it came."""
    for path in ("/var/lib/kubelet/pki/kubelet-client-current.pem", *(f"{TLS}/{name}.crt" for name in RENEWED)):
        assert_lives_30_days(cluster, outsider.name, path)
    secret = f"{outsider.name}.node-password.k3a"
    kept = cluster.kubectl("get", "secret", "--namespace=k3a-system", secret, "--output=yaml")
    assert "k3a.io/node-uid" in kept and "k3a.io/token" in kept and "ownerReferences" not in kept


def assert_lives_30_days(cluster, node, path):
    for days, expected in ((29, "will not expire"), (31, "will expire")):
        command = f"openssl x509 -noout -checkend {days * 86400} -in {path} || true"
        said = cluster.feed(node, "", "sh", "-c", command)
        assert expected in said, f"{path}: {said}"


def test_a_node_renews_its_certificates_when_half_of_their_time_is_over(cluster, wait, outsider):
    """Each with a new key. What was handed the former ones is started anew; a run has nothing to do afterwards."""
    node, server = outsider.name, cluster.servers[0]
    assert cluster.feed(node, "", "systemctl", "is-active", "k3a-certificate-renewal.timer") == "active\n"
    public = f"cat {TLS}/*.key | sha256sum"
    former, processes = cluster.feed(node, "", "sh", "-c", public), cluster.main_pids(node)
    for name, (authority, subject) in RENEWED.items():
        asked = ("-key", f"{TLS}/{name}.key", "-subj", subject.format(node=node))
        request = cluster.feed(node, "", "openssl", "req", "-new", *asked)
        certificate = signed(cluster, server, request, over=16, left=14, authority=authority)
        cluster.feed(node, certificate, "sh", "-ec", f"cat > {TLS}/{name}.crt")
    cluster.feed(node, "", "systemctl", "start", "k3a-certificate-renewal.service")
    journal = "journalctl --no-pager --output=cat --unit=k3a-certificate-renewal"
    said = cluster.feed(node, "", *journal.split())
    assert said.count("renewed ") == len(RENEWED) and "was not renewed" not in said, said
    for name in RENEWED:
        assert_lives_30_days(cluster, node, f"{TLS}/{name}.crt")
        cluster.feed(node, "", "cmp", f"{TLS}/{name}.crt", f"{TLS}/{name}.key")
    assert cluster.feed(node, "", "sh", "-c", public) != former

    def same(handed, path):
        return cluster.feed(node, "", "sh", "-c", f"cmp -s {handed} {path} && echo same || true") == "same\n", handed

    def served():
        """The kubelet reads its server's certificate again when the file changes."""
        serial = "openssl x509 -noout -serial"
        asked = f"openssl s_client -connect 127.0.0.1:10250 </dev/null 2>/dev/null | {serial}; {serial}"
        first, second = cluster.feed(node, "", "sh", "-c", f"{asked} -in {TLS}/serving-kubelet.crt").split()
        return first == second, f"{first} is served, and not {second}"

    wait(served, "the renewed certificate of the kubelet's server", 90)
    for component in ("kube-proxy", "flannel"):
        handed = f"/run/credentials/k3a-{component}.service/client.crt"
        wait(lambda path=handed, name=component: same(path, f"{TLS}/client-{name}.crt"), f"{component} with it", 30)
    played = outsider.join("")
    assert played.status == 0 and played.changed == {}, played.output[-4000:]
    now = cluster.main_pids(node)
    renewed = {"k3a-kube-proxy.service", "k3a-flannel.service"}
    assert {name for name, process in processes.items() if now[name] != process} == renewed


def test_a_node_needs_its_token_no_more(cluster, playbooks, outsider, token):
    playbooks.succeed("token_delete.yml", "-e", f"k3a_bootstrap_token={token.partition('::')[2].partition('.')[0]}")
    before = cluster.main_pids(outsider.name)
    played = outsider.join("")
    assert played.status == 0 and played.changed == {}, played.output[-4000:]
    assert cluster.main_pids(outsider.name) == before


def test_a_node_says_of_itself_what_it_is(cluster, servers, outsider):
    """Labels and annotations come and go with the variables, without a token; the node says how it was made."""

    def metadata():
        return servers.get(cluster.servers[0], "node", outsider.name)["metadata"]

    wanted = {"k3a_node_label": ["example.com/disk=ssd"], "k3a_node_annotation": ["example.com/owner=ann"]}
    assert outsider.join("", **wanted).status == 0
    found = metadata()
    assert found["labels"]["example.com/disk"] == "ssd"
    assert found["annotations"]["example.com/owner"] == "ann"
    arguments = json.loads(found["annotations"]["k3a.io/node-args"])
    assert arguments[0] == "agent" and "example.com/disk=ssd" in arguments
    assert outsider.join("", **wanted).changed == {}
    assert outsider.join("").status == 0
    found = metadata()
    assert "example.com/disk" not in found["labels"] and "example.com/owner" not in found["annotations"]


def test_a_machine_that_was_removed_does_not_come_back(cluster, servers, wait, outsider):
    """Its kubelet runs on, with a certificate that is valid; it is refused, by the API and by the approver."""
    name, server = outsider.name, cluster.servers[0]
    node = json.loads(cluster.kubectl("get", "node", name, "--output=json"))
    own = "kubectl --kubeconfig=/var/lib/k3a/agent/etc/kubelet.kubeconfig"
    removed = json.dumps({"data": {name: "2099-01-01T00:00:00Z"}})
    listed = "configmap --namespace=k3a-system k3a-removed-nodes"
    script = f"kubectl create {listed}; kubectl patch {listed} --type=merge -p '{removed}'"
    script += f" && kubectl delete node {name}"
    cluster.feed(server, "", "sh", "-c", f"({script}) 2>&1")
    body = json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    said = cluster.feed(name, body, "sh", "-c", f"{own} create -f - 2>&1 || true")
    assert "this node was removed from the cluster" in said, said
    cluster.feed(name, "", "systemctl", "restart", "k3a-kubelet")
    assert "NotFound" in cluster.feed(server, "", "sh", "-c", f"sleep 10; kubectl get node {name} 2>&1 || true")
    script = "kubectl delete configmap --namespace=k3a-system k3a-removed-nodes"
    cluster.feed(server, "", "sh", "-c", script)
    wait(lambda: (name in cluster.kubectl("get", "nodes"), "no node"), "the node when its name is free", 120)
    assert node["metadata"]["uid"] != servers.get(server, "node", name)["metadata"]["uid"]


def test_a_machine_that_was_made_anew_is_another(servers, outsider, playbooks, tmp_path):
    """Its password went with its data: the name is taken until the node is removed."""
    path = tmp_path / "token"
    playbooks.succeed("token_create.yml", "-e", f"k3a_token_file={path}", "-e", "k3a_token_ttl=1h")
    outsider.leave()
    played = outsider.join(path.read_text().strip())
    assert played.status != 0
    assert f"a node named {outsider.name} is already a member" in " ".join(played.output.split())
    assert outsider.running() == ""
    # Removed, the name is nobody's as long as a certificate of it could be valid, unless nothing is left of it.
    playbooks.succeed("remove_node.yml", "-e", f"k3a_remove_node={outsider.name}")
    played = outsider.join(path.read_text().strip())
    assert played.status != 0
    assert f"a node named {outsider.name} was removed from the cluster" in " ".join(played.output.split())
    playbooks.succeed("remove_node.yml", "-e", f"k3a_remove_node={outsider.name}", "-e", "k3a_release_names=true")
    played = outsider.join(path.read_text().strip())
    assert played.status == 0, played.output[-4000:]
    servers.wait_until_whole()
