# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node, with nothing but its Python: what an install could leave behind, as one JSON object."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess

# What changes on a host that nobody touches, or by somebody logging in to look at it.
SKIPPED = {
    "/dev",
    # What each of these was before somebody added or removed a user.
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/home/k3a/.ansible",
    "/proc",
    "/root/.ansible",
    "/run/log",
    "/run/sudo",
    "/run/systemd",
    # Numbers that the kernel gives to devices, of which a machine has some.
    "/run/udev",
    "/run/user",
    "/sys",
    "/tmp",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/timers",
    "/var/log",
    "/var/tmp",
}
# Nothing is written anew here with what it was before, as a user's removal does with files of /etc: the size and the
# time of the last change tell as much as the content, which takes an emulated machine a minute to read.
OF_PACKAGES = ("/boot/", "/usr/")
SYSCTLS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/route_localnet")


def describe(path):
    info = os.lstat(path)
    kind = stat.filemode(info.st_mode)
    if stat.S_ISLNK(info.st_mode):
        return [kind, info.st_uid, info.st_gid, os.readlink(path)]
    if stat.S_ISREG(info.st_mode) and path.startswith(OF_PACKAGES):
        return [kind, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns]
    # What is in a file below /run is of this boot: process numbers, times.
    if stat.S_ISREG(info.st_mode) and not path.startswith("/run/"):
        with open(path, "rb") as handle:
            return [kind, info.st_uid, info.st_gid, hashlib.sha256(handle.read()).hexdigest()]
    return [kind, info.st_uid, info.st_gid, ""]


def tree():
    found = {}
    for directory, names, files in os.walk("/"):
        names[:] = [name for name in names if os.path.join(directory, name) not in SKIPPED]
        for name in names + files:
            path = os.path.join(directory, name)
            if path in SKIPPED:
                continue
            try:
                found[path] = describe(path)
            except FileNotFoundError:
                continue
    return found


def output(*argv):
    # systemd takes longer than the 25 seconds that its clients wait to list its units, where all of it is emulated.
    environment = {**os.environ, "SYSTEMD_BUS_TIMEOUT": "5min"}
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=environment).stdout


def lines(path):
    with open(path) as handle:
        return handle.read().splitlines()


def without_handles(item):
    if isinstance(item, dict):
        return {key: without_handles(value) for key, value in item.items() if key not in ("handle", "packets", "bytes")}
    return [without_handles(value) for value in item] if isinstance(item, list) else item


def ruleset():
    items = json.loads(output("nft", "--json", "list", "ruleset"))["nftables"]
    return [without_handles(item) for item in items if "metainfo" not in item]


def processes_of(directory):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if program.startswith(directory):
            found.append(program)
    return sorted(found)


print(
    json.dumps(
        {
            "files": tree(),
            "units": {
                u["unit_file"]: u["state"] for u in json.loads(output("systemctl", "list-unit-files", "-o", "json"))
            },
            "mounts": sorted(line.split()[4] for line in lines("/proc/self/mountinfo")),
            "links": sorted(link["ifname"] for link in json.loads(output("ip", "-json", "link"))),
            "routes": sorted(r["dst"] for r in json.loads(output("ip", "-json", "route"))),
            "rules": len(json.loads(output("ip", "-json", "rule"))),
            "firewall": ruleset(),
            "sysctls": {name: lines("/proc/sys/" + name) for name in SYSCTLS},
            "processes": processes_of("/var/lib/k3a"),
        }
    )
)
