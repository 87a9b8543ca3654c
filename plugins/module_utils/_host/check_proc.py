# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What /proc tells about sockets, who holds them, mounts, cgroups, swap and memory."""

from __future__ import annotations

import contextlib
import os
import re
import socket as sockets
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass

_TCP_LISTEN, _UDP_BOUND = "0A", "07"


# The process that tries ports (port_trial.py), as the kernel has its name: of fifteen letters at most.
PORT_CHECK = "k3a-port-check"


@dataclass(frozen=True)
class Socket:
    """A socket that waits for peers."""

    protocol: str
    ip: str
    port: int
    inode: int

    @property
    def wildcard(self) -> bool:
        """Whether it listens on every address."""
        return self.ip in ("0.0.0.0", "::")

    @property
    def loopback(self) -> bool:
        """Whether it listens on loopback."""
        return self.ip.startswith(("127.", "::ffff:127.")) or self.ip == "::1"


@dataclass(frozen=True)
class Holder:
    """The process behind a socket."""

    pid: int
    process: str
    unit: str

    @property
    def ours(self) -> bool:
        """Whether it is a component that the collection installed, or its trial of ports, which is soon over."""
        return self.unit.startswith("k3a-") or self.process == PORT_CHECK

    @property
    def of_unit(self) -> str:
        """Its unit, for a sentence about it."""
        return f", {self.unit}" if self.unit else ""


@dataclass(frozen=True)
class Mount:
    """A mounted filesystem."""

    point: str
    kind: str
    options: frozenset[str]


def listening(text: str, protocol: str) -> list[Socket]:
    """The waiting sockets of /proc/net/{tcp,tcp6,udp,udp6}."""
    waiting = _TCP_LISTEN if protocol == "tcp" else _UDP_BOUND
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if fields[3] == waiting:
            ip, port = fields[1].split(":")
            found.append(Socket(protocol, _ip_of(ip), int(port, 16), int(fields[9])))
    return found


def _ip_of(hexadecimal: str) -> str:
    # The kernel prints each word of the address as a number of the machine's own byte order.
    words = [int(hexadecimal[i : i + 8], 16) for i in range(0, len(hexadecimal), 8)]
    raw = struct.pack(f"={len(words)}L", *words)
    return sockets.inet_ntop(sockets.AF_INET if len(words) == 1 else sockets.AF_INET6, raw)


def mounts(text: str) -> list[Mount]:
    """The mounts of /proc/self/mountinfo, in their order."""
    found = []
    for line in text.splitlines():
        fields, _separator, source = line.partition(" - ")
        point, options = fields.split()[4:6]
        kind, _device, super_options = (source.split() + [""])[:3]
        # A filesystem may be read-only itself, under a mount that is not.
        readonly = {"ro"} & set(super_options.split(","))
        found.append(Mount(_unescaped(point), kind, frozenset(options.split(",")) | readonly))
    return found


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def mount_of(path: str, table: Iterable[Mount]) -> Mount:
    """The mount that a path is on, whether the path exists or not."""
    on = Mount("/", "unknown", frozenset())
    for mount in table:
        under = mount.point in ("/", path) or path.startswith(f"{mount.point}/")
        # Of two mounts on one point the later covers the earlier.
        if under and len(mount.point) >= len(on.point):
            on = mount
    return on


def cgroup_version(table: Iterable[Mount]) -> int:
    """2, 1 (hybrid counts as 1, since the controllers are there), or 0 when nothing is mounted."""
    kinds = {mount.point: mount.kind for mount in table}
    if kinds.get("/sys/fs/cgroup") == "cgroup2":
        return 2
    return 1 if any(point.startswith("/sys/fs/cgroup/") and kind == "cgroup" for point, kind in kinds.items()) else 0


def v1_controllers(text: str) -> frozenset[str]:
    """The enabled controllers of /proc/cgroups."""
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return frozenset(row[0] for row in rows if row[3] == "1")


def swaps(text: str) -> tuple[str, ...]:
    """The devices and files of /proc/swaps."""
    return tuple(line.split()[0] for line in text.splitlines()[1:])


def memory_total(text: str) -> int:
    """Bytes of memory, of /proc/meminfo."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", text, re.M)
    return int(match[1]) * 1024 if match else 0


def unit_of(cgroup: str) -> str:
    """The systemd service of a process, of its /proc/<pid>/cgroup (innermost, on any hierarchy), or an empty text."""
    services = re.findall(r"/([^/\n]+\.service)(?=/|$)", cgroup, re.M)
    return services[-1] if services else ""


def holders(inodes: Collection[int]) -> dict[int, Holder]:
    """The processes that hold these sockets; those of another PID namespace stay unknown."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    found: dict[int, Holder] = {}
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        if len(found) == len(wanted):
            break
        for target in _descriptors(pid):
            inode = wanted.get(target)
            if inode is not None and inode not in found:
                process, cgroup = _text(f"/proc/{pid}/comm").strip(), _text(f"/proc/{pid}/cgroup")
                found[inode] = Holder(int(pid), process, unit_of(cgroup))
    return found


def _descriptors(pid: str) -> Iterable[str]:
    """What the descriptors of a process point to, less those that close while we look."""
    directory = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for name in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                yield os.readlink(f"{directory}/{name}")


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""
