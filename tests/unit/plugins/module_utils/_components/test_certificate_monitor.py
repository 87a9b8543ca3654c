# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_monitor as monitor
from ansible_collections.k3a.cluster.tests.unit import authority_samples
from ansible_collections.k3a.cluster.tests.unit.component_samples import command, directives, params_for

URL = "https://127.0.0.1:6444"
PROGRAM = "/var/lib/k3a/agent/lib/k3a.pyz"


def component_of(python="/usr/bin/python3", **given):
    return monitor.monitor_component(params_for(monitor, server_url=URL, **given), python)


def test_a_timer_starts_a_service_that_looks_and_ends():
    component = component_of()
    assert command(component.unit) == ["/usr/bin/python3", "-I", "-S", PROGRAM, "certificate", "warn", URL]
    found = directives(component.unit)
    assert found["Type"] == ["oneshot"]
    assert (found["ProtectSystem"], found["ProtectHome"], found["CapabilityBoundingSet"]) == (["strict"], ["yes"], [""])
    assert directives(component.trigger_units["k3a-certificate-monitor.timer"])["OnCalendar"] == ["hourly"]


def test_systemd_takes_the_units(tmp_path):
    component = component_of(python=sys.executable)
    units = {component.unit_name: component.unit, **component.trigger_units}
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no systemd here")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_is_linked_unless_it_is_somebody_elses(tmp_path, monkeypatch):
    path = tmp_path / "k3a"
    monkeypatch.setattr(monitor, "COMMAND", str(path))
    assert [(link.path, link.target) for link in component_of().links] == [(str(path), PROGRAM)]
    path.symlink_to("/srv/elsewhere/agent/lib/k3a.pyz")
    assert len(component_of().links) == 1
    path.unlink()
    path.write_text("#!/bin/sh\n")
    assert component_of().links == ()
    path.unlink()
    path.symlink_to("/opt/other/k3a")
    assert component_of().links == ()


def test_the_command_runs_by_its_name_without_anything_else(tmp_path):
    data_dir = str(tmp_path / "data")
    (program,) = component_of(python=sys.executable, data_dir=data_dir).files
    assert (program.path, program.mode, program.secret) == (f"{data_dir}/agent/lib/k3a.pyz", 0o755, False)
    path = tmp_path / "k3a"
    path.write_bytes(program.content)
    path.chmod(0o755)
    os.makedirs(f"{data_dir}/agent/tls")
    for over, code in ((0, 0), (335, 1)):
        with open(f"{data_dir}/agent/tls/client-kube-proxy.crt", "w", encoding="ascii") as stream:
            stream.write(authority_samples.leaf("/CN=system:kube-proxy", over=over)[0])
        done = subprocess.run([path, "certificate", "check"], capture_output=True, text=True, check=False, env={})
        assert (done.returncode, "WARNING" in done.stdout) == (code, code == 1), done.stderr
        assert f"{data_dir}/agent/tls/client-kube-proxy.crt" in done.stdout
