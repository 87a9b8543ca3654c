# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import qemu
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.disk import Disk

DISK = Disk("/cache/machines/bookworm-0123")
KEY = "ssh-ed25519 AAAA test nodes m"
MACHINE = qemu.Machine(
    set_name="m",
    name="m-server-1",
    directory="/build/m/machines/m-server-1",
    memory=2048,
    interfaces=(("k3t-1-0", "10.97.4.11/24"), ("k3t-1-1", "10.97.5.11/24")),
    gateway="10.97.4.1",
    disks=("disk-1.qcow2",),
)


def test_a_machine_is_told_who_it_is_by_its_kernels_command_line():
    argv = qemu.command(MACHINE, DISK, KEY)
    boot = argv[argv.index("-append") + 1].split()
    assert boot[-4:] == [
        "k3a.name=m-server-1",
        "k3a.addresses=10.97.4.11/24,10.97.5.11/24",
        "k3a.gateway=10.97.4.1",
        "k3a.key=ssh-ed25519,AAAA,test,nodes,m",
    ]


def test_a_kernel_is_told_what_else_it_is_given():
    argv = qemu.command(replace(MACHINE, arguments="security=selinux quiet"), DISK, KEY)
    assert argv[argv.index("-append") + 1].endswith("test,nodes,m security=selinux quiet")


def test_a_machine_has_its_disks_interfaces_and_memory():
    argv = qemu.command(MACHINE, DISK, KEY)
    values = dict.fromkeys(["-drive", "-netdev", "-device", "-m", "-kernel"], ())
    for option, value in zip(argv, argv[1:]):
        if option in values:
            values[option] += (value,)
    assert [drive.rpartition("=")[2] for drive in values["-drive"]] == [
        "/build/m/machines/m-server-1/disk.qcow2",
        "/build/m/machines/m-server-1/disk-1.qcow2",
    ]
    assert [net.split(",")[2] for net in values["-netdev"]] == ["ifname=k3t-1-0", "ifname=k3t-1-1"]
    assert [value.split(",")[2] for value in values["-device"] if "net" in value] == [
        "mac=02:00:0a:61:04:0b",
        "mac=02:00:0a:61:05:0b",
    ]
    assert values["-m"] == ("2048",)
    assert values["-kernel"] == ("/cache/machines/bookworm-0123/vmlinuz",)


def test_a_processor_lacks_what_is_slow_to_emulate():
    argv = qemu.command(MACHINE, DISK, KEY)
    model, *flags = argv[argv.index("-cpu") + 1].split(",")
    assert model == "max"
    assert {"-avx", "-avx2", "-erms"} <= set(flags)
    assert all(flag.startswith("-") for flag in flags)


def test_a_boot_leaves_out_what_no_test_needs():
    argv = qemu.command(MACHINE, DISK, KEY)
    assert "systemd.mask=apparmor.service" in argv[argv.index("-append") + 1].split()


def test_the_start_script_is_that_command_whatever_is_in_a_path():
    script = qemu.start_script(MACHINE, Disk("/home/me/my cache/bookworm-0"), KEY)
    last = script.splitlines()[-1]
    assert shlex.split(last)[1:] == qemu.command(MACHINE, Disk("/home/me/my cache/bookworm-0"), KEY)


@pytest.fixture
def proc(tmp_path):
    """A /proc of processes, each with its command, its state, and a name that makes its stat hard to read."""

    def add(pid, argv, state):
        directory = tmp_path / str(pid)
        directory.mkdir()
        (directory / "cmdline").write_text("\0".join(argv) + "\0")
        (directory / "stat").write_text(f"{pid} (qemu) R) {state} 1 2 3\n")

    add.path = str(tmp_path)
    return add


def test_the_machines_of_a_set_are_found_among_all_processes(proc):
    argv = qemu.command(MACHINE, DISK, KEY)
    proc(10, ["/usr/bin/" + argv[0], *argv[1:]], "S")
    proc(11, ["sh", "-c", shlex.join(argv)], "S")
    proc(12, [word.replace("k3a.nodes=m", "k3a.nodes=mm") for word in argv], "S")
    proc(13, argv, "Z")
    assert list(qemu.processes("m", proc.path)) == [
        qemu.Process(10, "m-server-1", "/build/m/machines/m-server-1", stopped=False)
    ]


def test_a_machine_that_was_stopped_is_told_apart(proc):
    proc(10, qemu.command(MACHINE, DISK, KEY), "T")
    assert [process.stopped for process in qemu.processes("m", proc.path)] == [True]
