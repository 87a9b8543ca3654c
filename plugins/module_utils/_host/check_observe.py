# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Looks at a host, and changes nothing of it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from ansible_collections.k3a.cluster.plugins.module_utils._bundle import upgrade
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.store import Store
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import broken, data
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd, EtcdError, client_url
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, own_units, program, selinux
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import text_of
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import sentence
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._host import (
    accounts,
    arguments,
    check,
    check_firewall,
    check_neighbours,
    data_directory,
    host,
    kept,
    packet_filter,
    resolver,
)
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_proc as proc
from ansible_collections.k3a.cluster.plugins.module_utils._host import identity as identities
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Component, Observed, Space, Wanted
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_kernel import nft_version, read_kernel
from ansible_collections.k3a.cluster.plugins.module_utils._host.readable import unusable
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity
from ansible_collections.k3a.cluster.plugins.module_utils._identity.record_file import DIRECTORY, RecordDamaged
from ansible_collections.k3a.cluster.plugins.module_utils._joining.node_password import PASSWORD_FILE
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens

# Where commands may be that an SSH session's PATH leaves out.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# So long, in seconds, the local etcd may take to say who it is; one that hangs is told of elsewhere.
ETCD_PATIENCE = 3.0
FIREWALLD = "firewalld.service"
# What is written to find out how slow a disk is, how often, how often at least, and how many seconds more may take.
WRITE_SIZE, WRITES, FEWEST_WRITES, WRITES_PATIENCE = 2048, 20, 3, 0.4

Kept = TypeVar("Kept")
Run = Callable[..., tuple[int, str, str]]


def observe(wanted: Wanted, run: Run) -> Observed:
    """Everything that the judgement needs to know about this host; run is a module's run_command."""
    table = proc.mounts(text_of("/proc/self/mountinfo"))
    cgroup = proc.cgroup_version(table)
    systemd, active_units = _systemd(run, [each.unit for each in wanted.components])
    sockets = tuple(
        socket
        for protocol in ("tcp", "udp")
        for version in ("", "6")
        for socket in proc.listening(text_of(f"/proc/net/{protocol}{version}"), protocol)
    )
    contested = {socket.inode for _port, socket in check.contested(sockets, wanted)}
    running = {each.name for each in wanted.components if each.unit in active_units}
    machine, units = identities.machine_id(), own_units.installed()
    recorded, damaged = _read(identities.recorded)
    etcd_recorded, etcd_damaged = _read(identities.recorded_etcd)
    identity = recorded or identities.implied(units, machine)
    # Where the host has its cluster; another directory that is wanted was never its own.
    layout = Layout(identity.data_dir or wanted.data_dir)
    etcd = _etcd(layout) if "etcd" in running else EtcdIdentity()
    return Observed(
        hostname=os.uname().nodename,
        machine_id=machine,
        systemd=systemd,
        cgroup=cgroup,
        controllers=_controllers(cgroup),
        memory=proc.memory_total(text_of("/proc/meminfo")),
        swap=proc.swaps(text_of("/proc/swaps")),
        kernel=read_kernel(),
        commands=frozenset(
            name for name in (*check.wanted_commands(wanted), *selinux.COMMANDS) if shutil.which(name, path=PATH)
        ),
        nft=_nft_version(wanted, run),
        lacking_python=_lacking_python(sys.executable, run),
        active_units=active_units,
        neighbours=check_neighbours.observe(),
        selinux=selinux.mode(),
        selinux_knows_containers=wanted.selinux and selinux.names() is not None,
        mount=proc.mount_of(os.path.realpath(wanted.data_dir), table),
        blocked=data_directory.blocked(wanted.data_dir),
        space=_space(wanted.data_dir),
        record_space=_space(DIRECTORY),
        write_latency=write_latency(layout.etcd) if wanted.server and not units else 0.0,
        bundles=frozenset(_bundles(wanted.data_dir)),
        dns_servers=resolver.servers_in(wanted.resolv_conf or resolver.usable_resolv_conf()),
        addresses=tuple(address.node_addresses()),
        routes=tuple(address.routes()),
        sockets=sockets,
        holders=proc.holders(contested),
        firewall=_firewall(wanted, FIREWALLD in active_units, run),
        etcd_data=layout.etcd_has_data or Layout(wanted.data_dir).etcd_has_data,
        authority=_authority(layout),
        installed=frozenset(units),
        versions=upgrade.installed(Store(layout.data_dir)),
        node_password=os.path.exists(PASSWORD_FILE),
        token=text_of(layout.token).strip(),
        lost=bootstrap.lost_by(layout, wanted.token) if wanted.server else "",
        lacks_ca=wanted.server and bootstrap.lacks_later(layout),
        has_kubeconfig_group=files.has_group(wanted.write_kubeconfig_group),
        identity=identity,
        recorded=recorded is not None,
        damaged=tuple(filter(None, (damaged, etcd_damaged))),
        state=identities.has_state(layout.data_dir),
        etcd=etcd,
        # What runs was asked when it started.
        etcd_outdated=not etcd.cluster_id and _is_outdated(layout),
        etcd_complaint=broken.complaint() if "etcd" in running and not etcd.cluster_id else "",
        etcd_recorded=etcd_recorded or EtcdIdentity(),
        etcd_kept=EtcdIdentity() if etcd.cluster_id else _kept(layout),
        real_data_dir=os.path.realpath(wanted.data_dir),
        accounts=accounts.find(check.wanted_users(wanted)),
        encryption=kept.provider_in(layout) if wanted.server else "",
        kernel_settings=_other_settings(host.KUBELET_SETTINGS),
        unusable=_unusable(wanted.components),
        illegible=_illegible(wanted.components, layout.data_dir),
        unwritable=_unwritable(wanted.write_kubeconfig) if wanted.server and wanted.write_kubeconfig else "",
        foreign=tuple(data_directory.foreign_paths(os.path.realpath(wanted.data_dir))),
    )


