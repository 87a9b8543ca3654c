# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What has to be true of a host before it becomes a node: judgements on what was observed, no effects."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._bundle import upgrade
from ansible_collections.k3a.cluster.plugins.module_utils._engine import selinux
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import ANYWHERE, LOOPBACK
from ansible_collections.k3a.cluster.plugins.module_utils._engine.program import OLDEST_PYTHON
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._host import (
    accounts,
    check_firewall,
    check_neighbours,
    check_storage,
    host,
    kept,
    resolver,
)
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_kernel as kernel_features
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import (
    Observed,
    Port,
    Wanted,
    pod_networks,
    reached_ports,
)
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_proc import Socket
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_storage import MIB
from ansible_collections.k3a.cluster.plugins.module_utils._host.finding import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import IDENTITY
from ansible_collections.k3a.cluster.plugins.module_utils._identity.record_file import DIRECTORY
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens

OLDEST_SYSTEMD = 247
# Below this K3s's own figures leave no room for pods; a warning, because small machines are for their owner to judge.
SERVER_MEMORY, AGENT_MEMORY = 1536 * MIB, 448 * MIB

COMMANDS = {
    "modprobe": "kmod",
    "mount": "mount",
    "nft": "nftables",
    "openssl": "openssl",
    "systemctl": "systemd",
    "systemd-sysusers": "systemd",
    "umount": "mount",
}
IPTABLES_COMMANDS = {"iptables": "iptables", "iptables-restore": "iptables", "iptables-save": "iptables"}


def judge(seen: Observed, wanted: Wanted) -> list[Finding]:
    """Everything that is wrong with the host, all of it at once."""
    return [
        *_names(seen, wanted),
        *_records(seen),
        *_init(seen, wanted),
        *_commands(seen, wanted),
        *_selinux(seen, wanted),
        *_python(seen),
        *_kernel(seen, wanted),
        *_kernel_defaults(seen, wanted),
        *_versions(seen, wanted),
        *_upgrade(seen, wanted),
        *_memory(seen, wanted),
        *check_storage.findings(seen, wanted),
        *_resolver(seen, wanted),
        *_addresses(seen, wanted),
        *_routes(seen, wanted),
        *_ports(seen, wanted),
        *_token(seen, wanted),
        *_kept(seen, wanted),
        *_arguments(seen),
        *_kubeconfig(seen, wanted),
        *_accounts(seen, wanted),
        *check_neighbours.findings(seen.neighbours, seen.active_units, bool(seen.installed), wanted.agent),
        *check_firewall.findings(seen.firewall, firewall_need(seen, wanted)),
    ]


