# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.k3a.cluster.plugins.modules import scheduler


def test_the_module_runs_it_and_a_second_time_does_nothing(run_module, init, bundle, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    arguments = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "wait": False, "extra_args": ["v=2"]}
    announced = run_module(scheduler, check=True, **arguments)
    assert not (tmp_path / "k3a").exists()
    done = run_module(scheduler, **arguments)
    assert (
        done["changes"]
        == announced["changes"]
        == [
            f"{tmp_path}/k3a/server/etc",
            f"{tmp_path}/k3a/server/etc/scheduler.kubeconfig",
            f"{tmp_path}/units/k3a-scheduler.service",
            "k3a-scheduler.service",
        ][-len(done["changes"]) :]
    )
    assert (done["changed"], done["restarted"], done["diff"]) == (True, True, announced["diff"])
    assert "--v=2" in init.processes["k3a-scheduler.service"].args
    again = run_module(scheduler, **arguments)
    assert (again["changed"], again["restarted"], again["changes"]) == (False, False, [])


def test_an_upgrade_is_announced_and_restarts_it(run_module, init, bundle, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    arguments = {"data_dir": str(tmp_path / "k3a"), "wait": False}
    run_module(scheduler, bundle=bundle, **arguments)
    newer = tmp_path / "newer"
    shutil.copytree(bundle, newer, ignore=shutil.ignore_patterns("never"))
    announced = run_module(scheduler, check=True, bundle=str(newer), **arguments)
    done = run_module(scheduler, bundle=str(newer), **arguments)
    assert (
        done["changes"] == announced["changes"] == [f"{tmp_path}/units/k3a-scheduler.service", "k3a-scheduler.service"]
    )
    assert init.processes["k3a-scheduler.service"].args[0] == f"{newer}/bin/kube-scheduler"
