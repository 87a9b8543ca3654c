# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil

import pytest
from ansible_collections.k3a.cluster.plugins.modules import load_balancer

UNIT = "k3a-load-balancer.service"


@pytest.fixture
def arguments(bundle, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    shutil.copy(f"{bundle}/bin/kubelet", f"{bundle}/bin/k3a-load-balancer")
    return {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "servers": ["10.0.0.1:6443"], "wait": False}


def test_other_servers_change_the_file_and_restart_nothing(run_module, init, arguments, tmp_path):
    path = tmp_path / "k3a/agent/etc/load-balancer.json"
    assert run_module(load_balancer, **arguments)["restarted"]
    assert not run_module(load_balancer, **arguments)["changed"]
    process = init.processes[UNIT]
    given = {**arguments, "servers": ["10.0.0.2:6443", "10.0.0.1:6443"]}
    announced = run_module(load_balancer, check=True, **given)
    assert json.loads(path.read_text())["servers"] == ["10.0.0.1:6443"]
    done = run_module(load_balancer, **given)
    assert done["changes"] == announced["changes"] == [str(path)]
    assert (done["restarted"], process.poll()) == (False, None)
    assert json.loads(path.read_text())["servers"] == ["10.0.0.1:6443", "10.0.0.2:6443"]


def test_another_port_restarts_it(run_module, init, arguments):
    run_module(load_balancer, **arguments)
    assert run_module(load_balancer, **arguments, port=7444)["restarted"]


def test_absent_stops_it_and_needs_no_servers(run_module, init, arguments, tmp_path):
    run_module(load_balancer, **arguments)
    process = init.processes[UNIT]
    given = {**arguments, "servers": [], "state": "absent"}
    announced = run_module(load_balancer, check=True, **given)
    assert process.poll() is None
    done = run_module(load_balancer, **given)
    assert process.poll() is not None
    written = [str(tmp_path / "k3a/agent/etc/load-balancer.json"), str(tmp_path / "units" / UNIT)]
    assert done["changes"] == announced["changes"] == written
    assert not any(os.path.exists(path) for path in written)
    assert not run_module(load_balancer, **given)["changed"]


@pytest.mark.parametrize(
    "given, complaint",
    [({"servers": []}, "at least one address"), ({"servers": ["a"]}, "'a' is no address"), ({"port": 6445}, "health")],
)
def test_what_cannot_be_is_refused_before_anything_changes(run_module, init, arguments, tmp_path, given, complaint):
    assert complaint in run_module(load_balancer, **{**arguments, **given})["msg"]
    assert not (tmp_path / "k3a").exists()
