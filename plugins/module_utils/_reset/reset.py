# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What k3a made on a host, in the order in which it goes.

The plan names everything before anything is touched, so check mode announces what a run removes. What tells ours from
somebody else's (the data directory, the units) goes last: a run that was killed is finished by the next, and a host
that k3a never touched has nothing to remove, whatever runs there.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import fcntl
import glob
import grp
import json
import os
import pwd
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial

from ansible_collections.k3a.cluster.plugins.module_utils._components import (
    certificate_monitor,
    containerd,
    kubeconfig,
    kubelet,
    registry,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, selinux
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT
from ansible_collections.k3a.cluster.plugins.module_utils._engine.systemd import UNIT_DIRECTORY
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_proc as proc
from ansible_collections.k3a.cluster.plugins.module_utils._host import data_directory, host
from ansible_collections.k3a.cluster.plugins.module_utils._host import firewall as firewall_of_host
from ansible_collections.k3a.cluster.plugins.module_utils._identity import record_file
from ansible_collections.k3a.cluster.plugins.module_utils._reset import firewall, network, process, tree
from ansible_collections.k3a.cluster.plugins.module_utils._reset.process import ResetError

KUBELET_UNIT, CONTAINERD_UNIT = kubelet.DECLARATION.unit, containerd.DECLARATION.unit
# Whoever has a certificate of an agent is a member of the cluster.
NODE_UNITS = tuple(each.unit for each in registry.DECLARATIONS if each.role == AGENT and each.certificates)
RUNTIME = os.path.dirname(layouts.CONTAINERD_STATE)
TASKS = f"{layouts.CONTAINERD_STATE}/io.containerd.runtime.v2.task"
LOGIND, LOGIND_MARK = "/etc/systemd/logind.conf.d/99-kubelet.conf", b"# Kubelet logind override"
# Directories that we make and others may use too: they go when nothing is in them.
SHARED_DIRECTORIES = (os.path.dirname(host.SYSUSERS), *registry.remains().shared)

RECORDS = record_file.DIRECTORY
_DETACH = 2
ATTEMPTS = 3


@dataclass(frozen=True)
class Removal:
    """Things that go together, by the names that a person knows them by, and how they go."""

    what: tuple[str, ...]
    act: Callable[[], str | None]


@dataclass(frozen=True)
class Node:
    """A host, what k3a is told about it, and the facts that several decisions need."""

    data_dir: str
    # Whether the data directory is known to be k3a's: another one may have a name in common with it.
    ours: bool
    kubeconfig: str
    timeout: float
    points: tuple[str, ...]
    units: tuple[process.Unit, ...]
    processes: tuple[process.Process, ...]
    # A link that leads to the data directory is somebody's, and must not come to lead nowhere.
    is_linked: bool = False

    @property
    def bundles(self) -> str:
        """Where the programs are."""
        return f"{self.data_dir}/data"

    @property
    def main_pids(self) -> set[int]:
        """The processes that systemd stops."""
        return {unit.main_pid for unit in self.units if unit.main_pid}

    @property
    def joined(self) -> bool:
        """Whether this host ever was, or began to be, a node of a cluster of ours."""
        units = [f"{UNIT_DIRECTORY}/{unit}" for unit in NODE_UNITS]
        return any(map(os.path.lexists, [*self._in_data_dir("agent/tls"), *units]))

    @cached_property
    def staying(self) -> set[str]:
        """Where something stays mounted."""
        return set(self.points) - set(pod_mounts(self)) - set(dead_namespaces(self))

    @property
    def ran_containers(self) -> bool:
        """Whether our container runtime ever ran, or began to, on this host."""
        signs = (RUNTIME, *self._in_data_dir("agent/etc/containerd"), f"{UNIT_DIRECTORY}/{CONTAINERD_UNIT}")
        return any(map(os.path.lexists, signs))

    def _in_data_dir(self, name: str) -> list[str]:
        return [f"{self.data_dir}/{name}"] if self.ours else []


def observe(data_dir: str, recorded: bool, kubeconfig: str, timeout: float) -> Node:
    """Look at this host; whether it has recorded the data directory as its own was seen before anything went."""
    return Node(
        os.path.realpath(data_dir),
        recorded or data_directory.has_signs(os.path.realpath(data_dir)),
        kubeconfig,
        timeout,
        mount_points(),
        tuple(process.units("k3a-*", "kubepods*.slice", "cri-containerd-*.scope")),
        tuple(process.processes()),
        os.path.islink(data_dir.rstrip("/")),
    )


def mount_points() -> tuple[str, ...]:
    """Where something is mounted, in the order in which it was."""
    text = os.fsdecode(files.read_bytes("/proc/self/mountinfo") or b"")
    return tuple(mount.point for mount in proc.mounts(text))


def make_plan(node: Node) -> list[Removal]:
    """Everything of k3a on this host, in the order in which it goes."""
    plan = [*stop_node(node)]
    if node.joined:
        plan += [*leave_network(node), *forget_pods(node)]
    if node.ran_containers:
        plan += forget_runtime(node)
    plan += [*forget_host(node), *forget_state(node)]
    # It says where this host has everything, which a reset that was killed has to know to go on.
    last = [*removal_of(RECORDS, node)]
    going = {name for removal in plan for name in removal.what}
    parts = data_directory.parts(node.data_dir) if node.ours else ()
    own = [path for name, path in parts if name or not node.is_linked]
    for directory in (*SHARED_DIRECTORIES, layouts.KUBELET_DIRECTORY, *reversed(own)):
        # On a host that k3a never touched, an empty directory is somebody else's.
        if (plan or last) and directory not in going and tree.emptied(directory, going, node.staying):
            plan.append(Removal((directory,), partial(remove_directory, directory)))
            going.add(directory)
    return plan + last


# ---- in the order of the plan


def stop_node(node: Node) -> Iterable[Removal]:
    """The kubelet first, so that nothing starts pods again; then the pods; then all other units."""
    units = [unit.name for unit in node.units if unit.running and unit.name.startswith("k3a-")]
    kubelet = [name for name in units if name == KUBELET_UNIT]
    others = [name for name in units if name != KUBELET_UNIT]
    doomed = process.of_bundles(node.processes, node.bundles, node.main_pids) if node.ours else []
    pods = [unit.name for unit in node.units if unit.running and unit.of_pods and node.joined]
    if kubelet:
        yield Removal((KUBELET_UNIT,), partial(process.stop, kubelet, node.timeout))
    if doomed:
        names = sorted({f"process {os.path.basename(found.program)} ({found.pid})" for found in doomed})
        yield Removal(tuple(names), partial(process.kill, node.bundles, node.main_pids, node.timeout))
    if others:
        yield Removal(tuple(others), partial(process.stop, others, node.timeout))
    if pods:
        yield Removal(tuple(sorted(pods)), partial(end_pods, pods, node.timeout))


def leave_network(node: Node) -> Iterable[Removal]:
    """Mounts and namespaces of pods, the pod network's interfaces and routes, and its rules."""
    for point in pod_mounts(node):
        yield Removal((f"mount {point}",), partial(unmount, point))
    for path in dead_namespaces(node):
        yield Removal((path,), partial(remove_namespace, path))
    going = network.interfaces()
    for name in going:
        yield Removal((f"interface {name}",), partial(network.delete_interface, name))
    for route in network.lasting_routes(address.routes(), pod_networks(node), going):
        yield Removal((f"route {route.network}",), partial(network.delete_route, route))
    yield from leave_firewall()
    yield from leave_lock(layouts.XTABLES_LOCK, layouts.XTABLES_GROUP)


def leave_firewall() -> Iterable[Removal]:
    """Our tables and chains, in one transaction, and those of iptables-legacy where it is in use."""
    tables = json.loads(process.run("nft", "--json", "list", "tables"))
    chains = json.loads(process.run("nft", "--json", "list", "chains"))
    own = firewall.own_tables(chains, tables)
    commands = [f"delete table {' '.join(table)}" for table in own]
    for table in firewall.shared_tables(chains):
        commands += firewall.withdrawal(table, json.loads(process.run("nft", "--json", "list", "table", *table)))
    if commands:
        text = "".join(f"{command}\n" for command in commands)
        yield Removal(
            tuple(f"nftables: {command}" for command in commands if not command.startswith("flush")),
            partial(process.do, "nft", "--file", "-", text=text),
        )
    for program, used in (("iptables", "/proc/net/ip_tables_names"), ("ip6tables", "/proc/net/ip6_tables_names")):
        if files.read_bytes(used):
            lines = firewall.legacy_withdrawal(process.run(f"{program}-legacy-save", check=False))
            if lines:
                act = partial(process.do, f"{program}-legacy-restore", "--noflush", text=lines)
                yield Removal((f"{program}: chains of Kubernetes",), act)


def leave_lock(path: str, group: str) -> Iterable[Removal]:
    """The lock of the older iptables, when it is for the group of ours that our units are let in by."""
    _mode, _owner, found = files.ownership(path) or (0, "", "")
    if found == group:
        yield Removal((path,), partial(give_back_lock, path))


def forget_pods(node: Node) -> Iterable[Removal]:
    """What the kubelet and the CNI plugins keep about pods."""
    directory = layouts.KUBELET_DIRECTORY
    for name in tree.names(directory):
        yield from removal_of(f"{directory}/{name}", node)
    for pattern in registry.remains().paths:
        for path in sorted(glob.glob(pattern)):
            yield from removal_of(path, node)
    if (files.read_bytes(LOGIND) or b"").startswith(LOGIND_MARK):
        yield Removal((LOGIND,), remove_logind_settings)


def forget_runtime(node: Node) -> Iterable[Removal]:
    """What containerd, its shims and runc keep while they run."""
    sockets = {shim_socket(task) for task in grandchildren(TASKS)} | dead_sockets(containerd.SHIM_SOCKETS)
    for path in grandchildren(containerd.RUNC_STATE):
        if TASKS.encode() in (files.read_bytes(f"{path}/state.json") or b""):
            yield from removal_of(path, node)
    for path in sorted(filter(None, sockets)):
        yield from removal_of(path, node)
    running = any(unit.name == CONTAINERD_UNIT and unit.running for unit in node.units)
    if running or containerd.NRI_SOCKET in dead_sockets(os.path.dirname(containerd.NRI_SOCKET)):
        yield from removal_of(containerd.NRI_SOCKET, node)
    yield from removal_of(RUNTIME, node)


def forget_host(node: Node) -> Iterable[Removal]:
    """What makes a host ready to be a node: commands, users, kernel settings and what keeps them."""
    for path in (containerd.CRICTL, *(f"/usr/local/bin/{name}" for name in tree.names("/usr/local/bin"))):
        if node.ours and os.path.islink(path) and is_target_of_ours(os.readlink(path), node.data_dir):
            theirs = files.former_of(path)
            if os.path.lexists(theirs):
                yield Removal((path, theirs), partial(put_back, theirs, path))
            else:
                yield from removal_of(path, node)
    yield from forget_kubectl(node)
    if not tree.below(node.kubeconfig, RECORDS) and is_kubeconfig_of(node.data_dir, node.kubeconfig):
        yield from removal_of(node.kubeconfig, node)
    if os.path.exists(firewall_of_host.RECORD):
        yield Removal(("firewall rules of k3a",), firewall_of_host.close)
    if os.path.exists(selinux.POLICY):
        yield Removal((f"SELinux policy module {selinux.MODULE}",), remove_policy)
    for user in own_users():
        yield Removal((f"user {user}",), partial(remove_user, user))
    settings = host.read_record(host.record_path(node.data_dir)) if node.ours else {}
    for key, former in settings.items():
        if former is not None and host.read_setting(key) not in (former, None):
            yield Removal((f"kernel setting {key}",), partial(restore_setting, key, former))
    for directory in map(os.path.dirname, (host.SYSCTL, host.MODULES_LOAD, host.SYSUSERS, host.NETWORK_MANAGER)):
        for name in tree.names(directory):
            # The number may have been another one once; what a killed run left has a dot, and something at the end.
            if re.fullmatch(r"(\d+-)?k3a\.conf|\.(\d+-)?k3a\.conf\..*", name):
                yield from removal_of(f"{directory}/{name}", node)


def forget_kubectl(node: Node) -> Iterable[Removal]:
    """What kubectl remembers of this server's API; the answers of several clusters are kept together."""
    known = tree.names(f"{kubeconfig.KUBECTL_CACHE}/discovery")
    ours = [name for name in known if name.startswith("127.0.0.1_")]
    if ours and node.ours and os.path.isdir(f"{node.data_dir}/server"):
        for name in ours:
            yield from removal_of(f"{kubeconfig.KUBECTL_CACHE}/discovery/{name}", node)
        if known == ours:
            yield from removal_of(f"{kubeconfig.KUBECTL_CACHE}/http", node)


def forget_state(node: Node) -> Iterable[Removal]:
    """The state of the cluster, the units and the bundles; what tells that k3a was here goes last."""
    state = data_directory.own_paths(node.data_dir) if node.ours else []
    of_cluster = [path for path in state if path.startswith((f"{node.data_dir}/agent/", f"{node.data_dir}/server/"))]
    for path in of_cluster:
        yield from removal_of(path, node)
    units = unit_files(UNIT_DIRECTORY)
    if units:
        yield Removal(tuple(units), partial(remove_units, units))
    for path in state:
        if path not in of_cluster:
            yield from removal_of(path, node)


def removal_of(path: str, node: Node) -> Iterable[Removal]:
    """A path with all it holds, where there is anything to remove."""
    if tree.removable(path, node.staying):
        yield Removal((path,), partial(remove_path, path))


# ---- deciding what is ours


def is_target_of_ours(target: str, data_dir: str) -> bool:
    """Whether a link that leads there is ours: to a program of a bundle, to the command C(k3a), to C(crictl.yaml)."""
    made = {f"{data_dir}/{certificate_monitor.PROGRAM}", layouts.Layout(data_dir).agent_etc("crictl.yaml")}
    # It names the data directory as that was given, which may be a link itself.
    place = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
    found = {target, place} if os.path.isabs(target) else set()
    return any(tree.below(path, f"{data_dir}/data") or path in made for path in found)


def left_alone(node: Node) -> list[str]:
    """What the operator has to know of: mounts and links of others below what goes, which nobody touched."""
    own = {path for _name, path in data_directory.parts(node.data_dir)} | {layouts.KUBELET_DIRECTORY}
    roots = (*([node.data_dir] if node.ours else ()), *([layouts.KUBELET_DIRECTORY] if node.joined else ()))
    mounts = sorted({point for point in node.staying - own for root in roots if tree.below(point, root)})
    links = [path for path in data_directory.foreign_links(node.data_dir) if node.ours]
    return [
        *(f"{point} is a mount that k3a has not made; what is in it was left as it is" for point in mounts),
        *(f"{link} is a link that k3a has not made; it and what it leads to were left as they are" for link in links),
    ]


def unit_files(directory: str) -> list[str]:
    """Our unit files, what an operator added to them, and the links that start them."""
    links = [f"{directory}/{name}" for name in tree.names(directory) if name.endswith((".wants", ".requires"))]
    places = [directory, *links]
    return [f"{place}/{name}" for place in places for name in tree.names(place) if name.startswith(("k3a-", ".k3a-"))]


def own_users() -> list[str]:
    """The users that our sysusers file made; an etcd of somebody else has another description."""
    if not os.path.exists(host.SYSUSERS):
        return []
    return [entry.pw_name for entry in pwd.getpwall() if registry.users().get(entry.pw_name) == entry.pw_gecos]


def is_kubeconfig_of(data_dir: str, path: str) -> bool:
    """Whether a kubeconfig holds the CA of this server."""
    authority = files.read_bytes(layouts.Layout(data_dir).tls("server-ca.crt"))
    return authority is not None and base64.b64encode(authority) in (files.read_bytes(path) or b"")


def pod_mounts(node: Node) -> list[str]:
    """The mounts of pods and containers, innermost first; what the administrator mounted is above these."""
    kubelet = layouts.KUBELET_DIRECTORY
    containerd = f"{node.data_dir}/agent/containerd"
    return tree.own_mounts(node.points, (RUNTIME, f"{kubelet}/pods", f"{kubelet}/plugins", containerd))


def pod_networks(node: Node) -> list[str]:
    """The networks of pods, as flannel was told."""
    content = files.read_bytes(layouts.Layout(node.data_dir).agent_etc("flannel/net-conf.json"))
    known = json.loads(content) if content else {}
    named = [known[key] for key in ("Network", "IPv6Network") if known.get(key)]
    return [text for text in named if not text.endswith("/0")]


def dead_namespaces(node: Node) -> list[str]:
    """The network namespaces of pods in which nobody else lives: another container runtime has some of these too."""
    going = {found.pid for found in process.of_bundles(node.processes, node.bundles)}
    inhabited = {found.network for found in node.processes if found.pid not in going}
    directory = containerd.NETWORK_NAMESPACES
    paths = [f"{directory}/{name}" for name in tree.names(directory) if name.startswith("cni-")]
    return [path for path in paths if os.stat(path).st_ino not in inhabited]


def grandchildren(directory: str) -> list[str]:
    """What containerd keeps by namespace and container."""
    return [
        f"{directory}/{space}/{name}" for space in tree.names(directory) for name in tree.names(f"{directory}/{space}")
    ]


def shim_socket(task: str) -> str | None:
    """The socket of the shim that runs a task."""
    content = files.read_bytes(f"{task}/bootstrap.json")
    found = str(json.loads(content).get("address", "")) if content else ""
    return found[len("unix://") :] if found.startswith("unix:///") else None


def dead_sockets(directory: str) -> set[str]:
    """The sockets in a directory that nobody listens on."""
    text = (files.read_bytes("/proc/net/unix") or b"").decode(errors="replace")
    listening = {line.split()[-1] for line in text.splitlines()}
    return {path for path in (f"{directory}/{name}" for name in tree.names(directory)) if path not in listening}


# ---- doing


def apply(plan: Iterable[Removal]) -> list[str]:
    """Carry a plan out; what has gone by itself on the way is no error. Returns what the operator has to know."""
    return [warning for warning in [removal.act() for removal in plan] if warning]


def converge(data_dir: str, recorded: bool, kubeconfig: str, timeout: float) -> list[str]:
    """Remove until nothing is left: what was on its way when it was looked for turns up the second time."""
    look = partial(observe, data_dir, recorded, kubeconfig, timeout)
    node = look()
    warnings = left_alone(node)
    for _attempt in range(ATTEMPTS):
        plan = make_plan(node)
        if not plan:
            return warnings
        warnings += apply(plan)
        node = look()
    left = [name for removal in make_plan(node) for name in removal.what]
    if left:
        raise ResetError(f"{', '.join(left)} came back {ATTEMPTS} times; find out what makes it and run again")
    return warnings


def end_pods(units: list[str], timeout: float) -> None:
    """End the scopes of containers and the slices of pods, and the control groups that systemd does not know of."""
    process.run("systemctl", "kill", "--signal=SIGKILL", "kubepods.slice", check=False)
    process.stop(units, timeout)
    process.run("systemctl", "reset-failed", *units, check=False)
    for point in mount_points():
        if tree.below(point, "/sys/fs/cgroup") or point == "/sys/fs/cgroup":
            for directory, _names, _files in os.walk(f"{point}/kubepods.slice", topdown=False):
                remove_directory(directory)


def unmount(point: str) -> None:
    """Take a mount away; one that is still in use goes as soon as it is not."""
    libc = ctypes.CDLL(None, use_errno=True)
    for flags in (0, _DETACH):
        if libc.umount2(os.fsencode(point), flags) == 0 or ctypes.get_errno() in (errno.EINVAL, errno.ENOENT):
            return
    raise ResetError(f"{point} cannot be unmounted: {os.strerror(ctypes.get_errno())}; unmount it and run again")


def remove_namespace(path: str) -> None:
    """Take away the name of a network namespace, and with it the namespace."""
    unmount(path)
    files.remove_file(path)


def remove_path(path: str) -> None:
    """Remove a path with all it holds, but never anything on a mount that is there by now."""
    tree.remove(path, mount_points())


def remove_directory(path: str) -> None:
    """Remove a directory, unless somebody has put something there meanwhile."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EBUSY):
            raise


def give_back_lock(path: str) -> None:
    """Remove a lock. One that somebody holds now is root's alone again, as its own programs make it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except BlockingIOError:
        os.fchown(descriptor, 0, 0)
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def remove_logind_settings() -> None:
    """Have logind forget the kubelet's delay of a shutdown."""
    files.remove_file(LOGIND)
    process.run("systemctl", "kill", "--signal=SIGHUP", "systemd-logind.service", check=False)


def restore_setting(key: str, former: str) -> str | None:
    """Set a kernel setting to what it was. One that the kernel refuses must not keep the rest of k3a on the host."""
    try:
        host.write_setting(key, former)
    except host.HostError as error:
        return str(error)
    return None


def put_back(former: str, path: str) -> None:
    """Give back what somebody had at a path before k3a, in place of what k3a has there."""
    os.rename(former, path)
    files.sync_directory(os.path.dirname(path))


def remove_policy() -> None:
    """Have SELinux forget our labels; what says that it knows them goes when it does not."""
    process.run("semodule", "--remove", selinux.MODULE, check=False)
    files.remove_file(selinux.POLICY)


def remove_user(name: str) -> None:
    """Remove a user and the group of the same name."""
    process.run("userdel", name)
    if name in {entry.gr_name for entry in grp.getgrall()}:
        process.run("groupdel", name)


def remove_units(paths: Iterable[str]) -> None:
    """Remove unit files and have systemd forget them."""
    for path in paths:
        remove_path(path)
    process.run("systemctl", "daemon-reload")
    process.run("systemctl", "reset-failed", "k3a-*", check=False)
