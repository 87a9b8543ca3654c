# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""Sets of test nodes: which nodes a set has, how each is run, and the inventory that leads to them."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass, field

from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.image import (
    INIT,
    USER,
    NodesError,
    image_name,
)

LABEL = "k3a.nodes"
NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")

# Host part of a set's first server and first agent: an address stays a node's own however the set grows.
FIRST_ADDRESS = {"server": 11, "agent": 101}
MOST = {"server": 89, "agent": 150}

CAP_SYS_RESOURCE = 24

# The kernel counts these by user, and root is the same user in all nodes of all sets: what is plenty for one host is
# soon used up by several, and a node that puts its own value back would take it from the others.
SHARED_LIMITS = {
    "/proc/sys/fs/inotify/max_user_instances": 8192,
    "/proc/sys/fs/inotify/max_user_watches": 524288,
}
HEADER = "# Made by k3a.cluster.test_nodes, which writes it again and removes it.\n"

PROBE = f"""\
echo "state=$(systemctl is-system-running 2>/dev/null)"
test -w /proc/sys/net/netfilter/nf_conntrack_max && echo conntrack=writable
echo "host_key=$(cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub)"
echo "authorized_key=$(cat /home/{USER}/.ssh/authorized_keys 2>/dev/null)"
"""


@dataclass(frozen=True)
class Node:
    name: str
    group: str
    address: str


@dataclass(frozen=True)
class Plan:
    """What has to happen to the containers of a set."""

    remove: list[str] = field(default_factory=list)
    create: list[Node] = field(default_factory=list)
    start: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.remove or self.create or self.start)


def network_name(set_name: str) -> str:
    return f"k3a-nodes-{set_name}"


def check_request(set_name: str, servers: int, agents: int) -> None:
    if not NAME.fullmatch(set_name):
        raise NodesError(
            f"name '{set_name}' cannot start a host name: use at most 40 lower case letters, digits and hyphens"
        )
    for group, count in (("server", servers), ("agent", agents)):
        if not 0 <= count <= MOST[group]:
            raise NodesError(f"{group}s is {count}: a set holds 0 to {MOST[group]}")


def wanted_nodes(set_name: str, servers: int, agents: int, subnet: str) -> list[Node]:
    """The nodes of a set with their fixed addresses in its network."""
    base = ipaddress.ip_network(subnet)
    return [
        Node(f"{set_name}-{group}-{n}", group, str(base[FIRST_ADDRESS[group] + n - 1]))
        for group, count in (("server", servers), ("agent", agents))
        for n in range(1, count + 1)
    ]


def plan_nodes(wanted: list[Node], existing: dict[str, str]) -> Plan:
    """Compare the nodes that a set should have with the state that podman reports of each container."""
    names = {node.name for node in wanted}
    verbs = {"running": None, "paused": "unpause"}
    start = {name: verbs.get(state, "start") for name, state in existing.items() if name in names}
    return Plan(
        remove=sorted(set(existing) - names),
        create=[node for node in wanted if node.name not in existing],
        start={name: verb for name, verb in start.items() if verb},
    )


def limits(files: int, processes: int) -> dict[str, int]:
    """Limits of a node, from the caller's hard ones: without CAP_SYS_RESOURCE podman's defaults cannot be set."""
    infinity = -1
    return {
        "nofile": min(1048576 if files == infinity else files, 1048576),
        "nproc": min(32768 if processes == infinity else processes, 32768),
    }


def run_arguments(set_name: str, node: Node, ulimits: dict[str, int], modules: bool) -> list[str]:
    """The command that starts a node.

    runc, because crun refuses the hybrid cgroups of a v1 host. The container's file system is an overlay, on which
    containerd cannot stack its own: where k3a keeps its files is a volume.
    """
    command = ["podman", "--runtime", "runc", "run", "--detach", "--name", node.name, "--hostname", node.name]
    command += ["--label", f"{LABEL}={set_name}", "--network", network_name(set_name)]
    command += ["--ip", node.address, "--mac-address", mac_address(node.address)]
    command += ["--privileged", "--systemd=always", "--cgroupns=private", "--stop-signal", "SIGRTMIN+3"]
    # As on a machine of its own; a container would have what podman has set for its host.
    command += ["--sysctl", "net.ipv4.ip_forward=0"]
    for limit, value in sorted(ulimits.items()):
        command += ["--ulimit", f"{limit}={value}:{value}"]
    for path in (options.DATA_DIR["default"], "/var/lib/kubelet"):
        command += ["--mount", f"type=volume,destination={path},dev,suid,exec"]
    if modules:
        command += ["--volume", "/lib/modules:/lib/modules:ro"]
    return command + [image_name(), INIT]


def mac_address(address: str) -> str:
    """A fixed one, so that neighbours find a node that was power-cycled before their ARP entry has expired."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.ip_address(address).packed)


def has_own_address(interface: str) -> bool:
    """Whether a bridge keeps its address, as the kernel says (NET_ADDR_SET of its if_link.h).

    Without one of its own it has the lowest of its ports, and another one when that port goes: a node that loses its
    power takes the way from all others to this machine with it, until their ARP entries expire.
    """
    return read_file(f"/sys/class/net/{interface}/addr_assign_type").strip() == "3"


def parse_probe(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def accommodations(cgroup_v2: bool, capabilities: int, conntrack_writable: bool) -> dict[str, bool]:
    """What this machine cannot do for its nodes, as the variables that tell the roles so."""
    needed = {}
    if not cgroup_v2:
        needed["k3a_allow_cgroup_v1"] = True
    if not capabilities >> CAP_SYS_RESOURCE & 1:
        needed["k3a_restrict_oom_score_adj"] = True
    if not conntrack_writable:
        needed["k3a_manage_conntrack"] = False
    return needed


def effective_capabilities(status: str) -> int:
    """CapEff of a /proc/PID/status."""
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))


def inventory(nodes: list[Node], variables: dict[str, bool], directory: str) -> str:
    """A plain inventory. A node that vanishes ends the SSH connections to it by itself, after 15 seconds."""
    lines = [HEADER.rstrip()]
    for group in ("server", "agent"):
        lines += ["", f"[{group}]"]
        lines += [f"{node.name} ansible_host={node.address}" for node in nodes if node.group == group]
    lines += [
        "",
        "[all:vars]",
        f"ansible_user={USER}",
        "ansible_python_interpreter=/usr/bin/python3",
        f"ansible_ssh_private_key_file={directory}/id_ed25519",
        f"ansible_ssh_common_args=-o IdentitiesOnly=yes -o UserKnownHostsFile={directory}/known_hosts"
        " -o ServerAliveInterval=5",
    ]
    if variables:
        lines += ["", "# What the machine under these nodes cannot do."]
        lines += [f"{name}={value}" for name, value in sorted(variables.items())]
    return "\n".join(lines) + "\n"


def known_hosts(host_keys: dict[str, str]) -> str:
    return "".join(f"{address} {key}\n" for address, key in sorted(host_keys.items()))


def answers_ssh(address: str, port: int = 22) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def read_file(path: str) -> str:
    try:
        with open(path) as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def is_ours(directory: str) -> bool:
    """Whether a directory can be removed with the set: empty, or with an inventory that we wrote."""
    return not os.listdir(directory) or read_file(os.path.join(directory, "hosts")).startswith(HEADER)
