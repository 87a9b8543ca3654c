# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The Kubernetes controllers on a server: what M(k3a.cluster.controller_manager) does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import apiserver, control_plane
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    SERVER,
    Certificate,
    Declaration,
    Grant,
    Port,
    Rule,
    User,
    refused,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats.flags import split_argument
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PORT = 10257
DECLARATION = Declaration(
    name="controller-manager",
    role=SERVER,
    program="kube-controller-manager",
    health=f"https://127.0.0.1:{PORT}/healthz",
    arguments="kube_controller_manager_arg",
    fixed=("cluster-cidr", "kubeconfig", "master", "service-cluster-ip-range"),
    refused=(
        *control_plane.refused_of_client(PORT),
        *refused(
            "each kind of request has a CA of its own here, beside which it does not start",
            "remove it",
            "cluster-signing-cert-file",
            "cluster-signing-key-file",
        ),
    ),
    awaited_by="scheduler",
    ports=(Port(PORT),),
    certificates=(Certificate("client-controller", "client", "system:kube-controller-manager"),),
    users=(User("kube-controller-manager", "Kubernetes controller manager (k3a)"),),
    grants=(
        # By what its bootstrapsigner publishes, signed with each token, a machine with a token knows the cluster.
        Grant(
            "system:k3a-cluster-info",
            (("User", "system:anonymous"), ("Group", "system:bootstrappers"), ("Group", "system:nodes")),
            rules=(Rule(("configmaps",), ("get",), names=("cluster-info",)),),
            namespace="kube-public",
        ),
    ),
)
# How long the prefix of the network of each node is, by family, and how much longer than that of all pods it may be.
NODE_PREFIXES, WIDEST_IPV6 = {4: 24, 6: 64}, 16
OPTIONS = component.argument_spec(
    {
        "https_listen_port": options.HTTPS_LISTEN_PORT,
        "cluster_cidr": options.CLUSTER_CIDR,
        "service_cidr": options.SERVICE_CIDR,
        **control_plane.LEADER_ELECT,
        "environment": options.ENVIRONMENT,
        "v": options.V,
        "vmodule": options.VMODULE,
        "extra_args": options.EXTRA_ARGS,
    }
)


SIGNERS = ("kubelet-serving-ca", "client-ca")


def node_prefix(version: int, arguments: Iterable[str]) -> int:
    """The length of the prefix of each node's network, with these further arguments; 0 where nodes are given none."""
    given = {flag: value for flag, _operation, value in map(split_argument, arguments)}
    if given.get("allocate-node-cidrs") == "false":
        return 0
    told = given.get(f"node-cidr-mask-size-ipv{version}") or given.get("node-cidr-mask-size") or ""
    return int(told) if re.fullmatch(r"[0-9]{1,3}", told) else NODE_PREFIXES[version]


def issuer(layout: Layout, name: str) -> files.File | None:
    """The certificate of a CA without those above it, which the controller manager refuses beside it; if there are any.

    K3s calls such a file the same.
    """
    first, *above = pem.each_certificate(files.read_bytes(layout.tls(f"{name}.crt"))) or [""]
    return files.File(layout.server_etc(f"{name}.nochain.crt"), first.encode(), mode=0o600) if above else None


def controller_manager_component(params: dict[str, Any]) -> component.Component:
    """The controller manager as it should run on this server."""
    layout = Layout(params["data_dir"])
    issuers = {f"{name}.crt": file for name in SIGNERS for file in [issuer(layout, name)] if file}
    pairs = [f"{name}.{kind}" for name in SIGNERS for kind in ("crt", "key")]
    credentials = control_plane.client_credentials(
        layout, DECLARATION.name, "client-controller", *pairs, "service.key", elsewhere=issuers
    )
    client = (credentials.path("client-ca.crt"), credentials.path("client-ca.key"))
    kubelet = (credentials.path("kubelet-serving-ca.crt"), credentials.path("kubelet-serving-ca.key"))
    # Not legacy-unknown: nobody here trusts what that signs, and it signs for any name.
    signers = {
        "kube-apiserver-client": client,
        "kubelet-client": client,
        "kubelet-serving": kubelet,
    }
    signing = {
        f"cluster-signing-{signer}-{kind}-file": path
        for signer, pair in signers.items()
        for kind, path in zip(("cert", "key"), pair)
    }
    arguments = {
        **signing,
        "allocate-node-cidrs": "true",
        "cluster-cidr": ",".join(params["cluster_cidr"]),
        "controllers": "*,bootstrapsigner,tokencleaner",
        "root-ca-file": credentials.path("server-ca.crt"),
        "secure-port": str(PORT),
        "service-account-private-key-file": credentials.path("service.key"),
        "service-cluster-ip-range": ",".join(params["service_cidr"]),
        "terminated-pod-gc-threshold": "1000",
        "use-service-account-credentials": "true",
    }
    wanted = control_plane.client_component(DECLARATION, params, credentials, arguments)
    return replace(wanted, files=(*wanted.files, *issuers.values()))


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    deadline = time.monotonic() + params["timeout"]

    def wait_for_api(_plan: component.Plan) -> None:
        # Started earlier it would oversleep the API by up to half a minute, and so would all that come after it.
        component.wait_until_well(apiserver.awaited_component(params), deadline)

    control_plane.refuse_unusable(DECLARATION, params["extra_args"])
    wanted = controller_manager_component(params)
    module.exit_json(**component.converge(module, wanted, params["pending"], prepare=wait_for_api))
