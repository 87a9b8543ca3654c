# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_renewal as step
from ansible_collections.k3a.cluster.tests.unit import authority_samples, leaf_samples
from ansible_collections.k3a.cluster.tests.unit.component_samples import command, directives, own_options, params_for

URL = "https://127.0.0.1:6444"
PROGRAM = "/var/lib/k3a/agent/lib/certificate-renewal.pyz"
CAS = {"server": "the server CA", "client": "the client CA", "kubelet-serving": "that of kubelets"}

DECLARED = leaf_samples.declared("agent")


def component_of(python="/usr/bin/python3", **given):
    options = {"server_url": URL, "ca_certificates": CAS, "node_name": "w1", "node_ip": ["10.0.0.2"], "declared": DECLARED, **given}
    params = params_for(step, **options)
    return step.renewal_component(params, python, step.certificates_to_renew(params))


def test_a_timer_starts_a_service_that_writes_certificates_and_nothing_else():
    component = component_of()
    assert command(component.unit) == ["/usr/bin/python3", "-I", "-S", PROGRAM, "renew", URL]
    found = directives(component.unit)
    assert (found["Type"], found["ProtectSystem"], found["CapabilityBoundingSet"]) == (["oneshot"], ["strict"], [""])
    assert found["ReadWritePaths"] == ["/var/lib/k3a/agent/tls -/run/k3a.lock"]
    assert found["ExecStartPost"] == [f"+/usr/bin/python3 -I -S {PROGRAM} hand-over"]
    assert directives(component.trigger_units["k3a-certificate-renewal.timer"])["OnCalendar"] == ["hourly"]


def test_the_program_knows_what_no_process_renews_by_itself():
    (program,) = component_of().files
    for name in ("serving-kubelet", "client-kube-proxy", "client-flannel", "10.0.0.2", "that of kubelets"):
        assert name.encode() in program.content
    assert b"client-kubelet'" not in program.content
    assert component_of().files == component_of(ca_certificates=dict(reversed(CAS.items()))).files
    assert component_of().files != component_of(node_ip=["10.0.0.3"]).files


OTHERS = {
    "data_dir": "/srv/k3a",
    "declared": [],
    "server_url": "https://10.0.0.1:6443",
    "ca_certificates": {"client": "another"},
    "node_name": "w2",
    "node_ip": ["10.0.0.3"],
    "node_external_ip": ["192.0.2.1"],
}


@pytest.mark.parametrize("option", sorted(own_options(step) - {"bundle", "programs", "cluster_cidr", "state"}))
def test_every_option_reaches_the_component(option):
    assert component_of(**{option: OTHERS[option]}) != component_of()


def test_systemd_takes_the_units(tmp_path):
    component = component_of(python=sys.executable)
    units = {component.unit_name: component.unit, **component.trigger_units}
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in units]
    try:
        done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no systemd here")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_program_runs_without_anything_else(tmp_path):
    """It has all that it imports; nobody answers here."""
    data_dir = tmp_path / "data"
    (program,) = component_of(data_dir=str(data_dir)).files
    path = tmp_path / "renewal.pyz"
    path.write_bytes(program.content)
    (data_dir / "agent/tls").mkdir(parents=True)
    (data_dir / "agent/tls/client-kube-proxy.crt").write_text(authority_samples.leaf("/CN=system:kube-proxy", 30, over=16)[0])
    program_of = [sys.executable, "-I", "-S", str(path)]
    done = subprocess.run([*program_of, "renew", "https://127.0.0.1:1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    names = ("serving-kubelet", "client-kube-proxy", "client-flannel")
    assert [line.partition(" was not renewed, which is tried again: ")[0] for line in told] == [
        f"<4>{data_dir}/agent/tls/{name}.crt" for name in names
    ]
    done = subprocess.run([*program_of, "hand-over"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
