# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubelet
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    component_of_step,
    directives,
    document,
    own_options,
    params_for,
    programs_elsewhere,
    unknown_flags,
)
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import NODES, Cluster, serving

URL = "https://10.0.0.1:6443"
CONFIG = "/var/lib/k3a/agent/etc/kubelet.yaml"


def component_of(host="w1", ips=("10.0.0.2",), **given):
    return kubelet.kubelet_component(params_for(kubelet, server_url=URL, **given), host, list(ips), "/etc/resolv.conf")


def test_the_configuration():
    suites = document(component_of(), CONFIG).pop("tlsCipherSuites")
    assert len(suites) == 6
    assert {k: v for k, v in document(component_of(), CONFIG).items() if k != "tlsCipherSuites"} == {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True, "cacheTTL": "2m"},
            "x509": {"clientCAFile": "/var/lib/k3a/agent/tls/client-ca.crt"},
        },
        "authorization": {"mode": "Webhook", "webhook": {"cacheAuthorizedTTL": "5m", "cacheUnauthorizedTTL": "30s"}},
        "cgroupDriver": "systemd",
        "clusterDNS": ["10.43.0.10"],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/k3a/containerd/containerd.sock",
        "evictionHard": {"imagefs.available": "5%", "nodefs.available": "5%"},
        "evictionMinimumReclaim": {"imagefs.available": "10%", "nodefs.available": "10%"},
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        "memorySwap": {"swapBehavior": "NoSwap"},
        "podPidsLimit": 4096,
        "protectKernelDefaults": False,
        "readOnlyPort": 0,
        "resolvConf": "/etc/resolv.conf",
        "rotateCertificates": True,
        "seccompDefault": True,
        "serializeImagePulls": False,
        "shutdownGracePeriod": "30s",
        "shutdownGracePeriodCriticalPods": "10s",
        "staticPodPath": "/var/lib/k3a/agent/pod-manifests",
        "tlsCertFile": "/var/lib/k3a/agent/tls/serving-kubelet.crt",
        "tlsMinVersion": "VersionTLS12",
        "tlsPrivateKeyFile": "/var/lib/k3a/agent/tls/serving-kubelet.key",
    }