def _names(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    name = node_name(seen, wanted)
    if not wanted.node_name and name.split(".")[0] == "localhost":
        yield Finding("hostname", FAIL, f"the hostname is {name}", "give the host a name, or set k3a_node_name")
    elif not address.valid_node_name(name):
        remedy = "use lower-case letters, digits, '-' and '.', at most 63 characters, in the hostname or k3a_node_name"
        yield Finding("hostname", FAIL, f"{name!r} cannot be the name of a node", remedy)
    if not re.fullmatch(r"[0-9a-f]{32}", seen.machine_id):
        message, remedy = "/etc/machine-id holds no machine id", "run systemd-machine-id-setup on the host"
        if seen.recorded:
            message = f"{message}, and by {IDENTITY} it is {seen.identity.machine_id}"
            remedy = "write that into it"
        yield Finding("machine_id", FAIL, message, remedy)


def _records(seen: Observed) -> Iterable[Finding]:
    """A record that cannot be read; what a readable one says is compared with the whole cluster."""
    for told in seen.damaged:
        message, _separator, remedy = told.partition("; ")
        yield Finding("identity", FAIL, message, remedy)


def node_name(seen: Observed, wanted: Wanted) -> str:
    """As K3s: the configured name, else the hostname in lower case; with an id of the machine where one is wanted."""
    name = wanted.node_name or seen.hostname.lower()
    return f"{name}-{node_id(seen.machine_id)}" if wanted.with_node_id else name


def node_id(machine_id: str) -> str:
    """Eight digits that tell a machine from others of its name; a machine that is made anew has others."""
    return hashlib.sha256(f"k3a node {machine_id}".encode()).hexdigest()[:8]


def _init(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    if not seen.systemd:
        remedy = "use a host that was booted with systemd"
        yield Finding("systemd", FAIL, "systemd does not run this host", remedy)
    elif seen.systemd < OLDEST_SYSTEMD:
        remedy = f"use a distribution with systemd {OLDEST_SYSTEMD} or newer"
        yield Finding("systemd", FAIL, f"systemd {seen.systemd} is too old", remedy)
    if seen.cgroup == 1 and not wanted.allow_cgroup_v1:
        remedy = "boot with systemd.unified_cgroup_hierarchy=1, or set k3a_allow_cgroup_v1 to true"
        yield Finding("cgroup", FAIL, "the host uses cgroup v1, which Kubernetes refuses since v1.35", remedy)
    if seen.cgroup == 0:
        remedy = "mount cgroup2 on /sys/fs/cgroup"
        yield Finding("cgroup", FAIL, "no cgroup hierarchy is mounted on /sys/fs/cgroup", remedy)
    else:
        missing = sorted({"cpu", "cpuset", "memory", "pids"} - seen.controllers)
        if missing:
            remedy = "enable it on the kernel's command line (cgroup_enable=memory, for one)"
            message = f"the kernel has no cgroup controller {' or '.join(missing)}"
            yield Finding("cgroup_controllers", FAIL, message, remedy)


def wanted_commands(wanted: Wanted) -> dict[str, str]:
    """The commands the host must bring, each with the package that usually has it."""
    return {**COMMANDS, **(IPTABLES_COMMANDS if wanted.proxy_mode == "iptables" else {})}


def _selinux(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    """Which label a program has decides whether it may run, and as what."""
    if seen.selinux == "enforcing" and not wanted.selinux:
        message = "SELinux is enforcing, by which systemd may not run what k3a installs"
        remedy = "set k3a_selinux to true, or SELinux to permissive (setenforce 0, and in /etc/selinux/config)"
        yield Finding("selinux", FAIL, message, remedy)
    elif seen.selinux and wanted.selinux:
        if not seen.selinux_knows_containers:
            message = "k3a_selinux is true, and the host's policy of SELinux has no labels for containers"
            remedy = "install the package container-selinux (Debian's own policy has them since Debian 13)"
            yield Finding("selinux", FAIL, message, remedy)
        for command, package in sorted(selinux.COMMANDS.items()):
            if command not in seen.commands:
                message = f"the host has no command {command}, which k3a_selinux needs"
                yield Finding(f"command_{command}", FAIL, message, f"install it (package {package})")


def _commands(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    for command, package in sorted(wanted_commands(wanted).items()):
        if command not in seen.commands:
            remedy = f"install it (package {package})"
            yield Finding(f"command_{command}", FAIL, f"the host has no command {command}", remedy)


def _python(seen: Observed) -> Iterable[Finding]:
    """Ansible's own may be anywhere; a unit's is the system's, for instance that of the program etcd starts after."""
    if seen.lacking_python:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        message = (
            f"Ansible's Python is outside of /usr, and {seen.lacking_python}, by which systemd starts k3a's programs, "
            f"is not there or older than {oldest}"
        )
        yield Finding("python", FAIL, message, f"install Python {oldest} or newer as {seen.lacking_python}")


def _kernel(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    if not wanted.agent:
        return
    families = address.families(wanted.cluster_cidr)
    features = kernel_features.wanted_features(
        seen.cgroup, families, wanted.proxy_mode, wanted.flannel_backend, wanted.snapshotter
    )
    for feature, purpose in features.items():
        state = kernel_features.state(seen.kernel, feature)
        symbol = f"CONFIG_{feature.symbol}"
        if state == "missing":
            message = f"kernel {seen.kernel.release} has no {symbol}, which {purpose}"
            remedy = "use a kernel with it, or an option that does without"
            yield Finding(f"kernel_{feature.symbol.lower()}", FAIL, message, remedy)
        elif state == "uninstalled":
            message = f"kernel module {feature.module} is not installed, which {purpose}"
            remedy = "install the rest of the kernel's modules (linux-modules-extra, kernel-modules-extra)"
            yield Finding(f"kernel_{feature.symbol.lower()}", FAIL, message, remedy)
    unknown = [f.symbol for f in features if f.module and kernel_features.state(seen.kernel, f) == "unknown"]
    if unknown:
        message = f"whether kernel {seen.kernel.release} has {', '.join(unknown)} cannot be told"
        yield Finding("kernel_unknown", WARN, message, "make sure that it has")


def _kernel_defaults(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    """Settings that somebody else answers for: nobody changes them then, and the kubelet does not start."""
    if not (wanted.agent and wanted.protect_kernel_defaults):
        return
    for key, value in seen.kernel_settings:
        message = f"{key} is {value}, which k3a_protect_kernel_defaults keeps k3a and the kubelet from changing"
        wanted_value = host.KUBELET_SETTINGS[key]
        remedy = f"set it to {wanted_value} in /etc/sysctl.d, and now with sysctl -w, or leave the variable out"
        yield Finding("kernel_defaults", FAIL, message, remedy)


def _versions(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    """What the bundle's programs refuse when they start is told before they are there."""
    if not wanted.agent:
        return
    for name, version, least in kernel_features.too_old(seen.kernel.release, seen.nft, wanted.proxy_mode):
        message = f"{name} {version} is too old: kube-proxy and flannel need {least} for k3a_proxy_mode nftables"
        remedy = "set k3a_proxy_mode to iptables for all hosts of the cluster, or use a newer distribution"
        yield Finding(f"{name}_version", FAIL, message, remedy)


def _upgrade(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    """What the bundle's programs would do to data that others of other versions wrote."""
    for message, remedy in upgrade.obstacles(seen.versions, wanted.bundle_versions, wanted.server):
        yield Finding("bundle_version", FAIL, message, remedy)


def _memory(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    least = SERVER_MEMORY if wanted.server else AGENT_MEMORY
    if seen.memory < least:
        message = f"the host has {seen.memory // MIB} MiB of memory"
        yield Finding("memory", WARN, message, f"{least // MIB} MiB is the least that leaves room for pods")
    if seen.swap:
        level = FAIL if wanted.swap == "fail" else WARN
        remedy = "switch it off, since what the kubelet knows of memory is wrong with swap"
        yield Finding("swap", level, f"swap is on ({', '.join(seen.swap)})", remedy)


def _resolver(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    """Whom CoreDNS asks for names outside of the cluster; which servers a given file names is its operator's choice."""
    if not wanted.agent or seen.dns_servers:
        return
    given, message, remedy = wanted.resolv_conf, resolver.NONE_USABLE, resolver.REMEDY
    if given and seen.dns_servers is None:
        message, remedy = f"k3a_resolv_conf names {given}, which is no file there", "name a file of the host"
    elif given:
        message = f"{given}, which k3a_resolv_conf names, has no DNS server, without which CoreDNS does not start"
        remedy = "add a line 'nameserver' with its address"
    yield Finding("resolv_conf", FAIL, message, remedy)


def _addresses(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    have = {a.ip for a in seen.addresses}
    if wanted.flannel_iface and wanted.flannel_iface not in {a.interface for a in seen.addresses}:
        known = ", ".join(sorted({a.interface for a in seen.addresses} - {"lo"}))
        message = f"k3a_flannel_iface {wanted.flannel_iface} is no interface with an address"
        yield Finding("flannel_iface", FAIL, message, f"choose one of {known}")
        return
    try:
        ips = node_ips(seen, wanted)
    except address.AddressError as error:
        message, _separator, remedy = str(error).partition("; ")
        yield Finding("node_ip", FAIL, message, remedy or "set k3a_node_ip")
        return
    for ip in ips:
        if str(ipaddress.ip_address(ip)) not in have:
            own = ", ".join(a.ip for a in seen.addresses if a.primary)
            yield Finding("node_ip", FAIL, f"k3a_node_ip {ip} is no address of this host", f"use one it has: {own}")
        for variable, cidrs in (("k3a_cluster_cidr", wanted.cluster_cidr), ("k3a_service_cidr", wanted.service_cidr)):
            for cidr in cidrs:
                if ipaddress.ip_address(ip) in address.network(cidr):
                    message = f"the node's address {ip} lies inside {variable} {cidr}"
                    yield Finding("node_ip", FAIL, message, f"choose a {variable} that nothing else uses")


def node_ips(seen: Observed, wanted: Wanted) -> list[str]:
    """The addresses the node will be known by."""
    families = address.families(wanted.cluster_cidr)
    return address.node_ips(wanted.node_ip, families, wanted.flannel_iface, seen.addresses, seen.routes)


def _routes(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    ours = any(each.routes and each.unit in seen.active_units for each in wanted.components)
    for variable, cidrs in (("k3a_cluster_cidr", wanted.cluster_cidr), ("k3a_service_cidr", wanted.service_cidr)):
        for route in seen.routes:
            prefix = ipaddress.ip_network(route.network).prefixlen
            # A component that makes routes may lead pod networks through the node's own interface.
            if prefix == 0 or route.interface.startswith(address.CLUSTER_INTERFACES) or (ours and route.gateway):
                continue
            for cidr in (c for c in cidrs if address.overlaps((c, route.network))):
                # A wider route, such as a company's 10.0.0.0/8, loses against the cluster's own: legitimate, if a trap.
                level = FAIL if prefix >= address.network(cidr).prefixlen else WARN
                message = f"the route {route.network} on {route.interface} overlaps {variable} {cidr}"
                yield Finding("route", level, message, f"choose a {variable} that nothing else uses")


def wanted_ports(wanted: Wanted) -> list[Port]:
    """The ports that the components will listen on."""
    return [port for each in wanted.components for port in each.ports]


def contested(sockets: Sequence[Socket], wanted: Wanted) -> list[tuple[Port, Socket]]:
    """The sockets that stand where one of ours has to be."""
    return [
        (port, socket)
        for port in wanted_ports(wanted)
        for socket in sockets
        if (socket.protocol, socket.port) == (port.protocol, port.number)
        and (port.reach != LOOPBACK or socket.wildcard or socket.loopback)
    ]


def _ports(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    told = set()
    for port, socket in contested(seen.sockets, wanted):
        holder = seen.holders.get(socket.inode)
        if (holder and holder.ours) or (not holder and _kernel_socket_of_ours(socket, seen)):
            continue
        who = f"{holder.process} (pid {holder.pid}{holder.of_unit})" if holder else "the kernel or another container"
        message = f"port {port.number}/{port.protocol}, which {port.program} needs, is in use by {who}"
        if message not in told:
            told.add(message)
            yield Finding(f"port_{port.number}", FAIL, message, "stop it, or have it listen elsewhere")


def _kernel_socket_of_ours(socket: Socket, seen: Observed) -> bool:
    """flannel's tunnels are the kernel's: their sockets have no process."""
    interfaces = {a.interface for a in seen.addresses} | {r.interface for r in seen.routes}
    return socket.protocol == "udp" and any(i.startswith("flannel") for i in interfaces)


def _token(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    """A server keeps one token; another one would be somebody else's, or one that has been replaced."""
    if not (wanted.token and seen.token):
        return
    try:
        given, kept = tokens.parse(wanted.token), tokens.parse(seen.token)
    except tokens.TokenError:
        return  # told once for all servers, as is a token that pins another CA
    if tokens.of_another_server(given, kept):
        message = "k3a_token is not the token that this server keeps"
        remedy = "give the cluster's token or none; rotate_token.yml replaces it"
        yield Finding("token", FAIL, message, remedy)


def _kept(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    if not wanted.server:
        return
    encrypts = kept.other_encryption(seen.encryption, wanted.secrets_encryption, wanted.secrets_encryption_provider)
    for name, (message, remedy) in (
        ("secrets_encryption", encrypts),
        ("disable_agent", kept.lasting_node(seen.installed, wanted.agent)),
    ):
        if message:
            yield Finding(name, FAIL, message, remedy)


def _arguments(seen: Observed) -> Iterable[Finding]:
    yield from (Finding("arguments", FAIL, message, remedy) for message, remedy in (*seen.unusable, *seen.illegible))


def _kubeconfig(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    if wanted.server and not seen.has_kubeconfig_group:
        message = f"the host has no group {wanted.write_kubeconfig_group}, which k3a_write_kubeconfig_group names"
        yield Finding("write_kubeconfig_group", FAIL, message, "make it, or name another one")
    # Where nothing at all can be written beside it, that is told.
    told = not seen.record_space.writable and wanted.write_kubeconfig.startswith(f"{DIRECTORY}/")
    if seen.unwritable and not told:
        message = f"k3a_write_kubeconfig {wanted.write_kubeconfig} cannot be written: {seen.unwritable}"
        yield Finding("write_kubeconfig", FAIL, message, "name another file, or move away what is there")


def wanted_users(wanted: Wanted) -> dict[str, str]:
    """The users that units will run as on this host, each with the unit."""
    return {user: each.unit for each in wanted.components for user in each.users}


def _accounts(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    units = wanted_users(wanted)
    for account in seen.accounts:
        way, name = accounts.way_in(account), account.name
        use = f"{units[name]} runs as it: whoever is {name} could read the unit's keys"
        remedy = f"rename it, or take its login away (usermod --lock --shell /usr/sbin/nologin {name})"
        if way:
            level = WARN if account.is_ours else FAIL
            yield Finding(f"user_{name}", level, f"somebody can log in as {name} ({way}), and {use}", remedy)
        elif accounts.may_be_used(account):
            message = f"the account {name} has a shell, a home and a person's number, and {use}"
            yield Finding(f"user_{name}", WARN, message, remedy)


def firewall_need(seen: Observed, wanted: Wanted) -> check_firewall.Need:
    """What the node needs of the host's firewall."""
    try:
        ips = tuple(node_ips(seen, wanted))
    except address.AddressError:  # which is a finding already
        ips = ()
    reached = reached_ports(wanted.components, wanted.without_peers)
    ports = {(port.protocol, port.number): port.reach for port in reached}
    networks = pod_networks(wanted.agent, wanted.flannel_backend, wanted.cluster_cidr)
    return check_firewall.Need(
        ports=tuple(ports),
        ports_of_api=tuple(port for port, reach in ports.items() if reach == ANYWHERE),
        cluster_cidr=networks,
        node_ips=ips,
        interface=next((a.interface for a in seen.addresses if a.ip in ips), ""),
        has_flannel=bool(networks),
        is_node=bool(seen.installed),
        is_managed=wanted.manage_firewall,
    )
