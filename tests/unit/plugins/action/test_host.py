# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import host as action
from ansible_collections.k3a.cluster.plugins.module_utils._host import host as _host
from ansible_collections.k3a.cluster.plugins.modules import host as module

if os.geteuid() != 0:
    pytest.skip("the files of a host belong to root", allow_module_level=True)


def test_the_host_makes_the_users_that_the_components_run_as(run_action, tmp_path, monkeypatch):
    monkeypatch.setattr(_host, "SYSUSERS", str(tmp_path / "sysusers.d/k3a.conf"))
    announced = run_action(action, module, check=True, data_dir=str(tmp_path / "k3a"))
    (users,) = (each["after"] for each in announced["diff"] if each["after_header"] == _host.SYSUSERS)
    # In this order and at the beginning: the file is of one that was installed earlier, too.
    assert users.startswith('u etcd - "etcd datastore (k3a)"\nu kube - "Kubernetes control plane (k3a)"\n')
    assert not announced.get("failed")