def _other_settings(wanted: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The settings of the kernel that differ, as they are."""
    found = {key: host.read_setting(key) for key in wanted}
    return tuple((key, has) for key, has in found.items() if has and host.has_to_change(key, wanted[key], has, ()))


def _unusable(components: Iterable[Component]) -> tuple[tuple[str, str], ...]:
    """With which files that their arguments name components cannot work."""
    return tuple(
        told
        for each in components
        for user in each.users[:1]
        for told in unusable(each.arguments, user, each.unit, each.configuration)
    )


def _illegible(components: Iterable[Component], data_dir: str) -> tuple[tuple[str, str], ...]:
    """What the programs that are installed cannot read of their arguments."""
    asked = (each for each in components if each.program)
    found = (arguments.illegible(f"{data_dir}/data/current/bin/{each.program}", each.arguments) for each in asked)
    return tuple(told for several in found for told in several)


def _unwritable(path: str) -> str:
    """Why the administrator's kubeconfig cannot be written at a place, or should not; nothing where it can."""
    try:
        content = files.read_bytes(path)
        files.refuse_place(path)
    except OSError as error:
        return sentence(error)
    return f"{path} is there and no kubeconfig" if content and b"clusters" not in content else ""


def _nft_version(wanted: Wanted, run: Run) -> str:
    """Which nft the components will run; asked only where an old one is in the way."""
    nft = shutil.which("nft", path=PATH)
    return nft_version(run([nft, "--version"])[1]) if nft and wanted.proxy_mode == "nftables" else ""


def _firewall(wanted: Wanted, firewalld: bool, run: Run) -> check_firewall.Firewall:
    """What filters packets. Only tables are listed that may drop some: those of services can be long."""
    nft, listed, tables = shutil.which("nft", path=PATH), "", []
    own = tuple(name for each in wanted.components for name in each.rules)
    if nft:
        listed = run([nft, "--json", "list", "chains"])[1]
        names = dict.fromkeys(chain[:2] for chain in packet_filter.base_chains(listed, own))
        tables = [run([nft, "--json", "list", "table", *name])[1] for name in names]
    return check_firewall.Firewall(
        rules=packet_filter.read_filter(listed, tables, own),
        has_iptables=shutil.which("iptables", path=PATH) is not None,
        firewalld=check_firewall.read_firewalld() if firewalld else None,
        ufw=check_firewall.read_ufw(),
    )


def _lacking_python(running: str, run: Run) -> str:
    """The Python of the system, where it would have to run what Ansible's own cannot, and cannot either."""
    python = program.interpreter(running)
    return "" if python == running or program.is_usable(python, run) else python


def _read(record: Callable[[], Kept]) -> tuple[Kept | None, str]:
    """A record, or why it cannot be read."""
    try:
        return record(), ""
    except RecordDamaged as error:
        return None, str(error)


def _etcd(layout: Layout) -> EtcdIdentity:
    """Which cluster and member the local etcd says that it is; nothing where it does not answer."""
    try:
        return Etcd(layout, [client_url("127.0.0.1")], ETCD_PATIENCE).identity()
    except (EtcdError, OSError):
        return EtcdIdentity()


def _kept(layout: Layout) -> EtcdIdentity:
    """Whose data is in the directory of etcd; of data that does not say so, the step that needs it tells."""
    try:
        return data.kept_identity(layout.etcd) or EtcdIdentity()
    except (data.DataDamaged, OSError):
        return EtcdIdentity()


def _is_outdated(layout: Layout) -> bool:
    """Whether the data of etcd is an old copy; data that cannot be read is told of by the step that needs it."""
    try:
        return data.is_outdated(data.kept_progress(layout.etcd), data.recorded_progress())
    except (data.DataDamaged, OSError):
        return False


def _authority(layout: Layout) -> str:
    """The hash that tells this cluster's CA from another's; nothing before the server is installed."""
    pem = bootstrap.read_authorities(layout).get("server", "")
    return tokens.ca_hash(pem) if pem else ""


def parse_units(shown: str) -> frozenset[str]:
    """The units that C(systemctl show) calls active."""
    records = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in shown.split("\n\n")]
    return frozenset(r["Id"] for r in records if r.get("ActiveState") in ("active", "activating", "reloading"))


