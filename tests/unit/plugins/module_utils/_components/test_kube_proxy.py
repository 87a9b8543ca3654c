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

HANDED = "/run/credentials/k3a-kube-proxy.service"
URL = "https://10.0.0.1:6443"


def component_of(**given):
    return kube_proxy.kube_proxy_component(params_for(kube_proxy, server_url=URL, **given), "w1")


def test_the_arguments():
    unit = component_of(extra_args=["v=4", "nodeport-addresses=primary", "metrics-bind-address=0.0.0.0:10249"]).unit
    assert command(unit) == [
        f"{BUNDLE}/bin/kube-proxy",
        "--cluster-cidr=10.42.0.0/16",
        "--healthz-bind-address=127.0.0.1:10256",
        "--hostname-override=w1",
        f"--kubeconfig={HANDED}/kubeconfig",
        "--metrics-bind-address=0.0.0.0:10249",
        "--nodeport-addresses=primary",
        "--proxy-mode=nftables",
        "--v=4",
    ]
    assert unknown_flags(unit) == []
    assert "CAP_NET_ADMIN" in directives(unit)["CapabilityBoundingSet"][0]


def test_choices_reach_the_arguments():
    unit = component_of(
        proxy_mode="iptables", cluster_cidr=["10.42.0.0/16", "fd00:42::/56"], manage_conntrack=False
    ).unit
    assert unknown_flags(unit) == []
    assert {
        "--cluster-cidr=10.42.0.0/16,fd00:42::/56",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    } <= set(command(unit))


def test_a_file_beside_which_it_would_heed_no_arguments_is_not_there():
    component = component_of()
    assert "--config" not in component.unit
    assert component.absent == ("/var/lib/k3a/agent/etc/kube-proxy.yaml",)
    assert {"config", "write-config-to"} <= {each.flag for each in kube_proxy.DECLARATION.refused}


def test_it_is_not_root_and_is_handed_what_is_root_s():
    component = component_of()
    found = directives(component.unit)
    assert (found["User"], found["Group"]) == (["kube-proxy"], ["kube-proxy"])
    assert "client.key:/var/lib/k3a/agent/tls/client-kube-proxy.key" in found["LoadCredential"]
    assert {(file.owner, file.mode) for file in component.files} == {("root", 0o600)}
    user = document(component, "/var/lib/k3a/agent/etc/kube-proxy.kubeconfig")["users"][0]["user"]
    assert user == {"client-certificate": f"{HANDED}/client.crt", "client-key": f"{HANDED}/client.key"}


def test_what_only_root_may_read_of_the_connection_table_is_found_where_the_capability_opens_it():
    usual, untouched = (directives(component_of(manage_conntrack=each).unit) for each in (True, False))
    assert usual["BindPaths"] == [
        "-/proc/sys/net/netfilter/nf_conntrack_buckets:/sys/module/nf_conntrack/parameters/hashsize"
    ]
    assert "BindPaths" not in untouched


def test_a_certificate_that_is_about_to_be_renewed_restarts_it():
    path = "/var/lib/k3a/agent/tls/client-kube-proxy.crt"
    params = params_for(kube_proxy, server_url=URL)
    said = [kube_proxy.kube_proxy_component(params, "w1", pending).outdated[0]() for pending in ((), ["/other"], [path])]
    assert said == [None, None, f"it was handed another {path}"]
    assert component_of().inputs == ("/var/lib/k3a/agent/tls/server-ca.crt",)
