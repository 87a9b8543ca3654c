# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that does what a cluster is for."""

from __future__ import annotations

import urllib.request
from contextlib import closing

import pytest
from kubernetes import client
from kubernetes.stream import portforward, stream

NAMESPACE = "k3a-test"
LABELS = {"app": "web"}

# Asks the cluster's DNS as a pod does: run in a pod's network, which has no tools of its own.
ASK_DNS = """
import secrets, socket, sys
server, name = sys.argv[1:]
question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\\0\\0\\1\\0\\1"
ident = secrets.token_bytes(2)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.settimeout(5)
    udp.sendto(ident + b"\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + question, (server, 53))
    answer = udp.recv(512)
assert answer[:2] == ident and answer[3] & 15 == 0, answer
print(socket.inet_ntoa(answer[-4:]))
"""


@pytest.fixture(scope="module")
def image(core):
    """The one image with a web server in it that every node has: CoreDNS's own."""
    pods = core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-dns").items
    return pods[0].spec.containers[0].image


@pytest.fixture(scope="module")
def web(api, core, image, cluster, wait):
    """A Deployment of four replicas behind a Service, its pods on every node."""
    core.create_namespace(
        {"metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    )
    core.create_namespaced_config_map(
        NAMESPACE, {"metadata": {"name": "web"}, "data": {"Corefile": ".:5353 {\n  health :8080\n}\n"}}
    )
    container = {
        "name": "web",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": LABELS},
    }
    pod = {
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "web"}}],
        "topologySpreadConstraints": [spread],
        "terminationGracePeriodSeconds": 0,
    }
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment(
        NAMESPACE,
        {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 4,
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": pod},
            },
        },
    )
    service = core.create_namespaced_service(
        NAMESPACE,
        {
            "metadata": {"name": "web"},
            "spec": {"type": "NodePort", "selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    )

    def available():
        status = apps.read_namespaced_deployment_status("web", NAMESPACE).status
        return status.available_replicas == 4, status

    wait(available, "four replicas available", 180)
    yield service
    core.delete_namespace(NAMESPACE, propagation_policy="Foreground")

    def gone():
        names = [n.metadata.name for n in core.list_namespace().items]
        return NAMESPACE not in names, names

    wait(gone, "the namespace of the test gone")


@pytest.fixture(scope="module")
def pods(core, web):
    return core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def in_network_of(cluster, pod, *command: str) -> str:
    """Run a command of the node in a pod's network namespace."""
    ident = pod.status.container_statuses[0].container_id.removeprefix("containerd://")
    template = "{{.info.pid}}"
    pid = cluster.run(pod.spec.node_name, "crictl inspect --output go-template --template", template, ident).strip()
    return cluster.run(pod.spec.node_name, f"nsenter --net=/proc/{pid}/ns/net", *command).strip()


def test_every_host_is_a_ready_node(cluster, core):
    ready = {
        node.metadata.name: condition.status
        for node in core.list_node().items
        for condition in node.status.conditions
        if condition.type == "Ready"
    }
    assert ready == dict.fromkeys(cluster.nodes, "True")


def test_the_nodes_run_one_version(core):
    assert len({node.status.node_info.kubelet_version for node in core.list_node().items}) == 1


def test_nodes_have_the_addresses_of_the_inventory(cluster, core):
    internal = {
        node.metadata.name: address.address
        for node in core.list_node().items
        for address in node.status.addresses
        if address.type == "InternalIP"
    }
    assert internal == cluster.addresses


def test_kubectl_on_a_server_needs_no_arguments(cluster):
    assert cluster.kubectl("get", "nodes", "--output", "name").split() == [f"node/{n}" for n in sorted(cluster.nodes)]


def test_the_deployment_is_on_every_node(cluster, pods):
    assert {pod.spec.node_name for pod in pods} == set(cluster.nodes)


def test_the_cluster_ip_answers_on_every_node(cluster, web, wait):
    """Each node's kube-proxy hears of ready pods a moment after whoever waits for the Deployment does."""
    curl = f"curl --silent --max-time 10 http://{web.spec.cluster_ip}/health || true"
    for node in cluster.nodes:

        def answers(node=node):
            answer = cluster.feed(node, "", "sh", "-c", curl)
            return answer == "OK", answer

        wait(answers, f"the Service by its cluster IP on {node}", 20)


def test_the_node_port_answers_on_every_node(cluster, web):
    """It comes with the cluster IP, in one change of the rules."""
    port = web.spec.ports[0].node_port
    answers = {node: fetch(f"http://{address}:{port}/health") for node, address in cluster.addresses.items()}
    assert answers == dict.fromkeys(cluster.nodes, "OK")


def test_pods_reach_pods_on_every_node(cluster, pods):
    for source in pods:
        for target in pods:
            url = f"http://{target.status.pod_ip}:8080/health"
            assert in_network_of(cluster, source, "curl", "--silent", "--show-error", "--max-time", "10", url) == "OK"


def test_dns_answers_pods_on_every_node(cluster, core, web, pods):
    dns = core.list_namespaced_service("kube-system", label_selector="k8s-app=kube-dns").items[0].spec.cluster_ip
    for pod in pods:
        name = f"web.{NAMESPACE}.svc.cluster.local"
        assert in_network_of(cluster, pod, "python3", "-c", ASK_DNS, dns, name) == web.spec.cluster_ip


def test_logs(core, pods):
    for pod in pods:
        assert "CoreDNS" in core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE)


def test_exec(core, pods):
    command = ["/coredns", "-version"]
    for pod in pods:
        where = (pod.metadata.name, NAMESPACE)
        text = stream(
            core.connect_get_namespaced_pod_exec,
            *where,
            command=command,
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
        )
        assert "CoreDNS" in text


def test_port_forward(core, pods):
    for pod in pods:
        forward = portforward(core.connect_get_namespaced_pod_portforward, pod.metadata.name, NAMESPACE, ports="8080")
        with closing(forward.socket(8080)) as connection:
            connection.setblocking(True)
            connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.0 200")


def test_metrics_of_kubelets_through_the_apiserver(cluster, core):
    for node in cluster.nodes:
        assert "kubelet_running_pods" in core.connect_get_node_proxy_with_path(node, "metrics")


def test_the_kubeconfigs_are_private(cluster):
    assert (cluster.directory / "kubeconfig").stat().st_mode & 0o777 == 0o600
    assert cluster.run(cluster.servers[0], "stat --format %a:%U /etc/k3a/k3a.yaml") == "600:root\n"
