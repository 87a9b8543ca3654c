#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: What a server knows of its cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Returns the public part of what a server keeps, and the members and nodes of its cluster. Run it on, or delegated
    to, a server, and give its result to the steps that make a node.
  - A server whose API or datastore does not answer says so in RV(healthy) and RV(reason); the module does not fail.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.advertise_address
  - k3a.cluster.options.https_listen_port
  - k3a.cluster.options.cluster_cidr
options:
  host:
    description:
      - The server, as the inventory names it, whose variables decide the other options. Empty is the host of the task.
    type: str
    default: ""
  cluster_cidr:
    description: The networks of pods; their families are those that the server needs addresses of.
"""

EXAMPLES = r"""
- name: Read the cluster from a server
  k3a.cluster.server_info:
  delegate_to: server-1
  run_once: true
  register: server
"""

RETURN = r"""
host:
  description: The server, as the inventory names it.
  returned: always
  type: str
  sample: server-1
url:
  description: The URL of the API on this server; empty where the host has no such address as the options ask for.
  returned: success
  type: str
  sample: https://192.0.2.10:6443
ca_certificates:
  description: The certificates of the cluster's CAs by name, PEM; empty before the server is installed.
  returned: success
  type: dict
  sample:
    server: "-----BEGIN CERTIFICATE-----..."
healthy:
  description: Whether the API of this server is ready and a majority of etcd answers it.
  returned: success
  type: bool
  sample: true
reason:
  description: Why the server is not healthy, or nothing.
  returned: success
  type: str
  sample: ""
etcd_members:
  description: The members of etcd as this server knows them; empty when its etcd does not answer.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Number of the member, a text.
      type: str
    name:
      description: Name of the member, which is its node's; empty until it has started once.
      type: str
    peer_urls:
      description: Where its peers reach it.
      type: list
      elements: str
    client_urls:
      description: Where it serves clients.
      type: list
      elements: str
    learner:
      description: Whether it does not vote yet.
      type: bool
    leader:
      description: Whether it leads the others.
      type: bool
    healthy:
      description: Whether it serves, votes and knows a leader.
      type: bool
nodes:
  description: The nodes of the cluster; empty when the API does not answer.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
    machine_id:
      description: The machine id that its kubelet reports.
      type: str
    addresses:
      description: Its addresses inside the cluster.
      type: list
      elements: str
    ready:
      description: Whether it is Ready.
      type: bool
node_passwords:
  description: The nodes whose password's hash the cluster keeps, as that of the Node that there is or is to come.
  returned: success
  type: list
  elements: str
  sample: [agent-1]
joined_nodes:
  description: The names that machines outside of the inventory were given, by a token.
  returned: success
  type: list
  elements: str
  sample: [worker-7]
removed_nodes:
  description: The names of nodes that were removed, and that nobody can have yet.
  returned: success
  type: list
  elements: str
  sample: [agent-2]
cluster_id:
  description: The UID of the namespace C(kube-system), by which a cluster is known; empty when the API does not answer.
  returned: success
  type: str
  sample: 0b2d3c6e-6a8f-4f0e-9d3b-5a1c1f0e7d42
config:
  description: What all nodes of the cluster have in common; empty when the API does not answer, or was not told yet.
  returned: success
  type: dict
  sample: {cluster_cidr: [10.42.0.0/16]}
issuer:
  description: What issues the tokens of service accounts; empty when the API does not answer, or does not tell.
  returned: success
  type: str
  sample: https://kubernetes.default.svc.cluster.local
bootstrap_record:
  description:
    - Whether the record of keys and CAs in the datastore is V(current), V(stale), V(absent), or encrypted with
      another token (V(other token)); V(unknown) when etcd does not answer.
  returned: success
  type: str
  sample: current
