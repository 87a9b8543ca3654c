# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong at any moment: a killed run, a node without power. The next run, or the node, puts it right."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kubernetes import client
from urllib3.exceptions import HTTPError

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
KILLS = 6
# Each killed run gets a bit further than the one before, since that one's work is not done again.
FIRST_KILL, LAST_KILL = 2.0, 14.0
BACK = 180


def started(cluster, name: str, *options: str) -> subprocess.Popen:
    command = ["ansible-playbook", str(PLAYBOOKS / name), "-i", str(cluster.inventory), *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finished(cluster, name: str, *options: str) -> str:
    run = started(cluster, name, *options)
    output = run.communicate()[0]
    assert run.returncode == 0, output[-3000:]
    return output


def power_cycle(node: str) -> None:
    """Cut the power, and give it back."""
    for command in (["kill", "--signal", "KILL"], ["start"]):
        subprocess.run(["podman", *command, node], check=True, capture_output=True)


def nothing_changes(cluster) -> None:
    recap = finished(cluster, "site.yml").split("PLAY RECAP")[1]
    assert recap.count("changed=0") == len(cluster.nodes), recap


def wait_for_nodes(core, wait, nodes: list[str]) -> None:
    def ready():
        conditions = {
            node.metadata.name: {c.type: (c.status, c.last_heartbeat_time) for c in node.status.conditions}["Ready"]
            for node in core.list_node().items
        }
        return all(conditions.get(node, ("",))[0] == "True" for node in nodes), conditions

    wait(ready, f"{nodes} Ready", BACK)


def wait_for_pods(core, wait) -> None:
    def running():
        pods = core.list_namespaced_pod("kube-system").items
        state = {
            pod.metadata.name: [s.ready for s in pod.status.container_statuses or []]
            for pod in pods
            if not pod.metadata.deletion_timestamp
        }
        return bool(state) and all(all(ready) and ready for ready in state.values()), state

    wait(running, "every pod ready", BACK)


def test_killed_runs_are_finished_by_the_next(cluster):
    """From bare hosts, killed again and again at moments nobody chose; nothing of it is in the way of the last run."""
    finished(cluster, "reset.yml", "-e", "k3a_reset=yes")
    seed = int(time.time())
    moments = random.Random(seed)
    for kill in range(KILLS):
        run = started(cluster, "site.yml")
        time.sleep(FIRST_KILL + (LAST_KILL - FIRST_KILL) * kill / KILLS + moments.random())
        os.killpg(run.pid, signal.SIGKILL)
        output = run.communicate()[0]
        print(f"seed {seed}, kill {kill}:", [line for line in output.splitlines() if line.startswith("TASK")][-1:])
    finished(cluster, "site.yml")
    nothing_changes(cluster)


def test_a_node_without_power_in_the_middle_of_a_run(cluster, core, wait):
    agent = cluster.agents[0]
    cluster.run(agent, "rm /var/lib/k3a/agent/tls/client-kube-proxy.crt")
    run = started(cluster, "site.yml")
    time.sleep(4)
    power_cycle(agent)
    run.communicate()
    cluster.wait_for_ssh(agent)
    finished(cluster, "site.yml")
    nothing_changes(cluster)
    wait_for_nodes(core, wait, cluster.nodes)


@pytest.fixture
def web(cluster, core, wait):
    """A pod of an agent that outlives its Node for certain: no controller has a say in those of its own manifests."""
    agent, path = cluster.agents[0], "/var/lib/k3a/agent/pod-manifests/web.json"
    pods = core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-dns").items
    cluster.run(agent, "sh", "-ec", "mkdir /run/web; printf '.:5353 {\n health :8080\n}\n' > /run/web/Corefile")
    container = {
        "name": "web",
        "image": pods[0].spec.containers[0].image,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/run/web/Corefile"],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/run/web"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "config", "hostPath": {"path": "/run/web"}}],
        "terminationGracePeriodSeconds": 0,
    }
    meta = {"name": "web", "namespace": "kube-system"}
    cluster.feed(agent, json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}), "tee", path)
    wait_for_answer(cluster, core, wait, f"web-{agent}")
    yield f"web-{agent}"
    cluster.run(agent, "rm -r", path, "/run/web")


