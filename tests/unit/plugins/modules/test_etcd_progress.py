# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.modules import etcd_progress


def test_the_module_runs_it_and_a_second_time_does_nothing(run_module, init, bundle, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a")}
    announced = run_module(etcd_progress, check=True, **given)
    done = run_module(etcd_progress, **given)
    assert done["changes"] == announced["changes"]
    unit, timer, *_states = done["changes"]
    assert unit == f"{tmp_path}/units/k3a-etcd-progress.service"
    assert timer == f"{tmp_path}/units/k3a-etcd-progress.timer"
    assert not run_module(etcd_progress, **given)["changed"]
