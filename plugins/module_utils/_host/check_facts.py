# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the checks of a host work on: what it is to become, and what it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import LOOPBACK
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._host.accounts import Account
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_firewall import Firewall
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_kernel import Kernel
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_neighbours import Neighbours
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_proc import Holder, Mount, Socket
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity, Identity


@dataclass(frozen=True)
class Wanted:
    """What the host is to become, as far as a check depends on it."""

    data_dir: str
    server: bool
    agent: bool
    node_name: str
    node_ip: tuple[str, ...]
    cluster_cidr: tuple[str, ...]
    service_cidr: tuple[str, ...]
    flannel_backend: str
    flannel_iface: str
    proxy_mode: str
    snapshotter: str
    resolv_conf: str
    allow_cgroup_v1: bool
    swap: str
    bundle_id: str
    bundle_size: int
    with_node_id: bool = False
    protect_kernel_defaults: bool = False
    secrets_encryption: bool = True
    secrets_encryption_provider: str = "secretbox"
    token: str = ""
    # Whose the administrator's kubeconfig on a server is to be.
    write_kubeconfig_group: str = ""
    write_kubeconfig: str = ""
    components: tuple[Component, ...] = ()
    # The versions of the components in the bundle to install.
    bundle_versions: Mapping[str, str] = field(default_factory=dict)
    selinux: bool = False
    manage_firewall: bool = False
    # From where nobody comes to this host: which of SERVERS and NODES there are no others of.
    without_peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """A port that a program of ours listens on, and from where it has to be reached."""

    protocol: str
    number: int
    reach: str
    program: str


@dataclass(frozen=True)
class Component:
    """A component of ours: its unit, whether it makes routes, and its ports, users and further arguments on a host."""

    name: str
    unit: str
    routes: bool
    ports: tuple[Port, ...]
    users: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    # Its tables of nftables, and how its chains in the tables of others begin.
    rules: tuple[str, ...] = ()
    program: str = ""
    # The flag of a file that alone tells it how to reach the API.
    configuration: str = ""


def components_in(declared: Iterable[Mapping[str, Any]]) -> tuple[Component, ...]:
    """The components as the controller hands them over."""
    return tuple(
        Component(
            *(each["name"], each["unit"], each["routes"]),
            tuple(Port(**port) for port in each["ports"]),
            tuple(each["users"]),
            tuple(each.get("arguments") or ()),
            tuple(each.get("rules", ())),
            each.get("program") or "",
            each.get("configuration") or "",
        )
        for each in declared
    )


def reached_ports(components: Iterable[Component], without_peers: Collection[str]) -> list[Port]:
    """The ports to which somebody comes from another host: those that the check asks of a firewall, or a run opens."""
    unreached = {LOOPBACK, *without_peers}
    return [port for each in components for port in each.ports if port.reach not in unreached]


def pod_networks(agent: bool, flannel_backend: str, cluster_cidr: Iterable[str]) -> tuple[str, ...]:
    """The networks whose packets a host forwards for its pods, likewise; another network than flannel's has its own."""
    return tuple(cluster_cidr) if agent and flannel_backend != "none" else ()


@dataclass(frozen=True)
class Space:
    """What is free on a filesystem; a filesystem that does not count its inodes has None."""

    free: int
    free_inodes: int | None
    writable: bool = True


@dataclass(frozen=True)
class Observed:
    """What the host is."""

    hostname: str
    machine_id: str
    systemd: int
    cgroup: int
    controllers: frozenset[str]
    memory: int
    swap: tuple[str, ...]
    kernel: Kernel
    commands: frozenset[str]
    # The version of the command nft, as it tells it; nothing where it does not, or does not matter.
    nft: str
    # The Python that would have to run what systemd starts, and cannot.
    lacking_python: str
    active_units: frozenset[str]
    # Its mode; nothing where it is off.
    selinux: str
    mount: Mount
    space: Space
    # Of the records of who the host is, which are not in the data directory.
    record_space: Space
    bundles: frozenset[str]
    # Of the resolver configuration that pods would get; None where there is none.
    dns_servers: tuple[str, ...] | None
    addresses: tuple[address.Address, ...]
    routes: tuple[address.Route, ...]
    sockets: tuple[Socket, ...]
    holders: dict[int, Holder]
    # Seconds until a small write is on the disk of etcd's data; nothing where that was not tried.
    write_latency: float = 0.0
    firewall: Firewall = Firewall()
    neighbours: Neighbours = Neighbours()
    selinux_knows_containers: bool = False
    etcd_data: bool = False
    authority: str = ""
    token: str = ""
    # The path of what a server has lost of what servers share.
    lost: str = ""
    # A server of a version that made fewer CAs.
    lacks_ca: bool = False
    has_kubeconfig_group: bool = True
    installed: frozenset[str] = frozenset()
    # The versions of what is installed.
    versions: Mapping[str, str] = field(default_factory=dict)
    node_password: bool = False
    # Who the host is, by its record or by what runs, and why a record cannot be read.
    identity: Identity = Identity()
    recorded: bool = False
    damaged: tuple[str, ...] = ()
    # Whether anything of a node is in its data directory.
    state: bool = False
    etcd: EtcdIdentity = EtcdIdentity()
    etcd_outdated: bool = False
    # What etcd says where it ends over its data again and again.
    etcd_complaint: str = ""
    etcd_recorded: EtcdIdentity = EtcdIdentity()
    # Whose data is on the disk, where etcd does not say who it is.
    etcd_kept: EtcdIdentity = EtcdIdentity()
    # Why no data directory can be where it is wanted.
    blocked: str = ""
    # Where the wanted data directory really is, and what somebody else has in it.
    real_data_dir: str = options.DATA_DIR["default"]
    foreign: tuple[str, ...] = ()
    # Accounts with the names of our units' users.
    accounts: tuple[Account, ...] = ()
    # With what a server encrypts Secrets.
    encryption: str = ""
    # Settings of the kernel that the kubelet wants otherwise, as they are.
    kernel_settings: tuple[tuple[str, str], ...] = ()
    # The files of the operator's with which components cannot work: what is wrong, and what to do.
    unusable: tuple[tuple[str, str], ...] = ()
    # The values that components cannot read in their arguments, likewise.
    illegible: tuple[tuple[str, str], ...] = ()
    # Why the administrator's kubeconfig cannot be where it is to be.
    unwritable: str = ""
