# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""Nodes that are machines: a kernel, disks and a power plug of their own."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import select
import shlex
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import disk as disks
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import qemu
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import USER, NodesError, write_file
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.nodes import (
    LOST,
    Node,
    answers_ssh,
    mac_address,
    read_file,
)

# Each set has a block of these, by its name: its addresses are known before anything is made, and stay.
ADDRESSES = ipaddress.IPv4Network("10.96.0.0/11")
BLOCK, NETWORK = 22, 24
MOST_INTERFACES = 2 ** (NETWORK - BLOCK)
MOST_DISKS = 8
LEAST_MEMORY = 1024
START = "start"
# Seconds that a login may take, much of which is cryptography: who gives up too early makes the next one as slow.
LOGIN = 60


@dataclass(frozen=True)
class Options:
    """What a machine of a set is like."""

    release: str = "bookworm"
    memory: int = 3072
    disks: int = 0
    disk_size: int = 4
    interfaces: int = 1
    kernel_arguments: str = ""
    packages: list[str] = field(default_factory=list)


def check_options(options: Options) -> None:
    if options.memory < LEAST_MEMORY:
        raise NodesError(f"memory is {options.memory}: a node needs {LEAST_MEMORY} MiB at least")
    if not 0 <= options.disks <= MOST_DISKS:
        raise NodesError(f"disks is {options.disks}: a machine has 0 to {MOST_DISKS} beside the first")
    if options.disk_size < 1:
        raise NodesError(f"disk_size is {options.disk_size}: a disk has 1 GiB at least")
    if not 1 <= options.interfaces <= MOST_INTERFACES:
        raise NodesError(f"interfaces is {options.interfaces}: a machine has 1 to {MOST_INTERFACES}")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def networks(set_name: str) -> list[ipaddress.IPv4Network]:
    """The networks of a set's interfaces, the first one's first."""
    count = 2 ** (BLOCK - ADDRESSES.prefixlen)
    start = int(ADDRESSES.network_address) + int(digest(set_name), 16) % count * 2 ** (32 - BLOCK)
    return list(ipaddress.IPv4Network((start, BLOCK)).subnets(new_prefix=NETWORK))


def bridge_name(set_name: str, number: int) -> str:
    """Of an interface of this machine, which has at most 15 characters."""
    return f"k3a-{digest(set_name)}-{number}"


def tap_name(node: str, number: int) -> str:
    return f"k3t-{digest(node)}-{number}"


def address_in(network: ipaddress.IPv4Network, node: Node) -> str:
    """A node's address in another network of the set: it ends as the first one does."""
    return str(network[int(ipaddress.IPv4Address(node.address)) % network.num_addresses])