def test_choices_reach_the_configuration():
    written = document(
        component_of(
            node_taints=["dedicated=db:NoSchedule", "gpu:NoExecute"],
            service_cidr=["10.43.0.0/16", "fd00:43::/112"],
            cluster_domain="k3a.test",
            allow_cgroup_v1=True,
            protect_kernel_defaults=True,
            pod_pids_limit=-1,
        ),
        CONFIG,
    )
    assert written["registerWithTaints"] == [
        {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
        {"key": "gpu", "value": "", "effect": "NoExecute"},
    ]
    assert written["clusterDNS"] == ["10.43.0.10", "fd00:43::a"]
    assert written["podPidsLimit"] == -1
    assert (written["clusterDomain"], written["failCgroupV1"], written["protectKernelDefaults"]) == (
        "k3a.test",
        False,
        True,
    )
    assert document(component_of(cluster_dns=["10.43.0.53"]), CONFIG)["clusterDNS"] == ["10.43.0.53"]


def test_a_node_that_no_inventory_knows_brings_its_labels_along():
    unit = component_of(node_labels=["example.com/disk=ssd", "zone="]).unit
    assert "--node-labels=example.com/disk=ssd,zone=" in command(unit)
    assert unknown_flags(unit) == []
    assert "--node-labels" not in component_of().unit


def test_the_arguments_and_their_programs_knowledge_of_them():
    unit = component_of().unit
    assert command(unit) == [
        f"{BUNDLE}/bin/kubelet",
        f"--config={CONFIG}",
        "--kubeconfig=/var/lib/k3a/agent/etc/kubelet.kubeconfig",
        "--node-ip=10.0.0.2",
    ]
    assert unknown_flags(component_of(node_name="other").unit) == []


def test_a_name_that_is_not_the_hosts_is_told_to_the_kubelet():
    assert "--hostname-override=other" in command(component_of(node_name="other").unit)
    assert not [word for word in command(component_of(node_name="w1").unit) if "hostname-override" in word]


def test_both_addresses_of_a_dual_stack_node_and_further_arguments():
    words = command(component_of(ips=("10.0.0.2", "fd00::2"), extra_args=["max-pods=200"]).unit)
    assert "--node-ip=10.0.0.2,fd00::2" in words
    assert "--max-pods=200" in words


def test_a_kubelet_whose_node_was_deleted_has_to_register_it_again(ca_certificates, tmp_path):
    cluster = Cluster(*ca_certificates)
    pair = tmp_path / "kubelet-client-current.pem"
    pair.write_text("".join(cluster.client.node("w1")))
    with serving(cluster, tmp_path) as url:
        known = kubelet.node_deleted(url, str(cluster.server.certificate), str(pair), "w1")
        assert known() == "the cluster has no node w1"
        cluster.objects[f"{NODES}/w1"] = {"metadata": {"name": "w1"}}
        assert known() is None
        assert {user for _method, _path, user in cluster.asked} == {"system:node:w1"}
        cluster.objects.clear()
        cluster.hiccups = [(403, "not yours")]
        assert known() is None, "what is not known is no reason to restart anything"
    assert known() is None
    assert kubelet.node_deleted(url, str(tmp_path / "none"), str(pair), "w1")() is None


def test_pods_outlive_the_kubelet():
    lines = directives(component_of().unit)
    assert (lines["KillMode"], lines["Delegate"]) == (["process"], ["yes"])
    assert "k3a-containerd.service" in lines["After"][0]


def test_what_the_kubelet_renews_or_reads_again_by_itself_restarts_nothing():
    component = component_of()
    assert {path.rpartition("/")[2] for path in component.inputs} == {"client-ca.crt", "server-ca.crt"}
    user = document(component, "/var/lib/k3a/agent/etc/kubelet.kubeconfig")["users"][0]["user"]
    assert user["client-key"] == user["client-certificate"] == "/var/lib/kubelet/pki/kubelet-client-current.pem"
    assert component.files[0].content == component_of().files[0].content


def test_an_unusable_service_network_is_told():
    with pytest.raises(address.AddressError):
        component_of(service_cidr=["10.43.0.0/30"])


GIVEN = {"server_url": "https://10.0.0.1:6443", "node_ip": ["10.0.0.2"], "resolv_conf": "/etc/resolv.conf"}
OTHERS = {
    "environment": {"GODEBUG": "netdns=go"},
    "http_proxy": "http://proxy.example.org:3128",
    "https_proxy": "http://proxy.example.org:3128",
    "v": 4,
    "vmodule": "kubelet*=4",
    "allow_cgroup_v1": True,
    "bundle": "/var/lib/k3a/data/def",
    "cluster_dns": ["10.43.0.11"],
    "cluster_domain": "another.local",
    "data_dir": "/srv/k3a",
    "extra_args": ["v=4"],
    "node_ip": ["10.0.0.3"],
    "node_labels": ["disk=ssd"],
    "node_name": "another",
    "node_taints": ["dedicated=db:NoSchedule"],
    "pod_pids_limit": 100,
    "programs": programs_elsewhere(),
    "protect_kernel_defaults": True,
    "resolv_conf": "/etc/other.conf",
    "server_url": "https://10.0.0.9:6443",
    "service_cidr": ["10.45.0.0/16"],
}


@pytest.mark.parametrize("option", sorted(own_options(kubelet) - {"cluster_cidr", "no_proxy"}))
def test_every_option_reaches_the_component(monkeypatch, option):
    usual = component_of_step(monkeypatch, "kubelet", **GIVEN)
    assert component_of_step(monkeypatch, "kubelet", **GIVEN) == usual
    assert component_of_step(monkeypatch, "kubelet", **{**GIVEN, option: OTHERS[option]}) != usual


def test_a_resolver_configuration_that_was_given_is_not_looked_for(monkeypatch):
    monkeypatch.setattr(kubelet.resolver, "usable_resolv_conf", lambda: "/run/found.conf")
    for given, expected in (("/etc/resolv.conf", "/etc/resolv.conf"), ("", "/run/found.conf")):
        component = component_of_step(monkeypatch, "kubelet", **{**GIVEN, "resolv_conf": given})
        assert document(component, "/var/lib/k3a/agent/etc/kubelet.yaml")["resolvConf"] == expected


def test_a_node_with_the_hosts_name_overrides_nothing(monkeypatch):
    monkeypatch.setattr(kubelet.address, "host_name", lambda: "this-host")
    same, other = (component_of_step(monkeypatch, "kubelet", node_name=n, **GIVEN) for n in ("this-host", "w1"))
    assert not any("hostname-override" in word for word in command(same.unit))
    assert "--hostname-override=w1" in command(other.unit)


@pytest.mark.parametrize(
    "cidrs, ips",
    [
        (["10.42.0.0/16"], "10.0.0.2"),
        (["fd00:42::/56"], "fd00::2"),
        (["10.42.0.0/16", "fd00:42::/56"], "10.0.0.2,fd00::2"),
    ],
)
def test_the_nodes_own_addresses_are_those_of_the_clusters_families(monkeypatch, cidrs, ips):
    own = {4: "10.0.0.2", 6: "fd00::2"}
    monkeypatch.setattr(kubelet.address, "default_route_address", lambda _addresses, _table, family: own[family])
    component = component_of_step(monkeypatch, "kubelet", **{**GIVEN, "node_ip": [], "cluster_cidr": cidrs})
    assert f"--node-ip={ips}" in command(component.unit)