def parse_version(shown: str) -> int:
    """The major version in systemd's property Version: 252.39-1~deb12u1, v255.4, 250."""
    match = re.search(r"^Version=v?(\d+)", shown, re.M)
    return int(match[1]) if match else 0


def _systemd(run: Run, own: Sequence[str]) -> tuple[int, frozenset[str]]:
    if not os.path.isdir("/run/systemd/system"):
        return 0, frozenset()
    units = (*check_neighbours.UNITS, FIREWALLD, *own)
    return (
        parse_version(_show(run, "--property=Version")),
        parse_units(_show(run, "--property=Id,ActiveState", *units)),
    )


def _show(run: Run, *arguments: str) -> str:
    return run(["systemctl", "show", *arguments])[1]


def _controllers(cgroup: int) -> frozenset[str]:
    if cgroup == 2:
        return frozenset(text_of("/sys/fs/cgroup/cgroup.controllers").split())
    return proc.v1_controllers(text_of("/proc/cgroups"))


def write_latency(path: str) -> float:
    """The median of the seconds that small writes take to be on a disk. They go to a file that never has a name."""
    taken: list[float] = []
    try:
        file = os.open(_existing(path), os.O_TMPFILE | os.O_WRONLY, 0o600)
    except OSError:  # on a filesystem that has no such files nothing is tried
        return 0.0
    try:
        until = time.monotonic() + WRITES_PATIENCE
        # A single one that is slow says nothing.
        while len(taken) < FEWEST_WRITES or (len(taken) < WRITES and time.monotonic() < until):
            began = time.monotonic()
            os.write(file, bytes(WRITE_SIZE))
            os.fdatasync(file)
            taken.append(time.monotonic() - began)
    except OSError:  # a full disk is told as such
        return 0.0
    finally:
        os.close(file)
    return sorted(taken)[len(taken) // 2]


def _existing(path: str) -> str:
    """The innermost of a path that is there."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _space(path: str) -> Space:
    path = _existing(path)
    found = os.statvfs(path)
    # One in memory may have neither blocks nor inodes of its own, and is never full.
    free = found.f_bavail * found.f_frsize if found.f_blocks else sys.maxsize
    return Space(free, found.f_favail if found.f_files else None, os.access(path, os.W_OK))


def _bundles(data_dir: str) -> list[str]:
    return os.listdir(f"{data_dir}/data") if os.path.isdir(f"{data_dir}/data") else []