class Machines:
    """The machines of a set, their bridges and their disks, which are below the set's directory."""

    TOOLS: tuple[str, ...] = (qemu.PROGRAM, "qemu-img", "mkfs.ext4", "debootstrap", "ip", "ssh")
    TIMEOUT = 600

    def __init__(self, host: Host, set_name: str, directory: str, options: Options) -> None:
        self._host = host
        self._set = set_name
        self._directory = directory
        self._options = options
        self._networks = networks(set_name)[: options.interfaces]

    @property
    def _disk(self) -> disks.Disk:
        return disks.disk_of(self._options.release, self._options.packages)

    def _path(self, name: str, *names: str) -> str:
        return os.path.join(self._directory, "machines", name, *names)

    def _processes(self) -> dict[str, qemu.Process]:
        return {process.name: process for process in qemu.processes(self._set)}

    def states(self) -> dict[str, str]:
        """A machine has a start script, which is made last; what only runs, or was only begun, is lost."""
        running = self._processes()
        for process in running.values():
            if process.directory != self._path(process.name) and os.path.isdir(process.directory):
                raise NodesError(
                    f"{process.name} of another set {self._set} runs in {process.directory}: take another name,"
                    " or remove that set"
                )
        found = {}
        with contextlib.suppress(FileNotFoundError):
            found = {
                name: "exited" if os.path.exists(self._path(name, START)) else LOST
                for name in os.listdir(os.path.join(self._directory, "machines"))
            }
        for name, process in running.items():
            if found.get(name) != "exited":
                found[name] = LOST
            else:
                found[name] = "paused" if process.stopped else "running"
        return found

    def check(self, public_key: str) -> None:
        check_options(self._options)
        for name, state in self.states().items():
            known = public_key and qemu.boot_key(public_key) in read_file(self._path(name, START))
            if state != LOST and not known:
                raise NodesError(
                    f"{name} does not know the key {self._directory}/id_ed25519: put that key back, or remove the set"
                )
        for interface, address in self._addresses():
            for bridge, network in zip(self._bridges(), self._networks):
                if ipaddress.IPv4Address(address) in network and interface != bridge:
                    raise NodesError(
                        f"the network {network} of set {self._set} is in use on {interface}: take another name"
                    )

    def _addresses(self) -> list[tuple[str, str]]:
        """Interfaces of this machine with an address of each."""
        shown = json.loads(self._host.run(["ip", "-json", "-4", "address", "show"]))
        return [(link["ifname"], given["local"]) for link in shown for given in link.get("addr_info", [])]

    def _machine(self, node: Node) -> qemu.Machine:
        return qemu.Machine(
            set_name=self._set,
            name=node.name,
            directory=self._path(node.name),
            memory=self._options.memory,
            interfaces=tuple(
                (tap_name(node.name, number), f"{address_in(network, node)}/{NETWORK}")
                for number, network in enumerate(self._networks)
            ),
            gateway=str(self._networks[0][1]),
            disks=tuple(f"disk-{number}.qcow2" for number in range(1, self._options.disks + 1)),
            arguments=self._options.kernel_arguments,
        )

    def _script(self, node: Node, public_key: str) -> str:
        return qemu.start_script(self._machine(node), self._disk, public_key)

    def older(self, wanted: list[Node], public_key: str) -> list[str]:
        made = {node: read_file(self._path(node.name, START)) for node in wanted}
        return [node.name for node, text in made.items() if text and text != self._script(node, public_key)]

    def _bridges(self) -> list[str]:
        return [bridge_name(self._set, number) for number in range(len(self._networks))]

    def network(self) -> str:
        expected = {(bridge, str(network[1])) for bridge, network in zip(self._bridges(), self._networks)}
        if expected <= set(self._addresses()):
            return "present"
        return "incomplete" if any(has_link(bridge) for bridge in self._bridges()) else "absent"

    def subnet(self) -> str | None:
        return str(self._networks[0])

    def make_network(self) -> None:
        """Bridges with addresses of their own: without, a bridge has that of a port, and loses it with that port."""
        for bridge, network in zip(self._bridges(), self._networks):
            gateway = str(network[1])
            if not has_link(bridge):
                self._host.run(["ip", "link", "add", bridge, "address", mac_address(gateway), "type", "bridge"])
                self._host.run(["ip", "link", "set", bridge, "alias", f"test nodes {self._set}"])
            self._host.run(["ip", "address", "replace", f"{gateway}/{NETWORK}", "dev", bridge])
            self._host.run(["ip", "link", "set", bridge, "up"])

    def remove_network(self) -> None:
        for number in range(MOST_INTERFACES):
            bridge = bridge_name(self._set, number)
            for link in [*ports(bridge), bridge]:
                self._unlink(link)

    def _unlink(self, link: str) -> None:
        if has_link(link):
            self._host.run(["ip", "link", "delete", link])

    def image(self) -> str:
        return self._disk.name

    def has_image(self) -> bool:
        return self._disk.exists()

    def make_image(self, mirror: str | None) -> None:
        disks.ensure_disk(self._host.run, self._options.release, self._options.packages, mirror)

    def create(self, node: Node, public_key: str) -> None:
        machine, base = self._machine(node), self._disk
        os.makedirs(machine.directory)
        make = ["qemu-img", "create", "-q", "-f", "qcow2"]
        # Its own disk has what it has written, and refers to the common one for the rest.
        self._host.run([*make, "-b", base.file, "-F", "raw", qemu.path(machine, "disk.qcow2")])
        for file in machine.disks:
            self._host.run([*make, qemu.path(machine, file), f"{self._options.disk_size}G"])
        os.symlink(machine.directory, os.path.join(base.users, node.name))
        write_file(qemu.path(machine, START), self._script(node, public_key), 0o755)
        self.start(node.name, "start")

    def start(self, name: str, verb: str) -> None:
        if verb == "unpause":
            os.kill(self._processes()[name].pid, signal.SIGCONT)
            return
        for number, bridge in enumerate(self._bridges()):
            tap = tap_name(name, number)
            if not has_link(tap):
                self._host.run(["ip", "tuntap", "add", "dev", tap, "mode", "tap"])
                self._host.run(["ip", "link", "set", tap, "alias", f"{name} {number}"])
            self._host.run(["ip", "link", "set", tap, "master", bridge, "up"])
        self._host.run([self._path(name, START)])

    def remove(self, names: list[str]) -> None:
        for name in names:
            process = self._processes().get(name)
            if process:
                kill(process.pid)
            for number in range(MOST_INTERFACES):
                self._unlink(tap_name(name, number))
            for base in disks.all_disks():
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(base.users, name))
            shutil.rmtree(self._path(name), ignore_errors=not os.path.isdir(self._path(name)))

    def settle(self) -> None:
        """A machine has limits and a network stack of its own."""

    def execute(self, node: Node, command: list[str], data: str | None = None) -> tuple[int, str, str]:
        if not answers_ssh(node.address):
            return 255, "", f"no answer from {node.address}:22"
        # Whose key it is follows from where it answers: on a bridge of its own.
        options = ["IdentitiesOnly=yes", "BatchMode=yes", f"ConnectTimeout={LOGIN}", "LogLevel=ERROR"]
        options += ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
        ssh = ["ssh", "-F", "none", "-i", os.path.join(self._directory, "id_ed25519")]
        ssh += [word for option in options for word in ("-o", option)]
        return self._host.attempt([*ssh, f"{USER}@{node.address}", "sudo", shlex.join(command)], data)

    def console(self, name: str) -> str:
        return "\n".join(read_file(self._path(name, "console.log")).splitlines()[-5:])

    def variables(self, probes: list[dict[str, str]]) -> Mapping[str, object]:
        """Seconds that are enough on a busy machine, for a login and sudo, too; not only to Ansible."""
        return {
            "ansible_ssh_extra_args": f"-o ConnectTimeout={LOGIN}",
            "ansible_timeout": LOGIN,
            "k3a_wait_timeout": self.TIMEOUT,
        }


def has_link(name: str) -> bool:
    return os.path.exists(f"/sys/class/net/{name}")


def ports(bridge: str) -> list[str]:
    try:
        return sorted(os.listdir(f"/sys/class/net/{bridge}/brif"))
    except FileNotFoundError:
        return []


def kill(pid: int) -> None:
    """End a process that is not ours to wait for; its disks and interfaces are its own until it has ended."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        select.select([process], [], [])
        os.close(process)
