# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""A Debian with systemd and SSH as it was just installed: what test nodes of every kind are made of."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

USER = "k3a"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
# Not /tmp, which is often a small tmpfs or mounted without devices.
WORK = "/var/tmp"

PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,openssh-server,sudo,iproute2,iptables,nftables,procps,ca-certificates,kmod,"
    "ethtool,curl,mount,util-linux,socat,ipset"
)

FILES = {
    "/etc/sudoers.d/" + USER: (0o440, USER + " ALL=(ALL) NOPASSWD: ALL\n"),
    "/etc/ssh/sshd_config.d/node.conf": (
        0o644,
        f"HostKey {HOST_KEY}\nPasswordAuthentication no\nPermitRootLogin no\n",
    ),
    # An empty machine-id makes systemd write one of the node's own at its first boot.
    "/etc/machine-id": (0o444, ""),
}

# Consoles that nobody sits at, and timers that would disturb a measurement.
MASKED = (
    "getty@tty1.service",
    "console-getty.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
)

# What would be the same in all nodes and must not, and what only an installation needs.
REMOVED = ("etc/ssh/ssh_host_*", "var/lib/apt/lists/*", "var/cache/apt/archives/*.deb", "var/lib/dbus/machine-id")


class NodesError(K3aError):
    """One sentence for the user: what is wrong, where, and what to do."""


# Runs a command and returns what it wrote, or raises NodesError.
Run = Callable[[list[str]], str]


@dataclass(frozen=True)
class Recipe:
    """What goes into a tree of files."""

    suite: str
    packages: str
    files: Mapping[str, tuple[int, str]]
    masked: tuple[str, ...]
    enabled: tuple[str, ...]
    # What apt installs in the end, with all that it needs: debootstrap knows nothing of alternatives.
    added: tuple[str, ...] = ()

    def key(self) -> str:
        """Changes with anything that goes into the tree."""
        parts = [self.suite, self.packages, self.files, self.masked, self.enabled, REMOVED, USER]
        parts += [self.added] if self.added else []
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def make_tree(run: Run, recipe: Recipe, root: str, mirror: str) -> None:
    run(["debootstrap", "--variant=minbase", f"--include={recipe.packages}", recipe.suite, root, mirror])
    run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER])
    run(["chroot", root, "install", "-d", "-m", "0700", "-o", USER, "-g", USER, f"/home/{USER}/.ssh"])
    if recipe.added:
        add_packages(run, recipe.added, root)
    for path, (mode, text) in recipe.files.items():
        write_file(root + path, text, mode)
    run(["chroot", root, "systemctl", "enable", *recipe.enabled])
    run(["chroot", root, "systemctl", "mask", *recipe.masked])
    run(["find", root, "("] + " -o ".join(f"-path {root}/{glob}" for glob in REMOVED).split() + [")", "-delete"])


def add_packages(run: Run, packages: Sequence[str], root: str) -> None:
    """Have the tree's own apt install packages; its resolver may be a link to what only runs on a machine."""
    resolver, own = f"{root}/etc/resolv.conf", f"{root}/etc/resolv.conf.own"
    run(["mv", resolver, own])
    run(["cp", "/etc/resolv.conf", resolver])
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "chroot", root, "apt-get", "--quiet", "--yes"]
    run([*apt, "update"])
    run([*apt, "--no-install-recommends", "--option", "Dpkg::Options::=--force-unsafe-io", "install", *packages])
    run(["mv", own, resolver])


def find_mirror(run: Run, suite: str, chosen: str | None) -> str:
    """The archive that images are made from, as chosen or as apt of this machine has it."""
    asked = ["apt-get", "indextargets", "--format", INDEXTARGETS_FORMAT, "Created-By: Packages"]
    mirror = chosen or debian_mirror(run(asked), suite)
    if not mirror:
        raise NodesError("apt's configuration names no Debian archive to make the node image from: set 'mirror'")
    return mirror


INDEXTARGETS_FORMAT = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"


def debian_mirror(indextargets: str, suite: str) -> str | None:
    """Pick the mirror of Debian's main archive out of ``apt-get indextargets`` in INDEXTARGETS_FORMAT."""
    found = None
    for line in indextargets.splitlines():
        origin, codename, component, uri = (line.split("|") + ["", "", "", ""])[:4]
        if origin != "Debian" or component != "main" or "-" in codename:
            continue
        if codename == suite:
            return uri
        found = found or uri
    return found


@contextmanager
def exclusive(path: str) -> Iterator[None]:
    """Let two runs that want the same image build it once."""
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def workdir(run: Run, parent: str) -> Iterator[str]:
    """A directory to make a tree in, of which nothing is left."""
    path = tempfile.mkdtemp(prefix="k3a-node-", dir=parent)
    try:
        yield path
    finally:
        discard(run, path)


def discard(run: Run, path: str) -> None:
    """Remove a directory in which a tree was made; a failed debootstrap can leave /proc or /sys mounted in it."""
    with open("/proc/self/mounts") as handle:
        mounted = [line.split()[1] for line in handle]
    for point in sorted((m for m in mounted if m.startswith(path + "/")), reverse=True):
        run(["umount", "--lazy", point])
    shutil.rmtree(path)


def write_file(path: str, text: str, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as handle:
        handle.write(text)
    os.chmod(path, mode)
