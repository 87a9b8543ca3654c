# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The node agent that runs pods: what M(k3a.cluster.kubelet) does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils import _address as address
from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _kubelet as kubelet

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = component.argument_spec(
    {
        "server_url": {"type": "str", "required": True},
        "node_name": {"type": "str", "default": ""},
        "node_ip": {"type": "list", "elements": "str", "default": []},
        "cluster_cidr": {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]},
        "service_cidr": {"type": "list", "elements": "str", "default": ["10.43.0.0/16"]},
        "cluster_dns": {"type": "list", "elements": "str", "default": []},
        "cluster_domain": {"type": "str", "default": "cluster.local"},
        "node_labels": {"type": "list", "elements": "str", "default": []},
        "node_taint": {"type": "list", "elements": "str", "default": []},
        "resolv_conf": {"type": "path", "default": ""},
        "allow_cgroup_v1": {"type": "bool", "default": False},
        "protect_kernel_defaults": {"type": "bool", "default": False},
        "extra_args": {"type": "list", "elements": "str", "default": []},
    }
)


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    try:
        node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    except address.AddressError as error:
        module.fail_json(msg=str(error))
    resolv_conf = params["resolv_conf"] or kubelet.usable_resolv_conf()
    if not resolv_conf:
        module.fail_json(
            msg="neither /etc/resolv.conf nor /run/systemd/resolve/resolv.conf names a DNS server that pods can reach; "
            "set k3a_resolv_conf to a file that does"
        )
    wanted = kubelet.kubelet_component(params, address.host_name(), node_ips, resolv_conf)
    module.exit_json(**component.converge(module, wanted, params["pending"]))
