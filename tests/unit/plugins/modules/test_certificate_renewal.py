# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, own_units
from ansible_collections.k3a.cluster.plugins.modules import certificate_renewal

URL = "https://127.0.0.1:6444"


@pytest.fixture
def given(bundle, tmp_path):
    """What each task says, whether it wants the renewal or not."""
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    return {
        "bundle": bundle,
        "data_dir": str(tmp_path / "k3a"),
        "server_url": URL,
        "ca_certificates": {"client": "one"},
    }


def test_the_module_runs_it_and_a_second_time_does_nothing(run_module, init, given, tmp_path):
    given["node_ip"] = ["10.0.0.2"]
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


def test_absent_stops_the_timer_and_leaves_the_certificates(run_module, init, given, tmp_path):
    """What it has renewed is in one file for key and certificate."""
    written = run_module(certificate_renewal, node_ip=["10.0.0.2"], **given)["changes"][:3]
    tls = tmp_path / "k3a/agent/tls"
    tls.mkdir()
    (tls / "client-flannel.pem").write_text("both")
    (tls / "client-flannel.crt").symlink_to("client-flannel.pem")
    announced = run_module(certificate_renewal, check=True, state="absent", **given)
    assert all(map(os.path.exists, written))
    done = run_module(certificate_renewal, state="absent", **given)
    program, service, timer = written
    assert done["changes"] == announced["changes"] == [program, timer, service]
    assert not any(map(os.path.exists, written)) and "k3a-certificate-renewal.timer" not in init.enabled
    assert (tls / "client-flannel.crt").read_text() == "both"
    assert not run_module(certificate_renewal, state="absent", **given)["changed"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_the_next_run_knows_of_one_that_was_killed_while_it_was_taken_away(
    run_module, init, given, tmp_path, monkeypatch, removed
):
    run_module(certificate_renewal, node_ip=["10.0.0.2"], **given)
    left, real = [None] * removed, files.remove_file

    def remove(path):
        if not left:
            raise Killed
        real(path)
        left.pop()

    with monkeypatch.context() as patched:
        patched.setattr(files, "remove_file", remove)
        with pytest.raises(Killed):
            run_module(certificate_renewal, state="absent", **given)
    assert "certificate-renewal" in own_units.installed(str(tmp_path / "units"))
    assert run_module(certificate_renewal, state="absent", **given)["changed"]
    assert own_units.installed(str(tmp_path / "units")) == {}
