# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.references import References

TASK = "run/io.containerd.runtime.v2.task/k8s.io/pod"
WANTED, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def references(tmp_path):
    for name in ("units", "proc"):
        (tmp_path / name).mkdir()
    return References(*(str(tmp_path / name) for name in ("units", "proc", "run")))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("units/k3a-etcd.service", "ExecStart=/var/lib/k3a/data/files/{}/etcd\n"),
        ("units/k3a-kubelet.service", "ExecStart=/var/lib/k3a/data/{}/bin/kubelet\n"),
        ("k3a/agent/etc/containerd/config.toml", 'BinaryName = "/var/lib/k3a/data/files/{}/runc"\n'),
        (f"{TASK}/runtime", "/var/lib/k3a/data/files/{}/runc"),
        (f"{TASK}/shim-binary-path", "/var/lib/k3a/data/files/{}/containerd-shim-runc-v2"),
    ],
)
def test_what_a_text_names_is_needed(references, tmp_path, path, text):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.format(WANTED))
    assert references.among([WANTED, OTHER], str(tmp_path / "k3a")) == {WANTED}


def test_what_a_process_runs_is_needed_wherever_the_data_directory_really_is(references, tmp_path):
    (tmp_path / "proc/17").mkdir()
    (tmp_path / "proc/17/exe").symlink_to(f"/disk/data/files/{WANTED}/containerd-shim-runc-v2")
    (tmp_path / "proc/18").mkdir()
    assert references.among([WANTED, OTHER], str(tmp_path / "k3a")) == {WANTED}


def test_units_of_others_need_nothing_of_ours(references, tmp_path):
    Path(references.unit_dir, "other.service").write_text(f"ExecStart=/var/lib/k3a/data/files/{WANTED}/etcd\n")
    assert references.among([WANTED], str(tmp_path / "k3a")) == set()


def test_without_a_question_nothing_is_read(tmp_path):
    assert References(processes=str(tmp_path / "missing")).among([], "/var/lib/k3a") == set()
