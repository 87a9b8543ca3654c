# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The services of the cluster on a node: what M(k3a.cluster.kube_proxy) does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags, yaml

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = component.argument_spec(
    {
        "server_url": {"type": "str", "required": True},
        "node_name": {"type": "str", "default": ""},
        "cluster_cidr": {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]},
        "proxy_mode": {"type": "str", "choices": ["nftables", "iptables"], "default": "nftables"},
        "manage_conntrack": {"type": "bool", "default": True},
        "extra_args": {"type": "list", "elements": "str", "default": []},
    }
)
UNTOUCHED_CONNTRACK = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}


def configuration(params: dict, node_name: str, client: str) -> dict[str, Any]:
    """The KubeProxyConfiguration of this node."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": client},
        "clusterCIDR": ",".join(params["cluster_cidr"]),
        **({} if params["manage_conntrack"] else {"conntrack": UNTOUCHED_CONNTRACK}),
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": node_name,
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": params["proxy_mode"],
    }


def kube_proxy_component(params: dict, node_name: str) -> component.Component:
    """kube-proxy as it should run on this node."""
    layout = layouts.Layout(params["data_dir"])
    config = layout.agent_etc("kube-proxy.yaml")
    client = layout.agent_etc("kube-proxy.kubeconfig")
    certificate, key = layout.agent_tls("client-kube-proxy.crt"), layout.agent_tls("client-kube-proxy.key")
    content = kubeconfig.by_path(params["server_url"], layout.agent_tls("server-ca.crt"), certificate, key)
    command = systemd.command_line(
        program(params, "kube-proxy"), flags.merge({"config": config}, params["extra_args"])
    )
    service = (("ExecStart", command), *layouts.KEEP_RUNNING, *layouts.MEMORY, *layouts.NETWORK_SANDBOX)
    return component.Component(
        name="kube-proxy",
        unit=systemd.unit_text(
            "Kubernetes service proxy (k3a)", (*layouts.AFTER_NETWORK, *layouts.NEVER_GIVE_UP), service
        ),
        files=(
            files.File(config, yaml.dump(configuration(params, node_name, client)).encode(), mode=0o600),
            files.File(client, content.encode(), mode=0o600),
        ),
        inputs=(certificate, key, layout.agent_tls("server-ca.crt")),
        healthy=(health.answers_ok(health.ENDPOINTS["kube-proxy"]),),
    )


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    wanted = kube_proxy_component(params, params["node_name"] or address.host_name())
    module.exit_json(**component.converge(module, wanted, params["pending"]))
