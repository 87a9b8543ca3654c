# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.modules import kube_proxy

URL = "https://10.0.0.1:6443"


def test_the_module_runs_it_and_another_mode_restarts_it(run_module, init, bundle, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "server_url": URL, "node_name": "w1", "wait": False}
    assert run_module(kube_proxy, **given)["restarted"]
    assert not run_module(kube_proxy, **given)["changed"]
    done = run_module(kube_proxy, proxy_mode="iptables", **given)
    assert done["changes"][-1] == "k3a-kube-proxy.service" and done["restarted"]
