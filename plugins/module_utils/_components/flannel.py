# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""flannel as data: its network configuration and the CNI configuration that it completes on the node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

BACKENDS: dict[str, dict[str, Any]] = {
    "vxlan": {"Type": "vxlan"},
    "host-gw": {"Type": "host-gw"},
    "wireguard-native": {"Type": "wireguard", "PersistentKeepaliveInterval": 25},
    "none": {},
}


def network_configuration(params: dict[str, Any]) -> dict[str, Any]:
    """flannel's net-conf.json."""
    by_family = {address.family(cidr): cidr for cidr in params["cluster_cidr"]}
    return {
        "Network": by_family.get(4, "0.0.0.0/0"),
        "EnableIPv4": 4 in by_family,
        "IPv6Network": by_family.get(6, "::/0"),
        "EnableIPv6": 6 in by_family,
        "EnableNFTables": params["proxy_mode"] == "nftables",
        "Backend": BACKENDS[params["backend"]],
    }


def cni_template(params: dict[str, Any]) -> dict[str, Any]:
    """The CNI configuration, but for the node's own subnet and the MTU, which flannel fills in when it knows them."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "isDefaultGateway": True,
        "hairpinMode": True,
        "forceAddress": True,
        "ipam": {"type": "host-local", "ranges": [], "routes": [{"dst": cidr} for cidr in params["cluster_cidr"]]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "backend": params["proxy_mode"]}
    return {"cniVersion": "1.0.0", "name": "cbr0", "plugins": [bridge, portmap]}


def flannel_component(params: dict[str, Any], node_name: str, node_ips: Sequence[str]) -> component.Component:
    """flannel as it should run on this node."""
    layout = layouts.Layout(params["data_dir"])
    network = layout.agent_etc("flannel/net-conf.json")
    template = layout.agent_etc("flannel/cni.conflist")
    client = layout.agent_etc("flannel/kubeconfig")
    cni = layout.agent_etc("cni/net.d/10-flannel.conflist")
    certificate, key = layout.agent_tls("client-flannel.crt"), layout.agent_tls("client-flannel.key")
    arguments = {
        "kubeconfig-file": client,
        "net-config-path": network,
        "subnet-file": f"{layouts.FLANNEL_RUN}/subnet.env",
        "iface": params["iface"] or node_ips[0],
        "cni-conf-template": template,
        "cni-conf-file": cni,
    }
    service = (
        ("Type", "notify"),
        ("Environment", f"NODE_NAME={node_name}"),
        ("ExecStart", systemd.command_line(program(params, "flanneld"), flags.merge(arguments, ()))),
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        ("TimeoutStartSec", "infinity"),
        *layouts.NETWORK_SANDBOX,
        ("RuntimeDirectory", "flannel"),
        ("RuntimeDirectoryPreserve", "yes"),
        ("ReadWritePaths", layout.agent_etc("cni/net.d")),
    )
    contents = {
        network: json.dumps(network_configuration(params), indent=2) + "\n",
        template: json.dumps(cni_template(params), indent=2) + "\n",
        client: kubeconfig.by_path(params["server_url"], layout.agent_tls("server-ca.crt"), certificate, key),
    }
    return component.Component(
        name="flannel",
        unit=systemd.unit_text(
            "flannel, the pod network (k3a)", (*layouts.AFTER_NETWORK, *layouts.NEVER_GIVE_UP), service
        ),
        files=tuple(files.File(path, content.encode(), mode=0o600) for path, content in contents.items()),
        inputs=(certificate, key, layout.agent_tls("server-ca.crt")),
        generated=(cni, f"{layouts.FLANNEL_RUN}/subnet.env"),
        healthy=(health.exists(cni),),
    )


OPTIONS = component.argument_spec(
    {
        "server_url": {"type": "str", "required": True},
        "backend": {"type": "str", "choices": ["vxlan", "host-gw", "wireguard-native", "none"], "default": "vxlan"},
        "node_name": {"type": "str", "default": ""},
        "node_ip": {"type": "list", "elements": "str", "default": []},
        "iface": {"type": "str", "default": ""},
        "cluster_cidr": {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]},
        "proxy_mode": {"type": "str", "choices": ["nftables", "iptables"], "default": "nftables"},
    }
)


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    try:
        node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    except address.AddressError as error:
        module.fail_json(msg=str(error))
    wanted = flannel_component(params, params["node_name"] or address.host_name(), node_ips)
    act = component.withdraw if params["backend"] == "none" else component.converge
    module.exit_json(**act(module, wanted, params["pending"]))
