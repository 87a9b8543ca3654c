# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import certificate_renewal as action
from ansible_collections.k3a.cluster.plugins.modules import certificate_renewal as module

if os.geteuid() != 0:
    pytest.skip("units belong to root", allow_module_level=True)


def test_the_machine_is_told_which_certificates_a_node_has(run_action, init, bundle, tmp_path):
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "server_url": "https://127.0.0.1:6444"}
    done = run_action(action, module, node_ip=["10.0.0.2"], ca_certificates={}, **given)
    assert not done.get("failed"), done
    program = (tmp_path / "k3a/agent/lib/certificate-renewal.pyz").read_bytes()
    assert all(name in program for name in (b"serving-kubelet.crt", b"client-kube-proxy.crt", b"client-flannel.crt"))
