# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""Machines as processes of qemu: the command of each, and which of them run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.disk import Disk
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.nodes import mac_address, read_file

PROGRAM = "qemu-system-x86_64"
# Which set a machine is of, as an OEM string of its firmware: it is found by it whatever became of its files.
LABEL = "type=11,value=k3a.nodes="

# What makes an emulated processor slow: programs that see it choose code for it, where a checksum takes three times as
# long (avx, and what belongs to it) and a copy seven times (erms). The kernel has one more level of tables for la57.
COSTLY = ("avx", "avx2", "fma", "f16c", "vaes", "vpclmulqdq", "erms", "la57")
PROCESSOR = ",-".join(("max", *COSTLY))

# What a boot would wait for and no test needs: Debian 13 compiles profiles of a hundred programs that it does not have,
# for minutes. AppArmor is on without them, and containerd loads the profile of containers itself.
LEFT_OUT = ("apparmor.service", "e2scrub_reap.service")
# A busy machine emulates another so slowly that systemd, which counts seconds, would give up what only takes its time.
BOOT = (
    "root=/dev/vda rw console=ttyS0 quiet mitigations=off"
    " systemd.default_timeout_start_sec=15min systemd.default_device_timeout_sec=15min "
    + " ".join(f"systemd.mask={unit}" for unit in LEFT_OUT)
)


@dataclass(frozen=True)
class Machine:
    """A machine as qemu is told of it."""

    set_name: str
    name: str
    directory: str
    memory: int
    # Of each interface its tap on this machine, and the address in the machine with the length of its prefix.
    interfaces: tuple[tuple[str, str], ...]
    gateway: str
    disks: tuple[str, ...]
    # What its kernel is told besides.
    arguments: str = ""


@dataclass(frozen=True)
class Process:
    pid: int
    name: str
    directory: str
    stopped: bool


def command(machine: Machine, disk: Disk, public_key: str) -> list[str]:
    """The command that gives a machine power.

    Software emulation: /dev/kvm is not everywhere, and where it is nested a stock kernel may hang in it.

    The power is cut by a kill of qemu. What the machine has flushed is kept then, and what was in its page cache is
    lost: a flush makes qemu write its own caches to the files, which are in this machine's page cache and outlive the
    process. cache=unsafe only leaves out to bring them to this machine's disk, which matters when it is this one that
    loses its power. (A write that reached the disk without a flush is kept as well: this disk is a kind one.)
    """
    addresses = ",".join(address for _tap, address in machine.interfaces)
    boot = f"{BOOT} k3a.name={machine.name} k3a.addresses={addresses}"
    boot += f" k3a.gateway={machine.gateway} {boot_key(public_key)}"
    boot = f"{boot} {machine.arguments}".rstrip()
    found = [PROGRAM, "-name", f"guest={machine.name}", "-smbios", LABEL + machine.set_name]
    found += ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", PROCESSOR, "-smp", "2", "-m", str(machine.memory)]
    found += ["-nodefaults", "-no-user-config", "-display", "none", "-device", "virtio-rng-pci"]
    console = path(machine, "console.log")
    found += ["-chardev", f"file,id=console,append=on,path={console}", "-serial", "chardev:console"]
    found += ["-kernel", disk.kernel, "-initrd", disk.initrd, "-append", boot]
    for file in ("disk.qcow2", *machine.disks):
        found += ["-drive", f"if=virtio,format=qcow2,cache=unsafe,file={path(machine, file)}"]
    for number, (tap, address) in enumerate(machine.interfaces):
        found += ["-netdev", f"tap,id=net{number},ifname={tap},script=no,downscript=no"]
        mac = mac_address(address.split("/")[0])
        found += ["-device", f"virtio-net-pci,netdev=net{number},mac={mac},romfile="]
    return [*found, "-daemonize", "-pidfile", path(machine, "qemu.pid")]


def boot_key(public_key: str) -> str:
    """The key that a machine lets in, as its kernel's command line has it: a word without spaces."""
    return f"k3a.key={public_key.replace(' ', ',')}"


def path(machine: Machine, file: str) -> str:
    return os.path.join(machine.directory, file)


def start_script(machine: Machine, disk: Disk, public_key: str) -> str:
    """Gives a machine power, from wherever it is called."""
    return (
        f"#!/bin/sh\n# Gives {machine.name} power. This takes it away: kill -KILL $(cat {path(machine, 'qemu.pid')})\n"
        f"exec {shlex.join(command(machine, disk, public_key))}\n"
    )


def processes(set_name: str, proc: str = "/proc") -> Iterator[Process]:
    """The machines of a set that have power."""
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            argv = read_file(f"{proc}/{pid}/cmdline").split("\0")
            state = read_file(f"{proc}/{pid}/stat").rpartition(") ")[2][:1]
        except ProcessLookupError:
            continue
        if os.path.basename(argv[0]) == PROGRAM and LABEL + set_name in argv and state not in ("Z", ""):
            name = argv[argv.index("-name") + 1].partition("=")[2]
            directory = os.path.dirname(argv[argv.index("-pidfile") + 1])
            yield Process(int(pid), name, directory, stopped=state == "T")
