# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node: what a run could change there, and nobody else does, as JSON: files, and the processes of units."""

import hashlib
import json
import os
import stat
import subprocess

ROOTS = ("/etc/k3a", "/etc/systemd/system", "/etc/hosts", "/usr/local/bin", "/var/lib/k3a", "/var/lib/kubelet/pki")
# What etcd, containerd and the API server write for themselves, what the states put aside, and files of a bundle, whose
# names say what is in them.
SKIPPED = {
    "/etc/k3a/etcd-progress.json",
    "/var/lib/k3a/agent/containerd",
    "/var/lib/k3a/data/files",
    "/var/lib/k3a/server/db/aside",
    "/var/lib/k3a/server/db/etcd",
    "/var/lib/k3a/server/logs",
}
# Whoever leads is elected, and ends when it cannot renew that; and what a timer starts is not always there.
COMING_AND_GOING = {
    "k3a-approver.service",
    "k3a-certificate-monitor.service",
    "k3a-certificate-renewal.service",
    "k3a-controller-manager.service",
    "k3a-etcd-progress.service",
    "k3a-scheduler.service",
}


def describe(path):
    info = os.lstat(path)
    kind = f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}"
    if stat.S_ISLNK(info.st_mode):
        return f"{kind} {os.readlink(path)}"
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as stream:
            return f"{kind} {hashlib.sha256(stream.read()).hexdigest()}"
    return kind


def files():
    for root in ROOTS:
        if os.path.isfile(root):
            yield root
        for directory, names, others in os.walk(root):
            names[:] = [name for name in names if os.path.join(directory, name) not in SKIPPED]
            yield from (os.path.join(directory, name) for name in names + others)


def processes():
    command = ["systemctl", "show", "--property=Id,MainPID,ExecMainStartTimestampMonotonic", "k3a-*.service"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for block in filter(None, shown.strip().split("\n\n")):
        unit = dict(line.split("=", 1) for line in block.splitlines())
        if unit["Id"] not in COMING_AND_GOING:
            yield unit["Id"], f"{unit['MainPID']} since {unit['ExecMainStartTimestampMonotonic']}"


print(json.dumps({**{path: describe(path) for path in files() if path not in SKIPPED}, **dict(processes())}))
