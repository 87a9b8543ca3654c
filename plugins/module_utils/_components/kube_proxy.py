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
    Remains,
    User,
)
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags, yaml

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
UNTOUCHED_CONNTRACK = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
# kube-proxy looks for the size of the table where only root may. The kernel has the same among the settings of the
# network, which are open to a process that has the capability.
TABLE_SIZE = (
    ("BindPaths", "-/proc/sys/net/netfilter/nf_conntrack_buckets:/sys/module/nf_conntrack/parameters/hashsize"),
)


def configuration(params: dict[str, Any], node_name: str, client: str) -> dict[str, Any]:
    """The KubeProxyConfiguration of this node."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": client},
        "clusterCIDR": ",".join(params["cluster_cidr"]),
        **({} if params["manage_conntrack"] else {"conntrack": UNTOUCHED_CONNTRACK}),
        "healthzBindAddress": f"127.0.0.1:{HEALTH}",
        "hostnameOverride": node_name,
        "metricsBindAddress": f"127.0.0.1:{METRICS}",
        "mode": params["proxy_mode"],
    }


def kube_proxy_component(params: dict[str, Any], node_name: str, pending: Collection[str] = ()) -> component.Component:
    """kube-proxy as it should run on this node, where pending files are about to be replaced."""
    layout = layouts.Layout(params["data_dir"])
    config = layout.agent_etc("kube-proxy.yaml")
    client = layout.agent_etc("kube-proxy.kubeconfig")
    own = (("config", config), ("kubeconfig", client))
    renewed = layouts.Credentials(DECLARATION.unit, layout.node_client("client-kube-proxy"))
    credentials = layouts.Credentials(DECLARATION.unit, (*own, *renewed.sources))
    document = configuration(params, node_name, credentials.path("kubeconfig"))
    # What it logs is by its arguments; of the others it takes none beside its file.
    common = {"config": credentials.path("config"), **flags.logging(params)}
    arguments = flags.merge(common, params["extra_args"])
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
        files=(
            files.File(config, yaml.dump(document).encode(), mode=0o600),
            files.File(client, kubeconfig.by_credentials(params["server_url"], credentials).encode(), mode=0o600),
        ),
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
