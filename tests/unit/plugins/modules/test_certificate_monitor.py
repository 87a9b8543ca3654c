# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_monitor as step
from ansible_collections.k3a.cluster.plugins.modules import certificate_monitor

URL = "https://127.0.0.1:6444"


def test_the_module_runs_it_and_a_second_time_does_nothing(run_module, init, bundle, tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    monkeypatch.setattr(step, "COMMAND", str(tmp_path / "bin/k3a"))
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "server_url": URL}
    announced = run_module(certificate_monitor, check=True, **given)
    assert not (tmp_path / "k3a").exists()
    done = run_module(certificate_monitor, **given)
    assert done["changes"] == announced["changes"]
    program, command, unit, timer, *_states = done["changes"]
    assert program == f"{tmp_path}/k3a/agent/lib/k3a.pyz"
    assert (command, os.readlink(command)) == (f"{tmp_path}/bin/k3a", program)
    assert unit == f"{tmp_path}/units/k3a-certificate-monitor.service"
    assert timer == f"{tmp_path}/units/k3a-certificate-monitor.timer"
    assert not run_module(certificate_monitor, **given)["changed"]
    assert run_module(certificate_monitor, **{**given, "server_url": "https://10.0.0.1:6443"})["changes"] == [unit]
