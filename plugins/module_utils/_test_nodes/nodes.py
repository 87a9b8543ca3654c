# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""Sets of test nodes, whatever they are made of: which nodes a set has, and the inventory that leads to them."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import HOST_KEY, USER, NodesError

NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")

# Host part of a set's first server and first agent: an address stays a node's own however the set grows.
FIRST_ADDRESS = {"server": 11, "agent": 101}
MOST = {"server": 89, "agent": 150}

# Seconds that a login may take on a node that says nothing else of it.
USUAL_LOGIN = 15

HEADER = "# Made by k3a.cluster.test_nodes, which writes it again and removes it.\n"

# It waits for the end of the boot there: to log in again and again would slow the boot of an emulated machine down.
PROBE = f"""\
echo "state=$(timeout 60 systemctl is-system-running --wait 2>/dev/null)"
test -w /proc/sys/net/netfilter/nf_conntrack_max && echo conntrack=writable
echo "host_key=$(cut -d ' ' -f 1,2 {HOST_KEY}.pub)"
echo "authorized_key=$(cat /home/{USER}/.ssh/authorized_keys 2>/dev/null)"
"""


@dataclass(frozen=True)
class Node:
    name: str
    group: str
    address: str


@dataclass(frozen=True)
class Plan:
    """What has to happen to the nodes of a set."""

    remove: list[str] = field(default_factory=list)
    create: list[Node] = field(default_factory=list)
    start: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.remove or self.create or self.start)


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


# What brings a node back, by what it is now: nothing a running one.
VERBS = {"running": None, "paused": "unpause"}
# Neither a node nor nothing: what it was made of is gone.
LOST = "lost"


def plan_nodes(wanted: list[Node], existing: Mapping[str, str]) -> Plan:
    """Compare the nodes that a set should have with the state of each that there is."""
    names = {node.name for node in wanted}
    lost = {name for name, state in existing.items() if state == LOST}
    start = {name: VERBS.get(state, "start") for name, state in existing.items() if name in names - lost}
    return Plan(
        remove=sorted((set(existing) - names) | lost),
        create=[node for node in wanted if node.name not in set(existing) - lost],
        start={name: verb for name, verb in start.items() if verb},
    )


def mac_address(address: str) -> str:
    """A fixed one, so that neighbours find a node that was power-cycled before their ARP entry has expired."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.ip_address(address).packed)


def parse_probe(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def inventory(nodes: list[Node], variables: Mapping[str, object], directory: str) -> str:
    """A plain inventory. A node that vanishes ends the SSH connections to it, after as long as a login may take."""
    alive = int(str(variables.get("ansible_timeout", USUAL_LOGIN))) // 3
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
        f" -o ServerAliveInterval={alive}",
    ]
    if variables:
        lines += ["", "# What the machine under these nodes cannot do, or not fast."]
        lines += [f"{name}={value}" for name, value in sorted(variables.items())]
    return "\n".join(lines) + "\n"


def known_hosts(host_keys: Mapping[str, str]) -> str:
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


def key_comment(set_name: str) -> str:
    return f"test nodes {set_name}"


def is_ours(directory: str, set_name: str) -> bool:
    """Whether a directory can be removed with the set: empty, or with an inventory that we wrote, or were to write."""
    found = os.listdir(directory)
    if not found or "hosts" in found:
        return not found or read_file(os.path.join(directory, "hosts")).startswith(HEADER)
    return read_file(os.path.join(directory, "id_ed25519.pub")).strip().endswith(f" {key_comment(set_name)}")