def wait_for_answer(cluster, core, wait, name: str):
    """The pod, when it answers another node than its own."""

    def answers():
        found = core.list_namespaced_pod("kube-system", field_selector=f"metadata.name={name}").items
        ip = found[0].status.pod_ip if found else None
        said = ip and cluster.run(cluster.servers[0], f"sh -c 'curl -s --max-time 5 http://{ip}:8080/health || true'")
        return said == "OK" and found[0], (ip, said)

    return wait(answers, f"{name} answers", 60)


def container_of(pod) -> tuple[str, str]:
    """Where a pod answers, and by which container."""
    return pod.status.pod_ip, pod.status.container_statuses[0].container_id


def is_in(ip: str | None, subnet: str) -> bool:
    return ip is not None and ipaddress.ip_address(ip) in ipaddress.ip_network(subnet)


def pods_outside(core) -> dict[str, str]:
    """The pods that run with an address of another subnet than their node's."""
    subnets = {node.metadata.name: node.spec.pod_cidr for node in core.list_node().items}
    return {
        pod.metadata.name: pod.status.pod_ip
        for pod in core.list_pod_for_all_namespaces(field_selector="status.phase=Running").items
        if not pod.spec.host_network and not is_in(pod.status.pod_ip, subnets[pod.spec.node_name])
    }


def test_a_node_that_somebody_deleted_is_put_back(cluster, core, wait, web):
    """Its kubelet registers it, and its flannel takes a lease, only when they start; pods find their way again."""
    agent, server = cluster.agents[0], cluster.servers[0]
    before = cluster.main_pids(server)
    core.delete_node(agent)
    said = finished(cluster, "site.yml", "--diff")
    wait_for_nodes(core, wait, cluster.nodes)
    pods = core.read_node(agent).spec.pod_cidr

    def routed():
        route = cluster.run(server, "ip -4 route show", pods)
        return "flannel.1" in route, route

    wait(routed, f"a route from {server} to the pods {pods} of {agent}", 20)
    # They have got another subnet, and say so a moment later.
    wait(lambda: (not pods_outside(core), pods_outside(core)), "every pod has an address of its node's subnet", 20)
    answering = wait_for_answer(cluster, core, wait, web)
    assert f"pod kube-system/{web}" in said
    assert cluster.main_pids(server) == before
    nothing_changes(cluster)
    staying = wait_for_answer(cluster, core, wait, web)
    assert container_of(staying) == container_of(answering)


@pytest.mark.parametrize("group", ["agents", "servers"])
def test_a_rebooted_node_comes_back_by_itself(cluster, core, wait, group):
    node = getattr(cluster, group)[0]
    power_cycle(node)
    cluster.wait_for_ssh(node)

    def answers():
        try:
            return core.get_api_resources() is not None, ""
        except (HTTPError, client.ApiException) as error:
            return False, error

    wait(answers, "the API answers", BACK)
    wait_for_units(cluster, wait, node)
    wait_for_nodes(core, wait, cluster.nodes)
    wait_for_pods(core, wait)
    nothing_changes(cluster)


def wait_for_units(cluster, wait, node: str) -> None:
    def active():
        units = {name: unit["ActiveState"] for name, unit in cluster.units(node, "ActiveState").items()}
        return set(units.values()) == {"active"}, units

    wait(active, f"all units of {node} active", BACK)


def test_restarted_units_leave_pods_alone(cluster, wait):
    """containerd and the kubelet stop and start; containers keep their processes."""
    server = cluster.servers[0]
    containers = "crictl ps --quiet | xargs -r -n1 crictl inspect --output go-template --template {{.info.pid}}"
    before = cluster.run(server, "sh -c", containers)
    cluster.run(server, "systemctl restart k3a-containerd k3a-kubelet k3a-apiserver k3a-etcd")

    def same():
        after = cluster.run(server, "sh -c", f"({containers}) 2>&1 || true")
        return after == before, after

    wait(same, f"the same containers as before, {before}", 60)
