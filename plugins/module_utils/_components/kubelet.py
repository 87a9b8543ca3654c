# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The kubelet as data: its KubeletConfiguration and its arguments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig, proxies
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, options, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    AGENT,
    NODES,
    OF_NODE,
    Certificate,
    Declaration,
    Port,
    Remains,
    refused,
)
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags, yaml
from ansible_collections.k3a.cluster.plugins.module_utils._host import resolver
from ansible_collections.k3a.cluster.plugins.module_utils._trust.leaves import KUBELET_CLIENT

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# The certificates API signs for a kubelet's server under this name only, so it has the same however it is signed.
NODE, ORGANIZATION = "system:node:{node}", "system:nodes"
DECLARATION = Declaration(
    name="kubelet",
    role=AGENT,
    program="kubelet",
    health="http://127.0.0.1:10248/healthz",
    arguments="kubelet_arg",
    fixed=("bootstrap-kubeconfig", "hostname-override", "kubeconfig"),
    refused=(
        *refused("the kubelet then knows none of what k3a's file says", "give what is in it as flags", "config"),
        *refused("its addresses are in certificates and records, too", "set k3a_node_ip", "node-ip"),
        *refused(
            "its health is asked for at loopback, at port 10248",
            "remove it",
            "healthz-bind-address",
            "healthz-port",
            harmless=("0.0.0.0", "127.0.0.1", "10248"),
        ),
        *refused("the runtime is the bundle's containerd", "remove it", "container-runtime-endpoint"),
        *refused("containerd uses systemd's", "remove it", "cgroup-driver", harmless=("systemd",)),
        *refused("a run waits until the node is registered", "remove it", "register-node", harmless=("true",)),
        *refused(
            "the API and the kubelet know each other by the cluster's own CAs",
            "remove it",
            "cert-dir",
            "client-ca-file",
            "tls-cert-file",
            "tls-private-key-file",
        ),
    ),
    awaited_by="flannel",
    ports=(Port(10248), Port(10250, NODES)),
    certificates=(
        Certificate("serving-kubelet", "kubelet-serving", NODE, ORGANIZATION, usages=("server",), names=OF_NODE),
        Certificate("client-kubelet", "client", NODE, ORGANIZATION, pair=KUBELET_CLIENT),
    ),
    remains=Remains(
        chains=("KUBE-",),
        paths=("/var/log/pods", "/var/log/containers"),
        shared=(
            "/etc/systemd/logind.conf.d",
            "/usr/libexec/kubernetes/kubelet-plugins/volume/exec",
            "/usr/libexec/kubernetes/kubelet-plugins/volume",
            "/usr/libexec/kubernetes/kubelet-plugins",
            "/usr/libexec/kubernetes",
        ),
    ),
)
# Seconds that an API may take to say whether it has a node; one that does not answer changes nothing.
LOOK_TIMEOUT = 2.0


def parse_taint(taint: str) -> dict[str, str]:
    """A taint written C(key=value:effect) or C(key:effect)."""
    head, _colon, effect = taint.rpartition(":")
    key, _equals, value = head.partition("=")
    return {"key": key, "value": value, "effect": effect}


def configuration(params: dict[str, Any], resolv_conf: str) -> dict[str, Any]:
    """The KubeletConfiguration of this node."""
    layout = layouts.Layout(params["data_dir"])
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True, "cacheTTL": "2m"},
            "x509": {"clientCAFile": layout.agent_tls("client-ca.crt")},
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": {"cacheAuthorizedTTL": "5m", "cacheUnauthorizedTTL": "30s"},
        },
        "cgroupDriver": "systemd",
        "clusterDNS": address.cluster_dns(params["cluster_dns"], params["service_cidr"]),
        "clusterDomain": params["cluster_domain"],
        "containerRuntimeEndpoint": f"unix://{layouts.CONTAINERD_SOCKET}",
        "evictionHard": {"imagefs.available": "5%", "nodefs.available": "5%"},
        "evictionMinimumReclaim": {"imagefs.available": "10%", "nodefs.available": "10%"},
        **({"failCgroupV1": False} if params["allow_cgroup_v1"] else {}),
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        "memorySwap": {"swapBehavior": "NoSwap"},
        "podPidsLimit": params["pod_pids_limit"],
        "protectKernelDefaults": params["protect_kernel_defaults"],
        "readOnlyPort": 0,
        **({"registerWithTaints": [parse_taint(t) for t in params["node_taints"]]} if params["node_taints"] else {}),
        "resolvConf": resolv_conf,
        "rotateCertificates": True,
        "seccompDefault": True,
        "serializeImagePulls": False,
        "shutdownGracePeriod": "30s",
        "shutdownGracePeriodCriticalPods": "10s",
        "staticPodPath": f"{layout.data_dir}/agent/pod-manifests",
        "tlsCertFile": layout.agent_tls("serving-kubelet.crt"),
        "tlsCipherSuites": layouts.TLS_CIPHER_SUITES.split(","),
        "tlsMinVersion": "VersionTLS12",
        "tlsPrivateKeyFile": layout.agent_tls("serving-kubelet.key"),
    }


