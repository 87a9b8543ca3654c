# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import selinux

# Of container-selinux 2.2xx on Rocky 9, as /etc/selinux/targeted/contexts/files/file_contexts has it.
CONTEXTS = """/usr/s?bin/runc\t--\tsystem_u:object_r:container_runtime_exec_t:s0
/var/lib/containerd(/.*)?\tsystem_u:object_r:container_var_lib_t:s0
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with SELinux: what was run on it."""
    ran = []
    monkeypatch.setattr(selinux, "POLICY", str(tmp_path / "k3a/k3a.cil"))

    def run(command):
        ran.append(list(command))
        return selinux.process.Done(0, b"", "")

    monkeypatch.setattr(selinux.process, "run", run)
    return ran


FEDORA, DEBIAN = selinux.FAMILIES


def label(path, data_dir="/var/lib/k3a", known=FEDORA):
    """The label that a path gets: of the entries that match it, the last, as they are sorted by how special they are."""
    entries = re.findall(r'filecon "(.*?)" (\w+) \((?:system_u object_r (\w+))?', selinux.policy(data_dir, known))
    return [name for pattern, _kind, name in entries if re.fullmatch(pattern, path)][-1]


@pytest.mark.parametrize(
    "path, expected",
    [
        ("/var/lib/k3a", "container_var_lib_t"),
        ("/var/lib/k3a/server/tls/server-ca.key", "container_var_lib_t"),
        ("/var/lib/k3a/data/files/ab12/containerd", "container_runtime_exec_t"),
        ("/var/lib/k3a/data/files/ab12/containerd-shim-runc-v2", "container_runtime_exec_t"),
        ("/var/lib/k3a/data/files/ab12/runc", "container_runtime_exec_t"),
        ("/var/lib/k3a/data/files/ab12/portmap", "container_runtime_exec_t"),
        ("/var/lib/k3a/data/files/ab12/kubernetes", "bin_t"),
        ("/var/lib/k3a/data/files/ab12/etcd", "bin_t"),
        ("/var/lib/k3a/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots", "container_file_t"),
        ("/var/lib/k3a/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7", "container_file_t"),
        ("/var/lib/k3a/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs/etc", ""),
        ("/var/lib/k3a/agent/containerd/io.containerd.grpc.v1.cri/sandboxes/x/hostname", "container_ro_file_t"),
        ("/run/k3a/containerd/containerd.sock", "container_var_run_t"),
        ("/var/run/k3a/containerd/io.containerd.grpc.v1.cri/sandboxes/x/shm", "container_runtime_tmpfs_t"),
    ],
)
def test_labels_are_those_of_container_selinux(path, expected):
    assert label(path) == expected


def test_the_reference_policy_has_other_names_for_some():
    assert label("/var/lib/k3a/data/files/ab12/runc", known=DEBIAN) == "container_engine_exec_t"
    assert label("/var/lib/k3a/server", known=DEBIAN) == "container_var_lib_t"
    assert label("/run/k3a", known=DEBIAN) == "container_runtime_t"


def test_without_types_of_containers_there_is_no_policy():
    with pytest.raises(selinux.LabelError, match="install container-selinux"):
        selinux.policy("/var/lib/k3a", None)


def test_another_data_directory_is_a_path_and_no_pattern():
    assert label("/srv/k3a.d/data/files/ab12/runc", "/srv/k3a.d") == "container_runtime_exec_t"
    assert "/srv/k3a\\.d" in selinux.policy("/srv/k3a.d", FEDORA)


def test_parentheses_of_the_policy_are_balanced():
    text = re.sub(r'".*?"', "", selinux.policy("/var/lib/k3a", FEDORA))
    assert text.count("(") == text.count(")")


def test_the_host_knows_the_labels_before_the_file_says_so(host, tmp_path):
    selinux.install("(policy)\n", str(tmp_path))
    assert [command[:2] for command in host] == [["semodule", "--install"], ["restorecon", "-R"]]
    assert host[0][2].endswith("/k3a.cil")
    assert Path(selinux.POLICY).read_text() == "(policy)\n"


def test_one_that_is_refused_is_no_policy_of_the_host(host, monkeypatch, tmp_path):
    done = selinux.process.Done(1, b"", "libsepol.cil_resolve_ast: container_var_lib_t is not known\n")
    monkeypatch.setattr(selinux.process, "run", lambda command: done)
    with pytest.raises(selinux.LabelError, match="container_var_lib_t is not known"):
        selinux.install("(policy)\n", str(tmp_path))
    assert not Path(selinux.POLICY).exists()


def test_only_a_host_that_knows_the_labels_gets_any(host, tmp_path):
    selinux.restore(str(tmp_path))
    assert host == []
    Path(selinux.POLICY).parent.mkdir()
    Path(selinux.POLICY).write_text("")
    selinux.restore(str(tmp_path))
    selinux.restore(str(tmp_path / "nothing"))
    assert host == [["restorecon", "-R", "-F", str(tmp_path)]]


@pytest.mark.parametrize("text, mode", [("1", "enforcing"), ("0", "permissive"), (None, "")])
def test_the_mode_is_what_the_kernel_says(text, mode, tmp_path, monkeypatch):
    if text is not None:
        (tmp_path / "enforce").write_text(text)
    monkeypatch.setattr(selinux, "ENFORCE", str(tmp_path / "enforce"))
    assert selinux.mode() == mode


def test_whether_containers_are_known_is_in_the_contexts_of_the_policy_in_use(monkeypatch):
    texts = {
        selinux.CONFIGURATION: b"SELINUX=enforcing\nSELINUXTYPE=targeted\n",
        "/etc/selinux/targeted/contexts/files/file_contexts": CONTEXTS.encode(),
    }
    monkeypatch.setattr(selinux.files, "read_bytes", texts.get)
    assert selinux.names() == FEDORA
    texts["/etc/selinux/targeted/contexts/files/file_contexts"] = b"/usr/bin/runc\t--\tsystem_u:object_r:container_engine_exec_t:s0\n"
    assert selinux.names() == DEBIAN
    texts[selinux.CONFIGURATION] = b"SELINUXTYPE=mls\n"
    assert selinux.names() is None
