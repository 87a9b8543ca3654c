# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The network between the pods of all nodes: what M(k3a.cluster.flannel) does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils import _address as address
from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _flannel as flannel

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

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
    wanted = flannel.flannel_component(params, params["node_name"] or address.host_name(), node_ips)
    act = component.withdraw if params["backend"] == "none" else component.converge
    module.exit_json(**act(module, wanted, params["pending"]))
