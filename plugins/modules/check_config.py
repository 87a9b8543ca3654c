#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: check_config
short_description: Find out whether a host can become a node
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Looks at a host as C(k3s check-config) does, and further, and changes nothing.
  - Checks the kernel's features, cgroups, host commands, systemd, ports held by others, space, mount options, swap,
    accounts of people with the names of our units' users, routes and addresses that collide with the cluster's
    networks, firewalls, and other Kubernetes distributions.
  - Its controller half checks the host's C(k3a_*) variables against the specifications of the collection's roles,
    names unknown ones, reads the bundle's manifest, and measures the host's clock against the controller's.
  - Every option is by default what the C(k3a_*) variables of the host say, so that a play needs none.
  - It does not fail on what it finds. M(k3a.cluster.check_cluster) judges the findings of all hosts at once.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  data_dir:
    type: path
    default: /var/lib/k3a
    description: Where everything will be installed.
  server:
    type: bool
    default: false
    description: Whether the host is to run the control plane. By default whether it is in the group C(server).
  agent:
    type: bool
    default: true
    description: Whether the host is to be a node.
  node_name:
    type: str
    default: ""
    description: Name of the node, by default the hostname.
  node_ip:
    type: list
    elements: str
    default: []
    description: Addresses of the node, by default those of the interface with the default route.
  cluster_cidr:
    type: list
    elements: str
    default: [10.42.0.0/16]
    description: Networks of the pods.
  service_cidr:
    type: list
    elements: str
    default: [10.43.0.0/16]
    description: Networks of the services.
  flannel_backend:
    type: str
    choices: [vxlan, host-gw, wireguard-native, none]
    default: vxlan
    description: How packets will travel between nodes.
  flannel_iface:
    type: str
    default: ""
    description: Interface that flannel will use.
  proxy_mode:
    type: str
    choices: [nftables, iptables]
    default: nftables
    description: How kube-proxy will implement services.
  snapshotter:
    type: str
    choices: [overlayfs, native]
    default: overlayfs
    description: The snapshotter of containerd.
  resolv_conf:
    type: str
    default: ""
    description: The resolver configuration that pods will get instead of the host's; it has to name a DNS server.
  allow_cgroup_v1:
    type: bool
    default: false
    description: Accept a host with cgroup v1.
  manage_firewall:
    type: bool
    default: false
    description: Whether firewalld and ufw will be opened; what they keep closed is no finding then.
  selinux:
    type: bool
    default: false
    description: Whether programs and containers will have labels of SELinux; a host that enforces it needs them.
  swap:
    type: str
    choices: [warn, fail]
    default: warn
    description: How bad it is that swap is on.
  bundle_id:
    type: str
    default: ""
    description: Identity of the bundle to install. A host that has it already needs no more space.
  bundle_size:
    type: int
    default: 1073741824
    description: Bytes that the bundle takes when it is unpacked.
  bundle_versions:
    type: dict
    default: {}
    description: The versions of the components in the bundle; that what is installed cannot become them is a finding.
  without_peers:
    type: list
    elements: str
    default: []
    description: From where nobody comes to this host, V(servers) or V(nodes); a firewall may keep such ports closed.
  with_node_id:
    type: bool
    default: false
    description: Whether the node's name ends in an id of the machine.
  protect_kernel_defaults:
    type: bool
    default: false
    description: Whether settings of the kernel that the kubelet wants otherwise are findings, and not changed.
  secrets_encryption:
    type: bool
    default: true
    description: Whether Secrets are to be encrypted; a server that encrypts them, or with another cipher, is a finding.
  secrets_encryption_provider:
    type: str
    choices: [secretbox, aescbc, aesgcm]
    default: secretbox
    description: The cipher for O(secrets_encryption).
  write_kubeconfig:
    type: path
    default: /etc/k3a/k3a.yaml
    description: Where the administrator's kubeconfig on a server will be; what is in its way is a finding.
  write_kubeconfig_group:
    type: str
    default: ""
    description: The group that the administrator's kubeconfig on a server will have; that there is none is a finding.
  token:
    type: str
    default: ""
    description: The server token that the operator gave; a server that keeps another one is a finding.
  components:
    type: list
    elements: dict
    default: []
    description: For the action plugin, which fills it in. All components, with what they need of this host.
    suboptions:
      name:
        type: str
        required: true
        description: The component's name.
      unit:
        type: str
        required: true
        description: Its service.
      routes:
        type: bool
        required: true
        description: Whether it makes routes through the host's own interfaces.
      users:
        type: list
        elements: str
        required: true
        description: The users that it will run as here.
      arguments:
        type: list
        elements: str
        default: []
        description:
          Its further arguments on this host; a file in one that its user may not read is a finding, and so is a value
          that it cannot read itself.
      rules:
        type: list
        elements: str
        default: []
        description: Its tables of nftables, and how the names of its chains in the tables of others begin.
      program:
        type: str
        default: ""
        description: Its program, which is asked whether it can read its arguments where it is installed.
      configuration:
        type: str
        default: ""
        description:
          The flag, if there is one, of a file that alone tells it how to reach the API; one that does not is a finding.
      ports:
        type: list
        elements: dict
        required: true
        description: The ports that it will listen on here.
        suboptions:
          protocol:
            type: str
            required: true
            description: V(tcp) or V(udp).
          number:
            type: int
            required: true
            description: The port's number.
          reach:
            type: str
            required: true
            description: From where it has to be reached.
          program:
            type: str
            required: true
            description: Who listens.
