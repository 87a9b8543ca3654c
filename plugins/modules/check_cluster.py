#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: check_cluster
short_description: Judge all hosts of a cluster together, before anything changes
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Takes what M(k3a.cluster.check_config) found on each host, compares the hosts with each other, and fails with one
    message that names everything that is in the way of an install, host by host, with what to do about it.
  - Judges the servers as a cluster from what one of them says of it (O(server_reports)). Whether a new cluster begins,
    and on which host; that a majority of the servers can be reached; members of etcd that the inventory does not name;
    nodes whose name another machine has; tokens and addresses of another cluster.
  - Tells which hosts cannot reach which ports of others. What was read of a host's firewall is told, too, unless all
    hosts that tried its ports reached them.
  - Finds two hosts that are one (machine id, node name, address), variables that must agree between hosts and do not,
    a missing or empty group C(server), and hosts in both groups or in neither.
  - Reads the bundles that are about to be shipped to the last byte, once.
  - What is in the way of agents only takes these out of the run, unless C(k3a_strict) is set; everything else ends it.
  - What does not stop an install becomes a warning.
  - Makes the record of each host, which its tasks read.
  - Runs on the controller only. Without O(host_reports) it judges the groups alone.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  host_reports:
    type: list
    elements: dict
    default: []
    description: The results of M(k3a.cluster.check_config), one for each host.
  server_reports:
    type: list
    elements: dict
    default: []
    description: The results of M(k3a.cluster.server_info), one for each server that was asked.
  port_checks:
    type: list
    elements: dict
    default: []
    description: The results of M(k3a.cluster.port_check), one for each host that tried ports of others.
  join_info:
    type: dict
    default: {}
    description:
      - The result of M(k3a.cluster.join_info), where the hosts join a cluster by a token. Then neither groups nor
        servers are judged, but labels that a node may not give itself.
"""

EXAMPLES = r"""
- name: "Preflight: evaluate all findings"
  k3a.cluster.check_cluster:
    host_reports: "{{ ansible_play_hosts | map('extract', hostvars, '_k3a_check') }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: Everything that is in the way, a line each, or that nothing is.
  returned: always
  type: str
  sample: |-
    2 things are in the way, and nothing has been changed.
    server-1: the host has no command nft; install it (package nftables)
    agent-1: the clock is 95 s behind the controller's; synchronise both with the same time servers
first_server:
  description: The node name of the server that begins a new cluster; nothing when there is a cluster already.
  returned: with O(host_reports), when nothing is in the way
  type: str
  sample: server-1
server:
  description: The host, as the inventory names it, that answers for the cluster and signs its certificates.
  returned: with O(host_reports), when nothing is in the way
  type: str
  sample: server-1
ca_certificates:
  description: The certificates of the cluster's CAs by name, PEM; empty when there is no cluster yet.
  returned: with O(host_reports), when nothing is in the way
  type: dict
cluster_id:
  description: The UID of the cluster's namespace C(kube-system); empty when no API answers, or none is there yet.
  returned: with O(host_reports), when nothing is in the way
  type: str
  sample: 0b2d3c6e-6a8f-4f0e-9d3b-5a1c1f0e7d42
bootstrap_record:
  description: The state of the bootstrap record, as RV(k3a.cluster.server_info#module:bootstrap_record) has it.
  returned: with O(host_reports), when nothing is in the way
  type: str
  sample: current
etcd_endpoints:
  description: Client URLs of the members of etcd of all servers.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: ["https://192.0.2.10:2379"]
etcd_leader:
  description: Name of the member of etcd that leads the others; empty when there is no cluster yet.
  returned: with O(host_reports), when nothing is in the way
  type: str
  sample: server-1
server_hosts:
  description: The servers of the run, as the inventory names them.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: [server-1]
servers:
  description: Address and port of the API of all servers.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: ["192.0.2.10:6443"]
urls:
  description: URLs at which the controller may reach the API, those that servers publish first.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: ["https://192.0.2.10:6443"]
replaced_nodes:
  description: Nodes that have to go first, since their machines were rebuilt and take their names again.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: []
returning_nodes:
  description: The nodes of this run whose names were removed from the cluster before.
  returned: success
  type: list
  elements: str
  sample: [agent-1]
hosts_without_password:
  description: Hosts with a node whose password is not on the machine, or whose hash is not in the cluster.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: []
not_ready_nodes:
  description: Nodes that are not ready before the run.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: []
excluded_hosts:
  description: Hosts that are left out of the run, each with the sentences that say why.
  returned: with O(host_reports), when nothing is in the way
  type: dict
  sample: {agent-2: ["the host has no command nft; install it (package nftables)"]}
max_unavailable:
  description: How many nodes may be restarted at once.
  returned: with O(host_reports), when nothing is in the way
  type: int
  sample: 1
server_data_dir:
  description: The data directory of RV(server).
  returned: with O(host_reports), when nothing is in the way
  type: str
  sample: /var/lib/k3a
https_listen_port:
  description: The port of the API.
  returned: with O(host_reports), when nothing is in the way
  type: int
  sample: 6443
tls_san:
  description: Further names of the API.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: str
  sample: []
versions:
  description: Version of each component in the bundle.
  returned: with O(host_reports), when nothing is in the way
  type: dict
  sample: {kubernetes: v1.37.2}
coredns_image:
  description: CoreDNS's image in the bundle.
  returned: with O(host_reports), when nothing is in the way
  type: str
  sample: registry.k8s.io/coredns/coredns:v1.15.0
nodes:
  description: The nodes of the run, as M(k3a.cluster.node) takes them, each with its host.
  returned: with O(host_reports), when nothing is in the way
  type: list
  elements: dict
  sample:
    - host: agent-1
      name: agent-1
      labels: []
      annotations: []
      internal_ips: [192.0.2.20]
      taints: []
      foreign_network: false
config:
  description:
    - What all nodes of the cluster have in common, for machines that join by a token.
    - As C(nodes), the names of those of the inventory, by which no other machine is known in the cluster's DNS.
    - As C(server_nodes), the names of the servers with their addresses, which the approver of certificates believes.
  returned: with O(host_reports), when nothing is in the way
  type: dict
  sample: {cluster_cidr: [10.42.0.0/16], nodes: [agent-1, server-1], server_nodes: {server-1: [192.0.2.10]}}
hosts:
  description:
    - The record of each host that is in the run, by its name. It has the typed value of every variable that is no
      secret, by its name without C(k3a_), and what follows for the host, its node's name for one.
  returned: with O(host_reports) or O(join_info), when nothing is in the way
  type: dict
  sample: {agent-1: {node_name: agent-1, api_url: "https://127.0.0.1:6444", wait_timeout: 300}}
"""
