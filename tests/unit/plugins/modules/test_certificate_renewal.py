# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.modules import certificate_renewal

URL = "https://127.0.0.1:6444"


def test_the_module_runs_it_and_a_second_time_does_nothing(run_module, init, bundle, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "server_url": URL, "node_ip": ["10.0.0.2"]}
    given["ca_certificates"] = {"client": "one"}
    announced = run_module(certificate_renewal, check=True, **given)
    assert not (tmp_path / "k3a").exists()
    done = run_module(certificate_renewal, **given)
    assert done["changes"] == announced["changes"]
    program, unit, timer, *_states = done["changes"]
    assert program == f"{tmp_path}/k3a/agent/lib/certificate-renewal.pyz"
    assert unit == f"{tmp_path}/units/k3a-certificate-renewal.service"
    assert timer == f"{tmp_path}/units/k3a-certificate-renewal.timer"
    assert not run_module(certificate_renewal, **given)["changed"]
    # The next look reads it anew.
    changed = run_module(certificate_renewal, **{**given, "ca_certificates": {"client": "another"}})
    assert (changed["changes"], changed["restarted"]) == ([program], False)