"""

EXAMPLES = r"""
- name: Look at each host
  k3a.cluster.check_config:
  register: _k3a_check

- name: "Preflight: evaluate all findings"
  k3a.cluster.check_cluster:
    host_reports: "{{ ansible_play_hosts | map('extract', hostvars, '_k3a_check') }}"
  run_once: true

- name: Find out whether a host could run Kubernetes from another disk, whatever the variables say
  k3a.cluster.check_config:
    data_dir: /srv/k3a
"""

RETURN = r"""
findings:
  description: What is wrong, everything at once.
  returned: always
  type: list
  elements: dict
  sample:
    - name: port_10250
      level: fail
      message: port 10250/tcp, which kubelet needs, is in use by nc (pid 4711)
      remedy: stop it, or have it listen elsewhere
  contains:
    name:
      description: What was checked.
      type: str
    level:
      description: V(fail), or V(warn) for what does not stop an install.
      type: str
    message:
      description: What is wrong, as a clause.
      type: str
    remedy:
      description: What to do about it, as a clause.
      type: str
host:
  description: The host's name in the inventory, and what its variables say, typed and without secrets, as C(settings).
  returned: always
  type: dict
  sample:
    name: node-1
    server: true
    node: true
    without_peers: [servers]
    versions: {kubernetes: v1.37.2}
    images: [registry.k8s.io/pause:3.10]
    bundle: /srv/bundle
    url: https://10.89.0.11:6443
    api: 10.89.0.11:6443
    fixed: api.example.org:6443
    replace: false
    annotations: ['k3a.io/node-args=["server"]']
    settings: {cluster_domain: cluster.local, node_label: [example.com/disk=ssd]}
facts:
  description: What the host is, to compare hosts with each other. Absent when no module could run on it.
  returned: success
  type: dict
  sample:
    hostname: node-1
    node_name: node-1
    node_ips: [10.89.0.11]
    machine_id: 3f1c3b7ad2f14b7c8f40a3a1d5f0c9ab
    addresses: {eth0: [10.89.0.11]}
    architecture: amd64
    kernel: 6.1.0-44-amd64
    python: 3.11.2
    systemd: 252
    cgroup: 2
    swap: []
    listening: [22/tcp]
    firewalls: []
    closed_ports: []
    etcd_data: false
    etcd_running: false
    authority: ""
    lost: ""
    lacks_ca: false
    load_balancer: false
    installed: []
    identity: {machine_id: "", cluster_id: "", node_name: "", data_dir: ""}
    recorded: false
    kept_ips: []
    state: false
    etcd_cluster: ""
    etcd_member: ""
    etcd_recorded: {cluster_id: "", member_id: ""}
    etcd_kept: {cluster_id: "", member_id: ""}
    etcd_outdated: false
    etcd_complaint: ""
    node_password: true
    bundle_present: false
    clock: 1795492282.25
