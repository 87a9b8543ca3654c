# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options that several modules have, each by itself; a module that means less by it describes it again."""

    DATA_DIR = r"""
options:
  data_dir:
    description: Where k3a keeps its files on the host.
    type: path
    default: /var/lib/k3a
"""

    TIMEOUT = r"""
options:
  timeout:
    description: How many seconds to wait for another run on this host to end.
    type: int
    default: 300
"""

    LOCK_ID = r"""
options:
  lock_id:
    description:
      - Which playbook holds the cluster's lock, as the module's half on the controller says; no member of etcd is
        changed for another.
    type: str
    default: ""
"""

    NODE_NAME = r"""
options:
  node_name:
    description: The node's name. Empty is the host's name.
    type: str
    default: ""
"""

    NODE_IP = r"""
options:
  node_ip:
    description: The node's addresses. Empty is the address of the default route.
    type: list
    elements: str
    default: []
"""

    CLUSTER_CIDR = r"""
options:
  cluster_cidr:
    description: The networks of pods.
    type: list
    elements: str
    default: [10.42.0.0/16]
"""

    SERVICE_CIDR = r"""
options:
  service_cidr:
    description: The networks of services.
    type: list
    elements: str
    default: [10.43.0.0/16]
"""

    CLUSTER_DOMAIN = r"""
options:
  cluster_domain:
    description: The DNS domain of the cluster.
    type: str
    default: cluster.local
"""

    HTTPS_LISTEN_PORT = r"""
options:
  https_listen_port:
    description: The port of the API on this server.
    type: int
    default: 6443
"""

    ADVERTISE_ADDRESS = r"""
options:
  advertise_address:
    description: The address that the API server publishes to the cluster. Empty is the node's first.
    type: str
    default: ""
"""

    PROXY_MODE = r"""
options:
  proxy_mode:
    description: Which of the kernel's interfaces kube-proxy uses.
    type: str
    choices: [nftables, iptables]
    default: nftables
"""

    SERVER_URL = r"""
options:
  server_url:
    description: The URL of the API.
    type: str
    required: true
"""

    ENVIRONMENT = r"""
options:
  environment:
    description: Further variables of the component's environment. They stand in its unit, so they are no secrets.
    type: dict
    default: {}
"""

    V = r"""
options:
  v:
    description: How much the component writes into its journal.
    type: int
    default: 0
"""

    VMODULE = r"""
options:
  vmodule:
    description: How much single source files of the component write, as C(pattern=level), several with commas.
    type: str
    default: ""
"""

    DEBUG = r"""
options:
  debug:
    description: Whether the component writes all that it does into its journal.
    type: bool
    default: false
"""

    EXTRA_ARGS = r"""
options:
  extra_args:
    description:
      - Arguments for the component's program, each C(flag=value), that replace its own.
      - C(flag+=value) and C(flag-=value) add to the end or the start of the value that it has.
    type: list
    elements: str
    default: []
"""
