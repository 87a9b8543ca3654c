# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.modules import flannel


@pytest.fixture
def arguments(bundle, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    return {
        "bundle": bundle,
        "data_dir": str(tmp_path / "k3a"),
        "server_url": "https://192.0.2.1:6443",
        "node_ip": ["192.0.2.2"],
        "node_name": "w1",
        "wait": False,
    }


def test_the_module_runs_it_and_another_backend_restarts_it(run_module, init, arguments, tmp_path):
    assert run_module(flannel, **arguments)["restarted"]
    assert not run_module(flannel, **arguments)["changed"]
    done = run_module(flannel, backend="host-gw", **arguments)
    assert done["changes"] == [f"{tmp_path}/k3a/agent/etc/flannel/net-conf.json", "k3a-flannel.service"]


def test_without_backend_it_is_stopped_and_its_files_are_gone(run_module, init, arguments, tmp_path):
    run_module(flannel, **arguments)
    process = init.processes["k3a-flannel.service"]
    written = tmp_path / "k3a/agent/etc/cni/net.d/10-flannel.conflist"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text("{}")
    announced = run_module(flannel, check=True, backend="none", **arguments)
    assert process.poll() is None
    done = run_module(flannel, backend="none", **arguments)
    assert str(written) in done["changes"]
    assert done["changes"] == announced["changes"]
    assert process.poll() is not None
    assert not written.exists()
    assert not (tmp_path / "units/k3a-flannel.service").exists()
    assert not run_module(flannel, backend="none", **arguments)["changed"]


def test_a_backend_of_k3s_that_is_gone_is_refused(run_module, arguments):
    result = run_module(flannel, check=True, backend="ipsec", **arguments)
    assert "backend" in result["msg"]
