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

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, process
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

POLICY, MODULE = "/etc/k3a/k3a.cil", "k3a"
ENFORCE = "/sys/fs/selinux/enforce"
CONFIGURATION = "/etc/selinux/config"
# What container-selinux defines, and nothing else that we know of.
RUNTIME = "container_runtime_exec_t"
COMMANDS = {"restorecon": "policycoreutils", "semodule": "policycoreutils"}

# What becomes a container's runtime when it is run. Everything else that systemd starts is a program as any.
RUNTIMES = ("containerd", "containerd-shim-runc-v2", "runc", "bridge", "host-local", "loopback", "portmap")
_PROGRAMS = r"/data/files/[^/]+/"
# By the path below the data directory, the more special after the more general.
TYPES = (
    ("(/.*)?", "any", "container_var_lib_t"),
    (f"{_PROGRAMS}[^/]+", "file", "bin_t"),
    (f"{_PROGRAMS}({'|'.join(map(re.escape, RUNTIMES))})", "file", RUNTIME),
    # Of containers: they write to the layers that are their own.
    ("/agent/containerd/[^/]*/snapshots(/.*)?", "any", "container_file_t"),
    ("/agent/containerd/[^/]*/sandboxes(/.*)?", "any", "container_ro_file_t"),
)
STATE = (
    ("/run/k3a(/.*)?", "any", "container_var_run_t"),
    ("/run/k3a/containerd/[^/]*/sandboxes/[^/]*/shm(/.*)?", "any", "container_runtime_tmpfs_t"),
)


class LabelError(K3aError):
    """A label cannot be set; the message says why."""


def mode() -> str:
    """V(enforcing), V(permissive), or nothing where the kernel does without SELinux."""
    return {b"1": "enforcing", b"0": "permissive"}.get((files.read_bytes(ENFORCE) or b"").strip(), "")


def knows_containers() -> bool:
    """Whether the host's policy has the types of containers."""
    text = (files.read_bytes(CONFIGURATION) or b"").decode(errors="replace")
    kind = re.search(r"^SELINUXTYPE=(\S+)", text, re.M)
    contexts = f"/etc/selinux/{kind[1] if kind else 'targeted'}/contexts/files/file_contexts"
    return RUNTIME.encode() in (files.read_bytes(contexts) or b"")


def policy(data_dir: str) -> str:
    """The policy module: which label what k3a makes has."""
    entries = [(f"{re.escape(data_dir)}{path}", kind, label) for path, kind, label in TYPES]
    # Policies know one of /run and /var/run as the other, and which by their age.
    entries += [(f"{base}{path}", kind, label) for base in ("", "/var") for path, kind, label in STATE]
    return "".join(
        f'(filecon "{path}" {kind} (system_u object_r {label} ((s0) (s0))))\n' for path, kind, label in entries
    )


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