def node_deleted(server_url: str, authority: str, certificate: str, node_name: str) -> health.Condition:
    """Whether the API has no such node: a kubelet registers its own only when it starts. Unknown is no reason."""

    def condition() -> str | None:
        try:
            api = node_api.NodeApi(server_url, authority, certificate=certificate, timeout=LOOK_TIMEOUT)
            known = api.get(node_api.object_path("/api/v1", "nodes", name=node_name))
        except node_api.ApiError:
            return None
        return None if known else f"the cluster has no node {node_name}"

    return condition


def kubelet_component(
    params: dict[str, Any], host_name: str, node_ips: Sequence[str], resolv_conf: str
) -> component.Component:
    """The kubelet as it should run on this node."""
    layout = layouts.Layout(params["data_dir"])
    config = layout.agent_etc("kubelet.yaml")
    client = layout.agent_etc("kubelet.kubeconfig")
    environment = layout.agent_etc("kubelet-proxy.env")
    node_name = params["node_name"] or host_name
    arguments = {
        "config": config,
        "kubeconfig": client,
        "node-ip": ",".join(node_ips),
        **({"hostname-override": node_name} if node_name != host_name else {}),
        **({"node-labels": ",".join(params["node_labels"])} if params["node_labels"] else {}),
        **flags.logging(params),
    }
    # The kubelet finds mount helpers on this path, and its plugins kubectl, another name of its own program.
    own = os.path.dirname(program(params, DECLARATION.program))
    path = f"PATH={own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    service = (
        ("Type", "notify"),
        ("Environment", path),
        *proxies.directives(params, environment),
        (
            "ExecStart",
            systemd.command_line(program(params, DECLARATION.program), flags.merge(arguments, params["extra_args"])),
        ),
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        *systemd.environment(params["environment"]),
        ("KillMode", "process"),
        ("Delegate", "yes"),
        ("TimeoutStartSec", "infinity"),
        ("TasksMax", "infinity"),
        ("LimitNOFILE", "1048576"),
    )
    content = kubeconfig.by_path(
        params["server_url"], layout.agent_tls("server-ca.crt"), KUBELET_CLIENT, KUBELET_CLIENT
    )
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text(
            "Kubernetes node agent (k3a)",
            (
                ("After", "network-online.target k3a-containerd.service"),
                ("Wants", "network-online.target"),
                *layouts.NEVER_GIVE_UP,
            ),
            service,
        ),
        directories=(files.Directory(f"{layout.data_dir}/agent/pod-manifests", 0o750),),
        files=(
            files.File(config, yaml.dump(configuration(params, resolv_conf)).encode(), mode=0o600),
            files.File(client, content.encode(), mode=0o600),
            *proxies.environment_files(params, environment),
        ),
        absent_secrets=proxies.surplus(params, environment),
        # Neither of its certificates: one it renews by itself, and that of its server it reads when the file changes.
        inputs=tuple(layout.agent_tls(name) for name in ("client-ca.crt", "server-ca.crt")),
        healthy=(health.answers_ok(DECLARATION.health),),
        outdated=(node_deleted(params["server_url"], layout.agent_tls("server-ca.crt"), KUBELET_CLIENT, node_name),),
    )


OPTIONS = component.argument_spec(
    {
        "server_url": options.SERVER_URL,
        "node_name": options.NODE_NAME,
        "node_ip": options.NODE_IP,
        "cluster_cidr": options.CLUSTER_CIDR,
        "service_cidr": options.SERVICE_CIDR,
        "cluster_dns": {"type": "list", "elements": "str", "default": []},
        "cluster_domain": options.CLUSTER_DOMAIN,
        "node_labels": {"type": "list", "elements": "str", "default": []},
        "node_taints": {"type": "list", "elements": "str", "default": []},
        "resolv_conf": {"type": "path", "default": ""},
        "allow_cgroup_v1": options.ALLOW_CGROUP_V1,
        "pod_pids_limit": {"type": "int", "default": 4096},
        "protect_kernel_defaults": {"type": "bool", "default": False},
        **proxies.OPTIONS,
        "environment": options.ENVIRONMENT,
        "v": options.V,
        "vmodule": options.VMODULE,
        "extra_args": options.EXTRA_ARGS,
    }
)


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    resolv_conf = params["resolv_conf"] or resolver.usable_resolv_conf()
    if not resolv_conf:
        raise K3aError(f"{resolver.NONE_USABLE}; {resolver.REMEDY}")
    wanted = kubelet_component(params, address.host_name(), node_ips, resolv_conf)
    module.exit_json(**component.converge(module, wanted, params["pending"]))
