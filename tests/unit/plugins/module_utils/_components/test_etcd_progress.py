# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd, etcd_progress
from ansible_collections.k3a.cluster.tests.unit.component_samples import command, directives, params_for

GUARD = "/srv/k3a/server/lib/etcd-guard.pyz"


def test_a_timer_has_the_guard_record_and_end():
    component = etcd_progress.progress_component("/srv/k3a")
    assert command(component.unit) == [GUARD, "guard", "progress", "/srv/k3a"]
    found = directives(component.unit)
    assert (found["Type"], found["ReadWritePaths"]) == (["oneshot"], ["/etc/k3a"])
    # What etcd keeps is its own user's, whom root without this could not look at.
    assert (found["CapabilityBoundingSet"], found["PrivateNetwork"]) == (["", "CAP_DAC_READ_SEARCH"], ["yes"])
    # It writes a file, and gives it its owner.
    assert found["SystemCallFilter"][-1] == "@chown"
    assert directives(component.trigger_units["k3a-etcd-progress.timer"])["OnCalendar"] == ["*:0/5"]


def test_the_guard_is_what_etcds_step_brings():
    (file,) = etcd.etcd_component(params_for(etcd, data_dir="/srv/k3a"), "s1", "10.0.0.1").reloaded
    assert file.path == GUARD


def test_systemd_takes_the_units(tmp_path):
    component = etcd_progress.progress_component("/srv/k3a")
    timer = component.trigger_units["k3a-etcd-progress.timer"]
    (tmp_path / component.unit_name).write_text(component.unit.replace(GUARD, "/bin/true"))
    (tmp_path / "k3a-etcd-progress.timer").write_text(timer)
    names = [str(tmp_path / name) for name in (component.unit_name, "k3a-etcd-progress.timer")]
    try:
        done = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no systemd here")
    assert (done.returncode, done.stderr) == (0, "")
