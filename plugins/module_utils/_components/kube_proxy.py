# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The services of the cluster on a node: what M(k3a.cluster.kube_proxy) does."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    component,
    files,
    handed,
    health,
    options,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    AGENT,
    Certificate,
    Declaration,
    Port,
    Refused,
    Remains,
    User,
    refused,
)
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

HEALTH, METRICS = 10256, 10249
# Its user is bound to its permissions by Kubernetes itself.
DECLARATION = Declaration(
    name="kube-proxy",
    role=AGENT,
    program="kube-proxy",
    health=f"http://127.0.0.1:{HEALTH}/healthz",
    arguments="kube_proxy_arg",
    fixed=("hostname-override", "kubeconfig", "master"),
    refused=(
        Refused("config", "beside a file kube-proxy heeds no other arguments", "write what is in it as arguments"),
        *refused(
            "kube-proxy then does no more than that and ends", "remove it", "cleanup", "init-only", "write-config-to"
        ),
        *refused("its health is asked for at loopback", "remove it", "healthz-bind-address", "healthz-port"),
        Refused("proxy-mode", "what the host needs for it has to be there", "set k3a_proxy_mode"),
        Refused("cluster-cidr", "the other components have to know it, too", "set k3a_cluster_cidr"),
    ),
    awaited_by="flannel",
    ports=(Port(METRICS), Port(HEALTH)),
    certificates=(Certificate("client-kube-proxy", "client", "system:kube-proxy", approved=True),),
    users=(User(layouts.XTABLES_GROUP, "Kubernetes service proxy (k3a)"),),
    remains=Remains(tables=("kube-proxy",), chains=("KUBE-",)),
)
OPTIONS = component.argument_spec(
    {
        "server_url": options.SERVER_URL,
        "node_name": options.NODE_NAME,
        "cluster_cidr": options.CLUSTER_CIDR,
        "proxy_mode": options.PROXY_MODE,
        "manage_conntrack": {"type": "bool", "default": True},
        "environment": options.ENVIRONMENT,
        "v": options.V,
        "vmodule": options.VMODULE,
        "extra_args": options.EXTRA_ARGS,
    }
)
UNTOUCHED_CONNTRACK = {
    "conntrack-max-per-core": "0",
    "conntrack-min": "0",
    "conntrack-tcp-timeout-close-wait": "0s",
    "conntrack-tcp-timeout-established": "0s",
}
# kube-proxy looks for the size of the table where only root may. The kernel has the same among the settings of the
# network, which are open to a process that has the capability.
TABLE_SIZE = (
    ("BindPaths", "-/proc/sys/net/netfilter/nf_conntrack_buckets:/sys/module/nf_conntrack/parameters/hashsize"),
)


def _arguments(params: dict[str, Any], node_name: str, client: str) -> dict[str, str]:
    """What it is told of this node. By a file it would be told alone: beside one it heeds no other arguments."""
    return {
        "cluster-cidr": ",".join(params["cluster_cidr"]),
        **({} if params["manage_conntrack"] else UNTOUCHED_CONNTRACK),
        "healthz-bind-address": f"127.0.0.1:{HEALTH}",
        "hostname-override": node_name,
        "kubeconfig": client,
        "metrics-bind-address": f"127.0.0.1:{METRICS}",
        "proxy-mode": params["proxy_mode"],
        **flags.logging(params),
    }


def kube_proxy_component(params: dict[str, Any], node_name: str, pending: Collection[str] = ()) -> component.Component:
    """kube-proxy as it should run on this node, where pending files are about to be replaced."""
    layout = layouts.Layout(params["data_dir"])
    client = layout.agent_etc("kube-proxy.kubeconfig")
    renewed = layouts.Credentials(DECLARATION.unit, layout.node_client("client-kube-proxy"))
    credentials = layouts.Credentials(DECLARATION.unit, (("kubeconfig", client), *renewed.sources))
    arguments = flags.merge(_arguments(params, node_name, credentials.path("kubeconfig")), params["extra_args"])
    command = systemd.command_line(program(params, DECLARATION.program), arguments)
    service = (
        *layouts.run_as(DECLARATION.users[0].name),
        ("ExecStart", command),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        *systemd.environment(params["environment"]),
        *layouts.NETWORK_SANDBOX,
        *layouts.closed_to_network(params["data_dir"]),
        *(TABLE_SIZE if params["manage_conntrack"] else ()),
    )
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text(
            "Kubernetes service proxy (k3a)", (*layouts.AFTER_NETWORK, *layouts.NEVER_GIVE_UP), service
        ),
        files=(files.File(client, kubeconfig.by_credentials(params["server_url"], credentials).encode(), mode=0o600),),
        # Of earlier versions.
        absent=(layout.agent_etc("kube-proxy.yaml"),),
        # Not its certificate: on a machine that joined by a token it is renewed, and handed over, without a run.
        inputs=(layout.agent_tls("server-ca.crt"),),
        outdated=(handed.outdated(renewed, pending),),
        healthy=(health.answers_ok(DECLARATION.health),),
    )


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    wanted = kube_proxy_component(params, params["node_name"] or address.host_name(), component.about_to_change(module))
    module.exit_json(**component.converge(module, wanted, params["pending"]))
