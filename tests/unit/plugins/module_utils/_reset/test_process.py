# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._reset import process
from ansible_collections.k3a.cluster.plugins.module_utils._reset.process import Process, Unit

BUNDLES = "/var/lib/k3a/data"
SHIM = f"{BUNDLES}/{'602c' * 16}/bin/containerd-shim-runc-v2"
# systemd, containerd with a child, a shim with a pod in which a shell runs, another runtime's shim, a login.
TABLE = [
    Process(1, 0, "/usr/lib/systemd/systemd", 1),
    Process(320, 1, f"{BUNDLES}/{'602c' * 16}/bin/containerd", 1),
    Process(321, 320, "/usr/bin/nsenter", 1),
    Process(799, 1, SHIM, 1),
    Process(825, 799, "/pause", 2),
    Process(850, 799, "/coredns", 2),
    Process(851, 850, "/bin/sh", 2),
    Process(900, 1, "/usr/bin/containerd-shim-runc-v2", 1),
    Process(901, 900, "/pause", 3),
    Process(950, 1, "/usr/sbin/sshd", 1),
]
SHOWN = """\
MainPID=527
Id=k3a-kubelet.service
LoadState=loaded
ActiveState=active
Slice=system.slice

Id=cri-containerd-1585.scope
LoadState=loaded
ActiveState=active
Slice=kubepods-burstable-pod790717de.slice

Id=kubepods.slice
LoadState=loaded
ActiveState=active
Slice=-.slice

MainPID=0
Id=k3a-etcd.service
LoadState=not-found
ActiveState=failed
Slice=system.slice

MainPID=0
Id=k3a-gone.service
LoadState=not-found
ActiveState=inactive
"""


def test_pods_are_what_our_shims_started():
    assert [found.pid for found in process.of_bundles(TABLE, BUNDLES, {320})] == [799, 825, 850, 851]


def test_without_units_to_keep_their_processes_count_too():
    assert [found.pid for found in process.of_bundles(TABLE, BUNDLES)] == [320, 321, 799, 825, 850, 851]


def test_a_bundle_elsewhere_is_not_ours():
    assert process.of_bundles(TABLE, "/var/lib/k3a/dat") == []


def test_processes_that_are_each_other_s_parents_end_the_search():
    assert process.of_bundles([Process(2, 3, "/a", 1), Process(3, 2, "/b", 1)], BUNDLES) == []


def test_units_are_those_that_systemd_has_or_that_still_are_something():
    units = process.parse_units(SHOWN)
    assert [unit.name for unit in units] == [
        "k3a-kubelet.service",
        "cri-containerd-1585.scope",
        "kubepods.slice",
        "k3a-etcd.service",
    ]
    assert [unit.running for unit in units] == [True, True, True, False]
    assert [unit.of_pods for unit in units] == [False, True, True, False]
    assert units[0].main_pid == 527


def test_a_unit_that_waits_to_be_started_is_stopped_too():
    """It crashed, and comes back after the API server: which ends its wait by being stopped."""
    properties = ["LoadState=loaded", "ActiveState=inactive", "MainPID=0", "Slice=system.slice"]
    blocks = [
        "\n".join([f"Id=k3a-{name}.service", *properties, job]) for name, job in (("a", "Job=812"), ("b", "Job="))
    ]
    assert [unit.running for unit in process.parse_units("\n\n".join(blocks))] == [True, False]


def test_a_scope_outside_the_slices_of_pods_is_somebody_else_s():
    assert not Unit("cri-containerd-1.scope", "active", slice="system.slice").of_pods


def test_no_unit_is_no_unit():
    assert process.parse_units("\n") == []


def test_this_process_is_seen():
    found = {entry.pid: entry for entry in process.processes()}[os.getpid()]
    assert found.parent == os.getppid()
    assert found.program == os.path.realpath(sys.executable)


def test_what_runs_a_program_of_a_bundle_is_killed(tmp_path):
    program = tmp_path / f"data/files/{'602c' * 16}/sleep"
    program.parent.mkdir(parents=True)
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    running = subprocess.Popen([str(program), "60"])
    while os.readlink(f"/proc/{running.pid}/exe") != str(program):
        pass
    try:
        with pytest.raises(process.ResetError, match=f"process {running.pid} "):
            process.kill(f"{tmp_path}/data", set(), 0)
        # A zombie has no program any more, so it does not count while its parent has not waited for it.
        process.kill(f"{tmp_path}/data", set(), 10)
        assert running.wait(10) == -9
    finally:
        running.kill()
        running.wait()


def test_a_command_that_is_missing_is_named():
    with pytest.raises(process.ResetError, match="no command k3a-never"):
        process.run("k3a-never")


def test_a_command_that_fails_says_why():
    with pytest.raises(process.ResetError, match="sh -c echo no >&2; exit 3 failed: no"):
        process.run("sh", "-c", "echo no >&2; exit 3")
    assert process.run("sh", "-c", "echo yes; exit 3", check=False) == "yes\n"
