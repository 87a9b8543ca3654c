# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""SELinux: the labels of what k3a makes, by the types of container-selinux, and how a host comes to know them.

A small policy module says which label a path has, so that they also outlive a relabelling of the whole host. It is in
CIL, which no compiler is needed for. What is made later has the label of its directory, or is labelled here.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, process
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

POLICY, MODULE = "/etc/k3a/k3a.cil", "k3a"
ENFORCE = "/sys/fs/selinux/enforce"
CONFIGURATION = "/etc/selinux/config"
COMMANDS = {"restorecon": "policycoreutils", "semodule": "policycoreutils"}


class Names(NamedTuple):
    """What a family of policies calls the types in which it differs from others."""

    runtime: str
    state: str
    shared_memory: str


# Of container-selinux, which Fedora and its relatives have, and of the reference policy, which Debian has.
FAMILIES = (
    Names("container_runtime_exec_t", "container_var_run_t", "container_runtime_tmpfs_t"),
    Names("container_engine_exec_t", "container_runtime_t", "container_engine_tmpfs_t"),
)
# What becomes a container's runtime when it is run. Everything else that systemd starts is a program as any.
RUNTIMES = ("containerd", "containerd-shim-runc-v2", "runc", "bridge", "host-local", "loopback", "portmap")
_PROGRAMS = r"/data/files/[^/]+/"
_STATE = "/run/k3a"
_LAYERS = "/agent/containerd/[^/]*/snapshots"


class LabelError(K3aError):
    """A label cannot be set; the message says why."""


def mode() -> str:
    """V(enforcing), V(permissive), or nothing where the kernel does without SELinux."""
    return {b"1": "enforcing", b"0": "permissive"}.get((files.read_bytes(ENFORCE) or b"").strip(), "")


def names() -> Names | None:
    """What the host's policy calls the types of containers; None where it has none."""
    text = (files.read_bytes(CONFIGURATION) or b"").decode(errors="replace")
    kind = re.search(r"^SELINUXTYPE=(\S+)", text, re.M)
    contexts = files.read_bytes(f"/etc/selinux/{kind[1] if kind else 'targeted'}/contexts/files/file_contexts") or b""
    return next((family for family in FAMILIES if family.runtime.encode() in contexts), None)


def policy(data_dir: str, known: Names | None) -> str:
    """The policy module: which label what k3a makes has."""
    if known is None:
        raise LabelError("the host's policy of SELinux has no labels for containers; install container-selinux")
    own = re.escape(data_dir)
    entries = [
        # By the path, the more special after the more general.
        (f"{own}(/.*)?", "any", "container_var_lib_t"),
        (f"{own}{_PROGRAMS}[^/]+", "file", "bin_t"),
        (f"{own}{_PROGRAMS}({'|'.join(map(re.escape, RUNTIMES))})", "file", known.runtime),
        (f"{own}{_LAYERS}", "dir", "container_file_t"),
        (f"{own}{_LAYERS}/[^/]*", "dir", "container_file_t"),
        # What a container writes has a label of that container's own.
        (f"{own}{_LAYERS}/[^/]*/.*", "any", ""),
        (f"{own}/agent/containerd/[^/]*/sandboxes(/.*)?", "any", "container_ro_file_t"),
    ]
    # Policies know one of /run and /var/run as the other, and which by their age.
    for state in (_STATE, f"/var{_STATE}"):
        entries.append((f"{state}(/.*)?", "any", known.state))
        entries.append((f"{state}/containerd/[^/]*/sandboxes/[^/]*/shm(/.*)?", "any", known.shared_memory))
    return "".join(f'(filecon "{path}" {kind} {_context(label)})\n' for path, kind, label in entries)


def _context(label: str) -> str:
    return f"(system_u object_r {label} ((s0) (s0)))" if label else "()"


def install(text: str, data_dir: str) -> None:
    """Have the host know the labels, and label what is there already.

    The file is what a run is judged by, so it comes when the host knows what is in it.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, os.path.basename(POLICY))
        files.write_file(files.File(path, text.encode(), mode=0o644))
        _run("semodule", "--install", path)
    _restore(data_dir)
    files.write_file(files.File(POLICY, text.encode(), mode=0o644))


def restore(path: str) -> None:
    """Label a path with all that it holds, on a host that knows our labels."""
    if os.path.exists(POLICY):
        _restore(path)


def _restore(path: str) -> None:
    if os.path.exists(path):
        _run("restorecon", "-R", "-F", path)


def _run(*command: str) -> None:
    done = process.run(command)
    if done.code != 0:
        raise LabelError(f"{' '.join(command)} failed: {done.complaint}")
