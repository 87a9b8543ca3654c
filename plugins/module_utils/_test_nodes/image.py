# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""The image of a test node: Debian 12 with systemd and SSH, as a machine that was just installed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

# systemd 252 is the newest that still boots on a cgroup v1 host.
SUITE = "bookworm"
USER = "k3a"
INIT = "/sbin/k3a-node-init"
REPOSITORY = "localhost/k3a-node"
# Not /tmp, which is often a small tmpfs or mounted without devices.
WORK = "/var/tmp"
LOCK = f"{WORK}/k3a-node-image.lock"

PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,openssh-server,sudo,iproute2,iptables,nftables,procps,ca-certificates,kmod,"
    "ethtool,curl,mount,util-linux,socat,ipset"
)

FILES = {
    INIT: (
        0o755,
        """\
#!/bin/sh
# The image holds no SSH host key, so that no two nodes share one.
key=/etc/ssh/ssh_host_ed25519_key
[ -e $key ] || ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f $key

# On a cgroup v1 host all containers see one systemd hierarchy: this node's systemd needs its own, or the slices of two
# nodes get mixed and the kubelet finds none of its own.
if [ -d /sys/fs/cgroup/systemd ]; then
  umount /sys/fs/cgroup/systemd/release_agent 2>/dev/null
  while umount /sys/fs/cgroup/systemd 2>/dev/null; do :; done
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi

# The kubelet's mounts must reach containers that are already running.
mount --make-rshared /
exec /sbin/init
""",
    ),
    "/etc/sudoers.d/" + USER: (0o440, USER + " ALL=(ALL) NOPASSWD: ALL\n"),
    "/etc/ssh/sshd_config.d/node.conf": (
        0o644,
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nPermitRootLogin no\n",
    ),
    # An empty machine-id makes systemd write one of the node's own at its first boot.
    "/etc/machine-id": (0o444, ""),
}

# What a container has no use for: consoles, and timers that would disturb a measurement.
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
    "systemd-udevd.service",
)

ENABLED = ("ssh.service",)

REMOVED = ("etc/ssh/ssh_host_*", "var/lib/apt/lists/*", "var/cache/apt/archives/*.deb", "var/lib/dbus/machine-id")


class NodesError(K3aError):
    """One sentence for the user: what is wrong, where, and what to do."""


def image_name() -> str:
    """The image under a tag that changes with anything that goes into it."""
    recipe = json.dumps([SUITE, PACKAGES, FILES, MASKED, ENABLED, REMOVED, USER], sort_keys=True)
    return f"{REPOSITORY}:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def debian_mirror(indextargets: str) -> str | None:
    """Pick the mirror of Debian's main archive out of ``apt-get indextargets`` in INDEXTARGETS_FORMAT."""
    found = None
    for line in indextargets.splitlines():
        origin, codename, component, uri = (line.split("|") + ["", "", "", ""])[:4]
        if origin != "Debian" or component != "main" or "-" in codename:
            continue
        if codename == SUITE:
            return uri
        found = found or uri
    return found


INDEXTARGETS_FORMAT = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"


# Runs a command and returns what it wrote, or raises NodesError.
Run = Callable[[list[str]], str]


@contextmanager
def exclusive(path: str) -> Iterator[None]:
    """Let two runs that want the same image build it once."""
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure_image(run: Run, mirror: str | None) -> bool:
    """Build the image unless podman has it; ``run(argv)`` returns standard output or raises NodesError."""
    with exclusive(LOCK):
        if image_exists(run):
            return False
        mirror = mirror or debian_mirror(
            run(["apt-get", "indextargets", "--format", INDEXTARGETS_FORMAT, "Created-By: Packages"])
        )
        if not mirror:
            raise NodesError("apt's configuration names no Debian archive to make the node image from: set 'mirror'")
        workdir = tempfile.mkdtemp(prefix="k3a-node-", dir=WORK)
        try:
            build(run, workdir, mirror)
        finally:
            discard(run, workdir)
        remove_older(run)
        return True


def image_exists(run: Run) -> bool:
    return bool(run(["podman", "images", "--quiet", "--filter", f"reference={image_name()}"]).strip())


def build(run: Run, workdir: str, mirror: str) -> None:
    root = os.path.join(workdir, "root")
    archive = os.path.join(workdir, "image.tar")
    run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root, mirror])
    run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER])
    run(["chroot", root, "install", "-d", "-m", "0700", "-o", USER, "-g", USER, f"/home/{USER}/.ssh"])
    run(["chroot", root, "systemctl", "enable", *ENABLED])
    run(["chroot", root, "systemctl", "mask", *MASKED])
    run(["find", root, "("] + " -o ".join(f"-path {root}/{glob}" for glob in REMOVED).split() + [")", "-delete"])
    for path, (mode, text) in FILES.items():
        write_file(root + path, text, mode)
    run(["tar", "--directory", root, "--create", "--file", archive, "--numeric-owner", "."])
    run(["podman", "import", "--quiet", "--change", f"CMD {json.dumps([INIT])}", archive, image_name()])


def remove_older(run: Run) -> None:
    """Remove images of earlier recipes, except those that nodes are still made of."""
    names = run(["podman", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={REPOSITORY}"])
    used = run(["podman", "ps", "--all", "--format", "{{.Image}}"]).split()
    older = [name for name in names.split() if name != image_name() and name not in used]
    if older:
        run(["podman", "rmi", *older])


def write_file(path: str, text: str, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as handle:
        handle.write(text)
    os.chmod(path, mode)


def discard(run: Run, workdir: str) -> None:
    """Remove the working directory; a failed debootstrap can leave /proc or /sys mounted in it."""
    with open("/proc/self/mounts") as handle:
        mounted = [line.split()[1] for line in handle]
    for point in sorted((m for m in mounted if m.startswith(workdir + "/")), reverse=True):
        run(["umount", "--lazy", point])
    shutil.rmtree(workdir)
