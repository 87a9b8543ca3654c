# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._components import kube_proxy
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    directives,
    document,
    params_for,
    unknown_flags,
)

CONFIG = "/var/lib/k3a/agent/etc/kube-proxy.yaml"
URL = "https://10.0.0.1:6443"


def component_of(**given):
    return kube_proxy.kube_proxy_component(params_for(kube_proxy, server_url=URL, **given), "w1")


def test_the_configuration():
    assert document(component_of(), CONFIG) == {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": "/var/lib/k3a/agent/etc/kube-proxy.kubeconfig"},
        "clusterCIDR": "10.42.0.0/16",
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": "w1",
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "nftables",
    }


def test_choices_reach_the_configuration():
    written = document(
        component_of(proxy_mode="iptables", cluster_cidr=["10.42.0.0/16", "fd00:42::/56"], manage_conntrack=False),
        CONFIG,
    )
    assert (written["mode"], written["clusterCIDR"]) == ("iptables", "10.42.0.0/16,fd00:42::/56")
    assert written["conntrack"] == {
        "maxPerCore": 0,
        "min": 0,
        "tcpEstablishedTimeout": "0s",
        "tcpCloseWaitTimeout": "0s",
    }


def test_the_arguments():
    unit = component_of(extra_args=["v=4"]).unit
    assert command(unit) == [f"{BUNDLE}/bin/kube-proxy", f"--config={CONFIG}", "--v=4"]
    assert unknown_flags(unit) == []
    assert "CAP_NET_ADMIN" in directives(unit)["CapabilityBoundingSet"][0]


def test_it_has_a_certificate_of_its_own_whose_renewal_restarts_nothing():
    component = component_of()
    user = document(component, "/var/lib/k3a/agent/etc/kube-proxy.kubeconfig")["users"][0]["user"]
    assert component.inputs == ("/var/lib/k3a/agent/tls/server-ca.crt",)
    assert user["client-certificate"] == "/var/lib/k3a/agent/tls/client-kube-proxy.crt"
