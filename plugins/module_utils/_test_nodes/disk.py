# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""The disk that machines begin with: a Debian with a kernel of its own, in the cache under a key of its recipe."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import cache_root
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import debian
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import Recipe, Run

SUITES = ("bookworm", "trixie")
SIZE = "10G"
PACKAGES = ",linux-image-cloud-amd64,initramfs-tools,udev,systemd-resolved,apparmor"
INIT = "/sbin/test-node-init"
ENABLED = ("ssh.service", "systemd-networkd.service", "systemd-resolved.service", "test-node-init.service")

FILES = {
    **debian.FILES,
    "/etc/fstab": (0o644, "/dev/vda / ext4 errors=remount-ro 0 1\n"),
    # What such a machine boots from, and nothing else: emulated, the generic initrd takes many seconds to unpack.
    "/etc/initramfs-tools/conf.d/test-node": (0o644, "MODULES=list\n"),
    "/etc/initramfs-tools/modules": (0o644, "virtio_pci\nvirtio_blk\next4\n"),
    INIT: (
        0o755,
        f"""\
#!/bin/sh
# Makes this copy of the disk the machine that the kernel's command line names: at its first boot all that makes it
# different from other copies, and at every boot who may log in. A name or address that was changed since stays.
set -e
for word in $(cat /proc/cmdline); do
  case $word in
    k3a.name=*) name=${{word#*=}} ;;
    k3a.addresses=*) addresses=${{word#*=}} ;;
    k3a.gateway=*) gateway=${{word#*=}} ;;
    k3a.key=*) key=${{word#*=}} ;;
  esac
done

keys=/home/{debian.USER}/.ssh/authorized_keys
echo "$key" | tr , ' ' | install -m 0600 -o {debian.USER} -g {debian.USER} /dev/stdin $keys

[ ! -e {debian.HOST_KEY} ] || exit 0
echo "$name" >/etc/hostname
echo "$name" >/proc/sys/kernel/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$name" >/etc/hosts
number=0
for address in $(echo "$addresses" | tr , ' '); do
  mac=$(printf 02:00:%02x:%02x:%02x:%02x $(echo "${{address%/*}}" | tr . ' '))
  {{
    printf '[Match]\\nMACAddress=%s\\n\\n[Network]\\nAddress=%s\\nIPv6AcceptRA=no\\n' "$mac" "$address"
    # A server that does not answer, as in a network without the internet; with none at all a kubelet does not start.
    [ $number != 0 ] || printf 'Gateway=%s\\nDNS=%s\\n' "$gateway" "$gateway"
  }} >/etc/systemd/network/10-test-node-$number.network
  number=$((number + 1))
done
ssh-keygen -q -t ed25519 -N '' -C "$name" -f {debian.HOST_KEY}.new
mv {debian.HOST_KEY}.new.pub {debian.HOST_KEY}.pub
# The key comes last: a machine that loses its power before it does all of this again.
sync
mv {debian.HOST_KEY}.new {debian.HOST_KEY}
sync
""",
    ),
    "/etc/systemd/system/test-node-init.service": (
        0o644,
        f"""\
[Unit]
Description=Make this copy of the disk a machine of its own
DefaultDependencies=no
RequiresMountsFor=/home /etc
After=systemd-remount-fs.service
Wants=network-pre.target
Before=network-pre.target systemd-networkd.service ssh.service sysinit.target

[Service]
Type=oneshot
RemainAfterExit=true
ExecStart={INIT}

[Install]
WantedBy=sysinit.target
""",
    ),
}


@dataclass(frozen=True)
class Disk:
    """A disk with the kernel on it, which qemu starts without a boot loader."""

    directory: str

    @property
    def file(self) -> str:
        return os.path.join(self.directory, "disk.raw")

    @property
    def kernel(self) -> str:
        return os.path.join(self.directory, "vmlinuz")

    @property
    def initrd(self) -> str:
        return os.path.join(self.directory, "initrd.img")

    @property
    def users(self) -> str:
        """Where machines whose disks refer to this one are linked."""
        return os.path.join(self.directory, "users")

    @property
    def name(self) -> str:
        return os.path.basename(self.directory)

    def exists(self) -> bool:
        return os.path.isdir(self.directory)


def root() -> str:
    return os.path.join(cache_root(), "machines")


def recipe(suite: str, packages: Sequence[str] = ()) -> Recipe:
    """Its console is a file, at which nobody logs in."""
    masked = (*debian.MASKED, "serial-getty@ttyS0.service")
    return Recipe(suite, debian.PACKAGES + PACKAGES, FILES, masked, ENABLED, tuple(packages))


def disk_of(suite: str, packages: Sequence[str] = ()) -> Disk:
    """The disk of a release, with further packages, whether it was built or not."""
    key = hashlib.sha256(f"{recipe(suite, packages).key()} {SIZE}".encode()).hexdigest()[:12]
    return Disk(os.path.join(root(), f"{'+'.join((suite, *packages))}-{key}"))


def ensure_disk(run: Run, suite: str, packages: Sequence[str], mirror: str | None) -> bool:
    """Build the disk of a release, with further packages, unless it is in the cache."""
    disk = disk_of(suite, packages)
    os.makedirs(root(), exist_ok=True)
    with debian.exclusive(os.path.join(root(), "lock")):
        if disk.exists():
            return False
        source = debian.find_mirror(run, suite, mirror)
        with debian.workdir(run, root()) as workdir:
            build(run, workdir, disk, recipe(suite, packages), source)
            os.rename(os.path.join(workdir, disk.name), disk.directory)
        remove_older(disk)
        return True


def build(run: Run, workdir: str, wanted: Disk, content: Recipe, mirror: str) -> None:
    tree = os.path.join(workdir, "root")
    made = Disk(os.path.join(workdir, wanted.name))
    os.makedirs(made.users)
    debian.make_tree(run, content, tree, mirror)
    run(["chroot", tree, "update-initramfs", "-u"])
    for pattern, target in (("vmlinuz-*", made.kernel), ("initrd.img-*", made.initrd)):
        shutil.copy(sorted(glob.glob(os.path.join(tree, "boot", pattern)))[-1], target)
    # Its blocks are zeros already: without that option each machine would write them in its first minutes.
    options = ["-q", "-L", "root", "-E", "assume_storage_prezeroed=1"]
    run(["mkfs.ext4", *options, "-d", tree, made.file, SIZE])


def remove_older(wanted: Disk) -> None:
    """Remove disks of earlier recipes of the same, except those that disks of machines refer to."""
    same = wanted.name.rpartition("-")[0]
    for disk in all_disks():
        used = any(os.path.exists(link) for link in glob.glob(f"{disk.users}/*"))
        if disk.name.rpartition("-")[0] == same and disk != wanted and not used:
            shutil.rmtree(disk.directory)


def all_disks() -> list[Disk]:
    """Disks of all releases and recipes in the cache."""
    return [Disk(path) for path in glob.glob(os.path.join(root(), "*-*")) if os.path.isdir(path)]