"""

import os
import platform
import time
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import go_architecture
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import CLUSTER_INTERFACES, AddressError
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_firewall
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import (
    FAIL,
    Finding,
    firewall_need,
    judge,
    node_ips,
    node_name,
)
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Observed, Wanted, components_in
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_observe import observe
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap

OPTIONS = {
    "data_dir": options.DATA_DIR,
    "server": {"type": "bool", "default": False},
    "agent": {"type": "bool", "default": True},
    "node_name": options.NODE_NAME,
    "node_ip": options.NODE_IP,
    "cluster_cidr": options.CLUSTER_CIDR,
    "service_cidr": options.SERVICE_CIDR,
    "flannel_backend": options.FLANNEL_BACKEND,
    "flannel_iface": options.FLANNEL_IFACE,
    "proxy_mode": options.PROXY_MODE,
    "snapshotter": options.SNAPSHOTTER,
    "resolv_conf": {"type": "str", "default": ""},
    "allow_cgroup_v1": options.ALLOW_CGROUP_V1,
    "manage_firewall": {"type": "bool", "default": False},
    "selinux": options.SELINUX,
    "swap": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
    "bundle_id": {"type": "str", "default": ""},
    "bundle_size": {"type": "int", "default": 1024**3},
    "bundle_versions": {"type": "dict", "default": {}},
    "without_peers": {"type": "list", "elements": "str", "default": []},
    "with_node_id": {"type": "bool", "default": False},
    "protect_kernel_defaults": {"type": "bool", "default": False},
    "secrets_encryption": {"type": "bool", "default": True},
    "secrets_encryption_provider": bootstrap.PROVIDER,
    "write_kubeconfig": options.WRITE_KUBECONFIG,
    "write_kubeconfig_group": {"type": "str", "default": ""},
    "token": {"type": "str", "default": "", "no_log": True},
    "components": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "unit": {"type": "str", "required": True},
            "routes": {"type": "bool", "required": True},
            "users": {"type": "list", "elements": "str", "required": True},
            "arguments": {"type": "list", "elements": "str", "default": []},
            "rules": {"type": "list", "elements": "str", "default": []},
            "program": {"type": "str", "default": ""},
            "configuration": {"type": "str", "default": ""},
            "ports": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "protocol": {"type": "str", "required": True},
                    "number": {"type": "int", "required": True},
                    "reach": {"type": "str", "required": True},
                    "program": {"type": "str", "required": True},
                },
            },
        },
    },
}


def facts(seen: Observed, wanted: Wanted) -> dict[str, object]:
    """What hosts are compared by."""
    try:
        ips = node_ips(seen, wanted)
    except AddressError:  # which is a finding already
        ips = []
    running = {each.name for each in wanted.components if each.unit in seen.active_units}
    lasting = [a for a in seen.addresses if a.primary and not a.interface.startswith(CLUSTER_INTERFACES)]
    return {
        "hostname": seen.hostname,
        "node_name": node_name(seen, wanted),
        "node_ips": ips,
        "machine_id": seen.machine_id,
        "addresses": {name: [a.ip for a in lasting if a.interface == name] for name, *_rest in lasting},
        "architecture": go_architecture(),
        "kernel": seen.kernel.release,
        "python": platform.python_version(),
        "bundle_present": wanted.bundle_id in seen.bundles,
        "systemd": seen.systemd,
        "cgroup": seen.cgroup,
        "swap": seen.swap,
        "etcd_data": seen.etcd_data,
        "etcd_running": "etcd" in running,
        "authority": seen.authority,
        "lost": seen.lost,
        "lacks_ca": seen.lacks_ca,
        "load_balancer": "load-balancer" in seen.installed,
        "installed": sorted(seen.installed),
        "identity": asdict(seen.identity),
        "kept_ips": [ip for ip in seen.identity.node_ips if ip in {a.ip for a in seen.addresses}],
        "recorded": seen.recorded,
        "state": seen.state,
        "etcd_cluster": seen.etcd.cluster_id,
        "etcd_member": seen.etcd.member_id,
        "etcd_recorded": asdict(seen.etcd_recorded),
        "etcd_kept": asdict(seen.etcd_kept),
        "etcd_outdated": seen.etcd_outdated,
        "etcd_complaint": seen.etcd_complaint,
        "node_password": seen.node_password,
        "firewalls": check_firewall.programs(seen.firewall),
        "closed_ports": [
            f"{protocol}/{number}"
            for protocol, number in check_firewall.closed_ports(seen.firewall, firewall_need(seen, wanted))
        ],
        "listening": sorted({f"{socket.port}/{socket.protocol}" for socket in seen.sockets}),
    }


def wanted_of(params: dict[str, Any]) -> Wanted:
    """What the host is to become, by the module's options."""
    options: dict[str, Any] = {name: tuple(o) if isinstance(o, list) else o for name, o in params.items()}
    return Wanted(**{**options, "components": components_in(params["components"])})


@reports_errors
def run(module: AnsibleModule) -> None:
    """Look, judge, report."""
    wanted = wanted_of(module.params)
    if os.geteuid() != 0:
        remedy = "become root (become: true), or connect as root"
        findings, known = [Finding("root", FAIL, "the user of the connection is not root", remedy)], {}
    else:
        seen = observe(wanted, module.run_command)
        findings, known = judge(seen, wanted), facts(seen, wanted)
    # The clock comes last: the controller compares it with its own just before and just after the module.
    module.exit_json(findings=[vars(finding) for finding in findings], facts={**known, "clock": time.time()})


def main() -> None:
    run(AnsibleModule(OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
