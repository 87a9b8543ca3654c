# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import program
from ansible_collections.k3a.cluster.plugins.modules import approver


def test_the_module_runs_it_and_a_second_time_does_nothing(run_module, init, bundle, tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    never = tmp_path / "python"
    never.write_text(f"#!/bin/sh\nread x < {tmp_path}/bundle/never\n")
    never.chmod(0o755)
    monkeypatch.setattr(program, "interpreter", lambda _running: str(never))
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "wait": False}
    announced = run_module(approver, check=True, **given)
    assert not (tmp_path / "k3a").exists()
    done = run_module(approver, **given)
    assert done["changes"] == announced["changes"]
    assert done["changes"][0] == f"{tmp_path}/k3a/server/lib/k3a.pyz" and done["restarted"]
    assert done["diff"][0]["after"] == "(binary content, not shown)\n"
    assert not run_module(approver, **given)["changed"]
    again = run_module(approver, https_listen_port=7443, **given)
    assert again["changes"] == [f"{tmp_path}/units/k3a-approver.service", "k3a-approver.service"]
