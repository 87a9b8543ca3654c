# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A host that is ready to be a node: users, directories, kernel modules and kernel settings, all kept over a reboot."""

from __future__ import annotations

import glob
import grp
import json
import os
import pwd
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options, process, selinux
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import Change, Directory, File
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_kernel, firewall

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SYSUSERS = "/etc/sysusers.d/k3a.conf"
MODULES_LOAD = "/etc/modules-load.d/k3a.conf"
SYSCTL = "/etc/sysctl.d/60-k3a.conf"
# NetworkManager would have a say in interfaces that it does not know.
NETWORK_MANAGER = "/etc/NetworkManager/conf.d/k3a.conf"
SYSCTL_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
MODULES = ("overlay", "br_netfilter", "nf_conntrack", "nf_tables", "vxlan")
# What the kubelet otherwise sets by itself on every start, and does not start without where it may not.
KUBELET_SETTINGS = {
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
}
# What packets between pods need, and that.
SETTINGS = {
    "net.ipv4.conf.all.forwarding": "1",
    "net.ipv4.conf.default.forwarding": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    **KUBELET_SETTINGS,
}
SETTINGS_IPV6 = {
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.conf.default.forwarding": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}
# What kube-proxy changes by itself; a reset puts it back too.
SET_BY_KUBE_PROXY = (
    "net.ipv4.conf.all.route_localnet",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
)
# Each kubelet, containerd and watching container takes some of these; a kernel that has more keeps it.
MINIMUMS = {"fs.inotify.max_user_instances": "8192", "fs.inotify.max_user_watches": "524288"}


class HostError(K3aError):
    """The host refuses something; the message says what and what to do."""


@dataclass(frozen=True)
class Host:
    """A host as it should be."""

    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    settings: dict[str, str]
    record: str
    users: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    # What its firewalls have to let through; nothing where they are somebody else's matter.
    opening: firewall.Opening = firewall.Opening()
    node_ips: tuple[str, ...] = ()
    # Which labels of SELinux what is in the data directory has; nothing where it is off, or not asked for.
    policy: str = ""


@dataclass(frozen=True)
class Plan:
    """What has to be done to a host."""

    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    users: tuple[str, ...]
    modules: tuple[str, ...]
    settings: dict[str, str]
    changes: tuple[Change, ...]
    policy: str = ""
    openings: firewall.Openings = field(default_factory=dict)


def record_path(data_dir: str) -> str:
    """Where the former values of kernel settings are kept."""
    return f"{data_dir}/host.json"


def wanted_host(
    data_dir: str,
    families: Sequence[int],
    users: Mapping[str, str],
    backend: str,
    labelled: bool = False,
    interfaces: Sequence[str] = (),
) -> Host:
    """The host that a node of these address families and this backend of flannel needs.

    C(users) are those of all components, with their purposes, and C(interfaces) those that they make.
    """
    modules = wanted_modules(backend)
    settings = {**SETTINGS, **(SETTINGS_IPV6 if 6 in families else {}), **raised(record_path(data_dir))}
    sysusers = "".join(f'u {user} - "{purpose}"\n' for user, purpose in users.items())
    sysctl = "".join(
        f"{'-' if key.startswith('net.bridge.') else ''}{key} = {value}\n" for key, value in settings.items()
    )
    texts = {SYSUSERS: sysusers, MODULES_LOAD: "\n".join(modules) + "\n", SYSCTL: sysctl}
    if interfaces and os.path.isdir(os.path.dirname(NETWORK_MANAGER)):
        texts[NETWORK_MANAGER] = unmanaged(interfaces)
    return Host(
        directories=(files.Directory(data_dir, 0o755),),
        files=tuple(files.File(path, text.encode(), mode=0o644) for path, text in texts.items()),
        settings=settings,
        record=record_path(data_dir),
        users=tuple(users),
        modules=modules,
        policy=selinux.policy(data_dir, selinux.names()) if labelled and selinux.mode() else "",
    )


def unmanaged(interfaces: Iterable[str]) -> str:
    """What has NetworkManager leave interfaces alone, besides those that it was told before."""
    names = ";".join(f"interface-name:{name}" for name in interfaces)
    return f"# The pod network of k3a.\n[keyfile]\nunmanaged-devices+={names}\n"


def wanted_modules(backend: str) -> tuple[str, ...]:
    """The kernel modules of a node; neither kube-proxy nor flannel may load any."""
    feature = check_kernel.BACKENDS.get(backend)
    return tuple(dict.fromkeys((*MODULES, *([feature.module] if feature else []))))


def raised(record: str) -> dict[str, str]:
    """The minimums that this kernel does not have by itself; naming the others would lower them at the next start."""
    former = read_record(record)
    return {
        key: value
        for key, value in MINIMUMS.items()
        if key in former or has_to_change(key, value, read_setting(key), ())
    }


def make_plan(wanted: Host) -> Plan:
    """Compare a host with what is there."""
    directories = [(item, files.directory_change(item)) for item in wanted.directories]
    texts = [(item, files.file_change(item)) for item in wanted.files]
    users = missing_users(wanted.users)
    modules = loadable(wanted.modules)
    settings = {
        key: value for key, value in wanted.settings.items() if has_to_change(key, value, read_setting(key), modules)
    }
    policy = wanted.policy and files.file_change(File(selinux.POLICY, wanted.policy.encode(), mode=0o644))
    changes = [change for _item, change in (*directories, *texts) if change]
    changes += [policy] if policy else []
    openings = firewall.missing(wanted.opening, wanted.node_ips)
    changes += firewall.changes(openings)
    changes += [files.Change(f"user {user}", "", "present\n") for user in users]
    changes += [files.Change(f"kernel module {name}", "", "loaded\n") for name in modules]
    changes += [files.Change(key, f"{read_setting(key) or ''}\n", f"{value}\n") for key, value in settings.items()]
    return Plan(
        directories=tuple(item for item, change in directories if change),
        files=tuple(item for item, change in texts if change),
        users=users,
        modules=modules,
        settings=settings,
        changes=tuple(changes),
        policy=wanted.policy if policy else "",
        openings=openings,
    )


def apply(wanted: Host, plan: Plan) -> None:
    """Carry a plan out; what a setting was before is recorded before it is changed."""
    for directory in plan.directories:
        files.make_directory(directory)
    for file in plan.files:
        files.write_file(file)
    if plan.users:
        _run(["systemd-sysusers", SYSUSERS])
    for name in plan.modules:
        _run(["modprobe", name])
    if NETWORK_MANAGER in (file.path for file in plan.files):
        # It may not run now; it reads the file whenever it starts.
        process.run(["systemctl", "try-reload-or-restart", "NetworkManager.service"])
    others = {key: read_setting(key) for key in SET_BY_KUBE_PROXY if read_setting(key) is not None}
    record(wanted.record, {**others, **{key: read_setting(key) for key in plan.settings}})
    for key, value in plan.settings.items():
        write_setting(key, value)
    if plan.policy:
        selinux.install(plan.policy, wanted.directories[0].path)
    if plan.openings:
        firewall.open_for(plan.openings)


def record(path: str, former: dict[str, str | None]) -> None:
    """Remember former values of settings; what is remembered already is older, so it stays."""
    known = read_record(path)
    if former.keys() - known.keys():
        content = json.dumps({"settings": {**former, **known}}, indent=2, sort_keys=True) + "\n"
        files.write_file(files.File(path, content.encode(), mode=0o600))


def read_record(path: str) -> dict[str, str | None]:
    """The former values of settings."""
    content = files.read_bytes(path)
    try:
        return dict(json.loads(content)["settings"]) if content else {}
    except (ValueError, KeyError, TypeError):
        raise HostError(
            f"{path} is damaged; put it back from a backup, or remove it, and a reset leaves the kernel as it is"
        ) from None


def missing_users(users: Sequence[str]) -> tuple[str, ...]:
    """The users that do not exist yet, or have no group of their name, as a user that the host had before need not.

    Each is asked for: a directory service need not list all that it knows.
    """

    def exists(user: str) -> bool:
        try:
            return bool(pwd.getpwnam(user) and grp.getgrnam(user))
        except KeyError:
            return False

    return tuple(user for user in users if not exists(user))


def overriding(settings: Mapping[str, str], texts: Iterable[tuple[str, str]]) -> list[str]:
    """What to say of files that set other values when the host boots, since they are read after ours."""
    ours = os.path.basename(SYSCTL)
    told = []
    for path, text in texts:
        for line in text.splitlines() if os.path.basename(path) > ours else ():
            key, separator, value = line.strip().lstrip("-").partition("=")
            key, value = key.strip().replace("/", "."), value.strip()
            if separator and key in settings and value != settings[key]:
                told.append(
                    f"{path} sets {key} to {value} when this host boots, after {SYSCTL} with {settings[key]};"
                    " remove that line, or run k3a again after each boot"
                )
    return told


def boot_settings() -> list[tuple[str, str]]:
    """The files of kernel settings that are read at boot; one hides others of its name in later directories."""
    found: dict[str, str] = {}
    for directory in SYSCTL_DIRECTORIES:
        for path in glob.glob(f"{directory}/*.conf"):
            found.setdefault(os.path.basename(path), path)
    return [(path, (files.read_bytes(path) or b"").decode(errors="replace")) for path in found.values()]


def loadable(names: Sequence[str]) -> tuple[str, ...]:
    """The kernel modules that are neither loaded nor built in, and that this kernel can load."""
    available = (files.read_bytes(f"/lib/modules/{os.uname().release}/modules.dep") or b"").decode(errors="replace")
    paths = [line.split(":")[0] for line in available.splitlines()]
    known = {os.path.basename(path).split(".")[0].replace("-", "_") for path in paths}
    return tuple(name for name in names if name in known and not os.path.isdir(f"/sys/module/{name}"))


def has_to_change(key: str, wanted: str, current: str | None, modules: Sequence[str]) -> bool:
    """Whether a setting differs; one that is not there yet counts when its kernel module is about to be loaded."""
    if current is None:
        return key.startswith("net.bridge.") and "br_netfilter" in modules
    if key in MINIMUMS:
        return int(current) < int(wanted)
    return current != wanted


def setting_path(key: str) -> str:
    """Where the kernel has a setting."""
    return "/proc/sys/" + key.replace(".", "/")


def read_setting(key: str) -> str | None:
    """A setting's value, or None when this kernel does not have it."""
    content = files.read_bytes(setting_path(key))
    return None if content is None else content.decode().strip()


def write_setting(key: str, value: str) -> None:
    """Change a setting of the running kernel."""
    try:
        with open(setting_path(key), "w", encoding="ascii") as stream:
            stream.write(value)
    except OSError as error:
        raise HostError(f"the kernel setting {key} cannot be set to {value} on this host: {error.strerror}") from error


def _run(command: list[str]) -> None:
    done = process.run(command)
    if done.code != 0:
        raise HostError(f"{' '.join(command)} failed: {done.complaint}")


OPTIONS = {
    "data_dir": options.DATA_DIR,
    "cluster_cidr": options.CLUSTER_CIDR,
    "flannel_backend": options.FLANNEL_BACKEND,
    "selinux": options.SELINUX,
    "users": {"type": "dict", "default": {}},
    "manage_firewall": {"type": "bool", "default": False},
    "firewall_ports": {"type": "list", "elements": "str", "default": []},
    "firewall_networks": {"type": "list", "elements": "str", "default": []},
    "node_ip": options.NODE_IP,
    "interfaces": {"type": "list", "elements": "str", "default": []},
    "timeout": options.TIMEOUT,
}


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    families = address.families(params["cluster_cidr"])
    wanted = wanted_host(
        params["data_dir"],
        families,
        params["users"],
        params["flannel_backend"],
        params["selinux"],
        params["interfaces"],
    )
    if params["manage_firewall"]:
        opening = firewall.Opening(tuple(params["firewall_ports"]), tuple(params["firewall_networks"]))
        wanted = replace(wanted, opening=opening, node_ips=tuple(params["node_ip"]))
    plan = make_plan(wanted)
    if plan.changes and not module.check_mode:
        with host_lock(params["timeout"]):
            plan = make_plan(wanted)
            apply(wanted, plan)
    if not module.check_mode:
        for text in overriding(wanted.settings, boot_settings()):
            module.warn(text)
    module.exit_json(
        changed=bool(plan.changes),
        changes=[change.path for change in plan.changes],
        diff=[change.as_diff() for change in plan.changes],
    )