"""

import json
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import pages
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.node import lack
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import own_api
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd, EtcdError, client_url
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import excerpt, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password as passwords
from ansible_collections.k3a.cluster.plugins.module_utils._joining import removed
from ansible_collections.k3a.cluster.plugins.module_utils._joining.join import CONFIG, CONFIG_KEY
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap, record
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import TokenError

DISCOVERY = "/.well-known/openid-configuration"
NAMESPACE = "/api/v1/namespaces/kube-system"
SECRETS = f"/api/v1/namespaces/{passwords.NAMESPACE}/secrets"
# So many are taken of the addresses that a node reports of itself.
MOST = 32
# What is known of a cluster whose API does not answer.
NOBODY: dict[str, Any] = {
    "nodes": [],
    "node_passwords": [],
    "joined_nodes": [],
    "removed_nodes": [],
    "cluster_id": "",
    "config": {},
    "issuer": "",
}
OPTIONS = {
    "host": {"type": "str", "default": ""},
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
    "node_ip": options.NODE_IP,
    "advertise_address": options.ADVERTISE_ADDRESS,
    "https_listen_port": options.HTTPS_LISTEN_PORT,
    "cluster_cidr": options.CLUSTER_CIDR,
}


def datastore(layout: Layout, etcd: Etcd) -> dict[str, Any]:
    """The members of etcd and the state of the bootstrap record, or why they cannot be told."""
    try:
        leader = etcd.leader()
        members = [
            {
                "id": member.id,
                "name": member.name,
                "peer_urls": member.peer_urls,
                "client_urls": member.client_urls,
                "learner": member.learner,
                "leader": member.id == leader,
                "healthy": etcd.healthy(member),
            }
            for member in etcd.known_members()
        ]
    except EtcdError as error:
        return {"etcd_members": [], "bootstrap_record": "unknown", "reason": str(error)}
    try:
        return {"etcd_members": members, "bootstrap_record": record.status(layout, etcd), "reason": ""}
    except EtcdError as error:
        return {"etcd_members": members, "bootstrap_record": "unknown", "reason": str(error)}
    except (record.RecordError, TokenError):
        # Files that a record is made of are missing: the server is being installed.
        return {"etcd_members": members, "bootstrap_record": "stale", "reason": ""}


def nodes(layout: Layout, port: int) -> dict[str, Any]:
    """The nodes of the cluster, or why they cannot be told."""
    try:
        api = own_api(layout, port)
        api.request("GET", "/readyz")
        found = [(described(node), node["metadata"].get("uid", "")) for node in pages.nodes(api)]
        kept = {
            passwords.node_of(secret["metadata"]["name"]): passwords.kept(secret)
            for secret in pages.pages(api, SECRETS, {"fieldSelector": f"type={passwords.TYPE}"})
        }
        namespace, told, discovery = api.get(NAMESPACE), api.get(CONFIG), api.get(DISCOVERY)
        gone = passwords.removed_names(api.get(removed.PATH))
    except ApiError as error:
        return {**NOBODY, "reason": str(error)}
    uids = {node["name"]: uid for node, uid in found}
    return {
        "nodes": [node for node, _uid in found],
        # One of a Node that was deleted is not that of the next one of this name, whose UID is another.
        "node_passwords": [name for name, known in kept.items() if name and known.owner in ("", uids.get(name, ""))],
        "joined_nodes": [name for name, known in kept.items() if known.token],
        "removed_nodes": sorted(gone),
        # Neither is there before the cluster has begun.
        "cluster_id": (namespace or {}).get("metadata", {}).get("uid", ""),
        "config": config_of(told),
        "issuer": (discovery or {}).get("issuer", ""),
        "reason": "",
    }


def config_of(config_map: dict[str, Any] | None) -> dict[str, Any]:
    """What the cluster publishes for machines that join; what cannot be read is written again."""
    try:
        config = json.loads(((config_map or {}).get("data") or {}).get(CONFIG_KEY) or "{}")
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def described(node: dict[str, Any]) -> dict[str, Any]:
    """What tells a node from others. The node says it itself, so it may be any text, and any number of them."""
    status = node.get("status", {})
    told = [entry["address"] for entry in status.get("addresses", []) if entry["type"] == "InternalIP"]
    return {
        "name": node["metadata"]["name"],
        "machine_id": excerpt(status.get("nodeInfo", {}).get("machineID", "")),
        "addresses": list(filter(address.is_ip, told[:MOST])),
        "ready": not lack(node, datetime.now(timezone.utc)),
    }


def published_url(params: dict[str, Any]) -> str:
    """Where the server publishes its API; nothing where its options and the host do not tell, which the check says."""
    try:
        node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    except address.AddressError:
        return ""
    return f"https://{address.in_url(params['advertise_address'] or node_ips[0])}:{params['https_listen_port']}"


@reports_errors
def run(module: AnsibleModule) -> None:
    params = module.params
    layout = Layout(params["data_dir"])
    ca_certificates = bootstrap.read_authorities(layout)
    if ca_certificates:
        stored = datastore(layout, Etcd(layout, [client_url("127.0.0.1")]))
        seen = nodes(layout, params["https_listen_port"])
    else:
        stored = {"etcd_members": [], "bootstrap_record": "absent", "reason": "the server is not installed yet"}
        seen = {**NOBODY, "reason": ""}
    reason = stored["reason"] or seen["reason"]
    module.exit_json(
        changed=False,
        url=published_url(params),
        ca_certificates=ca_certificates,
        **{**stored, **seen, "healthy": not reason, "reason": reason},
    )


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
