# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The options that several modules have, each once: type, default and choices.

They are those of the variables of the same names, which a unit test compares; so are the few that one module has.
"""

from __future__ import annotations

from typing import Any

Option = dict[str, Any]

ADVERTISE_ADDRESS: Option = {"type": "str", "default": ""}
ALLOW_CGROUP_V1: Option = {"type": "bool", "default": False}
CLUSTER_CIDR: Option = {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]}
CLUSTER_DOMAIN: Option = {"type": "str", "default": "cluster.local"}
DATA_DIR: Option = {"type": "path", "default": "/var/lib/k3a"}
DEBUG: Option = {"type": "bool", "default": False}
ENVIRONMENT: Option = {"type": "dict", "default": {}}
FLANNEL_BACKEND: Option = {
    "type": "str",
    "choices": ["vxlan", "host-gw", "wireguard-native", "none"],
    "default": "vxlan",
}
FLANNEL_IFACE: Option = {"type": "str", "default": ""}
HTTPS_LISTEN_PORT: Option = {"type": "int", "default": 6443}
LB_SERVER_PORT: Option = {"type": "int", "default": 6444}
NODE_IP: Option = {"type": "list", "elements": "str", "default": []}
NODE_NAME: Option = {"type": "str", "default": ""}
PROXY_MODE: Option = {"type": "str", "choices": ["nftables", "iptables"], "default": "nftables"}
SELINUX: Option = {"type": "bool", "default": False}
SERVICE_CIDR: Option = {"type": "list", "elements": "str", "default": ["10.43.0.0/16"]}
SNAPSHOTTER: Option = {"type": "str", "choices": ["overlayfs", "native"], "default": "overlayfs"}
V: Option = {"type": "int", "default": 0}
VMODULE: Option = {"type": "str", "default": ""}
WRITE_KUBECONFIG: Option = {"type": "path", "default": "/etc/k3a/k3a.yaml"}

# Variables by other names: of each component its own, and the time that a step may take.
EXTRA_ARGS: Option = {"type": "list", "elements": "str", "default": []}
TIMEOUT: Option = {"type": "int", "default": 300}
# Which playbook has the cluster's lock, for what looks at it again: plugins/action/turn.py says it.
LOCK_ID: Option = {"type": "str", "default": ""}
# A module that needs the API has to be told where it is.
SERVER_URL: Option = {"type": "str", "required": True}
# What another step of the run replaces.
PENDING: Option = {"type": "list", "elements": "path", "default": []}
