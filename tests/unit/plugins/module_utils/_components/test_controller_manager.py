# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import controller_manager
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    directives,
    params_for,
    unknown_flags,
)

RUN = "/run/credentials/k3a-controller-manager.service"


def component_of(**given):
    return controller_manager.controller_manager_component(params_for(controller_manager, **given))


def test_the_arguments():
    unit = component_of().unit
    assert command(unit) == [
        f"{BUNDLE}/bin/kube-controller-manager",
        "--allocate-node-cidrs=true",
        f"--authentication-kubeconfig={RUN}/kubeconfig",
        f"--authorization-kubeconfig={RUN}/kubeconfig",
        "--bind-address=127.0.0.1",
        "--cluster-cidr=10.42.0.0/16",
        f"--cluster-signing-kube-apiserver-client-cert-file={RUN}/client-ca.crt",
        f"--cluster-signing-kube-apiserver-client-key-file={RUN}/client-ca.key",
        f"--cluster-signing-kubelet-client-cert-file={RUN}/client-ca.crt",
        f"--cluster-signing-kubelet-client-key-file={RUN}/client-ca.key",
        f"--cluster-signing-kubelet-serving-cert-file={RUN}/kubelet-serving-ca.crt",
        f"--cluster-signing-kubelet-serving-key-file={RUN}/kubelet-serving-ca.key",
        "--controllers=*,bootstrapsigner,tokencleaner",
        f"--kubeconfig={RUN}/kubeconfig",
        "--leader-elect=false",
        "--profiling=false",
        f"--root-ca-file={RUN}/server-ca.crt",
        "--secure-port=10257",
        f"--service-account-private-key-file={RUN}/service.key",
        "--service-cluster-ip-range=10.43.0.0/16",
        "--terminated-pod-gc-threshold=1000",
        "--tls-min-version=VersionTLS12",
        "--use-service-account-credentials=true",
    ]
    assert unknown_flags(unit) == []


def test_nobody_gets_a_certificate_of_the_server_ca_through_the_api():
    """By one of it a machine passes for the API."""
    unit = component_of().unit
    assert "server-ca.key:/var/lib/k3a/server/tls/server-ca.key" not in unit.replace("kubelet-serving-ca", "")
    assert "legacy-unknown" not in unit
    assert "--cluster-signing-cert-file" not in unit


def test_several_servers_elect_one_that_is_active():
    assert "--leader-elect=true" in command(component_of(leader_elect=True).unit)


def test_every_credential_that_is_read_is_loaded():
    component = component_of()
    loaded = {line.split(":")[0] for line in directives(component.unit)["LoadCredential"]}
    read = {word.split("=")[1].rpartition("/")[2] for word in command(component.unit) if f"={RUN}/" in word}
    assert loaded - read == {"client.crt", "client.key"}
    assert read <= loaded


def test_dual_stack_and_further_arguments():
    words = command(
        component_of(
            cluster_cidr=["10.42.0.0/16", "fd00:42::/56"],
            service_cidr=["10.43.0.0/16", "fd00:43::/112"],
            extra_args=["controllers+=-ttl", "node-cidr-mask-size-ipv6=64"],
        ).unit
    )
    assert {
        "--cluster-cidr=10.42.0.0/16,fd00:42::/56",
        "--service-cluster-ip-range=10.43.0.0/16,fd00:43::/112",
        "--controllers=*,bootstrapsigner,tokencleaner,-ttl",
        "--node-cidr-mask-size-ipv6=64",
    } <= set(words)


def test_of_a_ca_below_another_one_it_is_given_its_own_certificate_alone(tmp_path):
    """As an operator brings one: it refuses a file with two."""
    chain = [f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n" for name in ("issuer", "root")]
    tls = tmp_path / "server/tls"
    tls.mkdir(parents=True)
    (tls / "client-ca.crt").write_text("".join(chain))
    (tls / "kubelet-serving-ca.crt").write_text(chain[0])
    component = component_of(data_dir=str(tmp_path))
    own = f"{tmp_path}/server/etc/client-ca.nochain.crt"
    assert {file.path: file.content for file in component.files}[own] == chain[0].encode()
    handed = directives(component.unit)["LoadCredential"]
    assert f"client-ca.crt:{own}" in handed
    assert f"kubelet-serving-ca.crt:{tls}/kubelet-serving-ca.crt" in handed
    assert [file.path for file in component_of().files] == ["/var/lib/k3a/server/etc/controller-manager.kubeconfig"]


@pytest.mark.parametrize(
    "version, arguments, prefix",
    [
        (4, [], 24),
        (6, ["v=2"], 64),
        (4, ["node-cidr-mask-size=25", "node-cidr-mask-size=26"], 26),
        (6, ["node-cidr-mask-size-ipv4=26"], 64),
        (4, ["node-cidr-mask-size-ipv4=wide"], 24),
        (4, ["allocate-node-cidrs=false"], 0),
    ],
)
def test_how_large_a_nodes_own_network_is(version, arguments, prefix):
    assert controller_manager.node_prefix(version, arguments) == prefix
