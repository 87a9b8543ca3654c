# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import Directory, File
from ansible_collections.k3a.cluster.plugins.module_utils._host import host as _host
from ansible_collections.k3a.cluster.plugins.modules import host

if os.geteuid() != 0:
    pytest.skip("the files of a host belong to root", allow_module_level=True)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A host in a directory: one setting, one file, no users and modules to care for."""
    setting = tmp_path / "sys/kernel/panic"
    setting.parent.mkdir(parents=True)
    setting.write_text("0\n")
    monkeypatch.setattr(_host, "setting_path", lambda key: str(tmp_path / "sys" / key.replace(".", "/")))
    monkeypatch.setattr(_host, "missing_users", lambda _users: ())
    families_seen = []

    def wanted(data_dir, families, _users, _backend, _labelled, _interfaces):
        families_seen.append(families)
        texts = (File(str(tmp_path / "etc/k3a.conf"), b"kernel.panic = 10\n", 0o644),)
        return _host.Host((Directory(data_dir, 0o755),), texts, {"kernel.panic": "10"}, f"{data_dir}/host.json")

    monkeypatch.setattr(_host, "wanted_host", wanted)
    return setting, families_seen


def test_a_host_is_prepared_once(run_module, machine, tmp_path):
    setting, _families = machine
    data = str(tmp_path / "k3a")
    announced = run_module(host, check=True, data_dir=data)
    assert setting.read_text() == "0\n"
    assert not os.path.exists(data)
    done = run_module(host, data_dir=data)
    assert done == announced
    assert done["changes"] == [data, f"{tmp_path}/etc/k3a.conf", "kernel.panic"]
    assert done["diff"][-1]["before"] == "0\n"
    assert setting.read_text() == "10"
    assert run_module(host, data_dir=data) == {**announced, "changed": False, "changes": [], "diff": []}


def test_the_families_are_those_of_the_cluster(run_module, machine, tmp_path):
    run_module(host, check=True, data_dir=str(tmp_path), cluster_cidr=["10.42.0.0/16", "fd00:42::/56"])
    assert machine[1] == [[4, 6]]


def test_a_kernel_that_refuses_a_setting_is_one_sentence(run_module, machine, tmp_path, monkeypatch):
    def refuse(key, value):
        raise _host.HostError(f"the kernel setting {key} cannot be set to {value} on this host: Read-only file system")

    monkeypatch.setattr(_host, "write_setting", refuse)
    done = run_module(host, data_dir=str(tmp_path / "k3a"))
    assert done["failed"]
    assert done["msg"] == "the kernel setting kernel.panic cannot be set to 10 on this host: Read-only file system"
