# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Where things are on a node, and the pieces of unit files that several components share."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass

KUBELET_DIRECTORY = "/var/lib/kubelet"
CONTAINERD_STATE = "/run/k3a/containerd"
CONTAINERD_SOCKET = f"{CONTAINERD_STATE}/containerd.sock"

# What no process of ours needs that makes no containers. A system call that is not allowed fails: a library that tries
# one finds another way, and would be killed otherwise.
_NARROW = (
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectProc", "invisible"),
    ("PrivateDevices", "yes"),
    ("PrivateMounts", "yes"),
    ("PrivateTmp", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("MemoryDenyWriteExecute", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    ("SystemCallErrorNumber", "EPERM"),
    ("UMask", "0077"),
)
_NETWORK = ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6")
# A process without capabilities sees only what it must, and can change only its own directory. PrivateUsers= is left
# out: on hosts that forbid user namespaces nothing would start, and what that keeps apart has users of its own.
SANDBOX = (*_NARROW, _NETWORK, ("CapabilityBoundingSet", ""), ("ProtectKernelTunables", "yes"), ("RemoveIPC", "yes"))
# Go's library asks for the host's interfaces by netlink.
KNOWS_INTERFACES = (("RestrictAddressFamilies", "AF_NETLINK"),)
# Nothing in /proc but processes. Go reads there how long the queue of a busy listener may be, and when it was started.
ONLY_PROCESSES = (("ProcSubset", "pid"),)
# Of a process that talks to nobody but the API on its own host.
LOOPBACK_ONLY = (("IPAddressDeny", "any"), ("IPAddressAllow", "localhost"))
# What a timer starts. systemd's own words about each run are left out of the journal.
TIMER_SANDBOX = (*SANDBOX, *ONLY_PROCESSES, ("LogLevelMax", "notice"))
# What programs the kernel's network needs two of root's capabilities, as the commands do that it runs, and none of the
# host's files.
_NETWORK_CAPABILITIES = "CAP_NET_ADMIN CAP_NET_RAW"
# Where iptables is the older one, all that use it wait for each other by this file, which is root's alone. The group of
# kube-proxy, to which no other file belongs, is let in.
XTABLES_LOCK, XTABLES_GROUP = "/run/xtables.lock", "kube-proxy"
_SHARED_LOCK = " && ".join(f"{command} {XTABLES_LOCK}" for command in ("touch", f"chgrp {XTABLES_GROUP}", "chmod 0640"))
NETWORK_SANDBOX = (
    ("ExecStartPre", f'+/bin/sh -c "{_SHARED_LOCK}"'),
    *_NARROW,
    _NETWORK,
    *KNOWS_INTERFACES,
    ("CapabilityBoundingSet", _NETWORK_CAPABILITIES),
    ("AmbientCapabilities", _NETWORK_CAPABILITIES),
    # Of the kernel's settings it changes those of the network; others, such as core_pattern, run programs as root.
    ("ReadOnlyPaths", "-/proc/sys -/sys/kernel"),
    ("ReadWritePaths", "-/proc/sys/net"),
)


def run_as(user: str) -> tuple[tuple[str, str], ...]:
    """The lines of a unit whose process is not root."""
    return (("User", user), ("Group", user))


def closed_to_network(data_dir: str) -> tuple[tuple[str, str], ...]:
    """What a process that programs the kernel's network must not reach, whatever the modes of files let it.

    That is what the control plane knows, what pods have, and the sockets whose owners do what others tell them.
    """
    own = (f"{data_dir}/server", f"{data_dir}/agent/containerd", "/etc/k3a", KUBELET_DIRECTORY)
    sockets = ("/run/dbus", "/run/systemd/private")
    return (
        ("InaccessiblePaths", " ".join(f"-{path}" for path in (*own, *sockets))),
        # After a boot containerd may come later, and what is not there yet could not be closed.
        ("TemporaryFileSystem", f"{os.path.dirname(CONTAINERD_STATE)}:ro"),
    )


# Half of Go's default head room: a control plane at rest holds a third less memory for a few percent of CPU time.
MEMORY = (("Environment", "GOGC=50"),)
KEEP_RUNNING = (("Restart", "always"), ("RestartSec", "1"))
NEVER_GIVE_UP = (("StartLimitIntervalSec", "0"),)
AFTER_NETWORK = (("After", "network-online.target"), ("Wants", "network-online.target"))

TLS_CIPHER_SUITES = ",".join(
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for cipher in ("AES_256_GCM_SHA384", "AES_128_GCM_SHA256", "CHACHA20_POLY1305_SHA256")
    for key in ("ECDSA", "RSA")
)


@dataclass(frozen=True)
class Layout:
    """The paths under one data directory."""

    data_dir: str

    def tls(self, name: str) -> str:
        """A certificate or key of the control plane."""
        return f"{self.data_dir}/server/tls/{name}"

    def cred(self, name: str) -> str:
        """A secret of the control plane that is no certificate."""
        return f"{self.data_dir}/server/cred/{name}"

    def server_etc(self, name: str) -> str:
        """A configuration file of the control plane."""
        return f"{self.data_dir}/server/etc/{name}"

    def agent_tls(self, name: str) -> str:
        """A certificate or key of the node."""
        return f"{self.data_dir}/agent/tls/{name}"

    def agent_etc(self, name: str) -> str:
        """A configuration file of the node."""
        return f"{self.data_dir}/agent/etc/{name}"

    def node_client(self, name: str) -> tuple[tuple[str, str], ...]:
        """What a client of the API on a node is handed: its certificate and key by their name, and the API's CA."""
        return (
            ("server-ca.crt", self.agent_tls("server-ca.crt")),
            ("client.crt", self.agent_tls(f"{name}.crt")),
            ("client.key", self.agent_tls(f"{name}.key")),
        )

    @property
    def etcd(self) -> str:
        """The datastore of the embedded etcd."""
        return f"{self.data_dir}/server/db/etcd"

    @property
    def etcd_has_data(self) -> bool:
        """Whether etcd has ever begun to keep data here."""
        return bool(glob.glob(f"{self.etcd}/member/wal/*.wal"))

    @property
    def etcd_first_start(self) -> str:
        """The file that tells etcd of its peers; it is there for the first start of a member only."""
        return f"{self.data_dir}/server/db/etcd.env"

    @property
    def logs(self) -> str:
        """The audit log."""
        return f"{self.data_dir}/server/logs"

    @property
    def token(self) -> str:
        """The server token."""
        return f"{self.data_dir}/server/token"


def credential_path(unit: str, name: str) -> str:
    """Where the process of a unit reads what systemd hands to it by a name."""
    return f"/run/credentials/{unit}/{name}"


@dataclass(frozen=True)
class Credentials:
    """Root-owned files that systemd hands to a unit whose process is not root."""

    unit: str
    sources: tuple[tuple[str, str], ...]

    def path(self, name: str) -> str:
        """Where the unit's process reads one."""
        if not any(name == known for known, _source in self.sources):
            raise LookupError(f"{self.unit} is not given {name}")
        return credential_path(self.unit, name)

    @property
    def directives(self) -> tuple[tuple[str, str], ...]:
        """The unit's lines for them."""
        return tuple(("LoadCredential", f"{name}:{source}") for name, source in self.sources)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The files that count for the unit's digest."""
        return tuple(source for _name, source in self.sources)
