# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubelet as step
from ansible_collections.k3a.cluster.plugins.modules import kubelet

URL = "https://192.0.2.1:6443"


@pytest.fixture
def arguments(bundle, tmp_path):
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.53\n")
    return {
        "bundle": bundle,
        "data_dir": str(tmp_path / "k3a"),
        "server_url": URL,
        "node_ip": ["192.0.2.2"],
        "resolv_conf": str(resolv_conf),
        "wait": False,
    }


def test_the_module_runs_it_and_a_second_time_does_nothing(run_module, init, arguments, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    announced = run_module(kubelet, check=True, **arguments)
    done = run_module(kubelet, **arguments)
    assert done["changes"] == announced["changes"]
    assert f"resolvConf: {tmp_path}/resolv.conf" in (tmp_path / "k3a/agent/etc/kubelet.yaml").read_text()
    assert "--node-ip=192.0.2.2" in init.processes["k3a-kubelet.service"].args
    assert not run_module(kubelet, **arguments)["changed"]


def test_another_ca_restarts_it_and_a_renewed_certificate_of_its_own_does_not(
    run_module, init, arguments, tmp_path
):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    run_module(kubelet, **arguments)
    authority = tmp_path / "k3a/agent/tls/client-ca.crt"
    serving = authority.with_name("serving-kubelet.crt")
    assert run_module(kubelet, check=True, pending=[str(authority)], **arguments)["restarted"]
    own = ["/var/lib/kubelet/pki/kubelet-client-current.pem", str(serving)]
    assert not run_module(kubelet, check=True, pending=own, **arguments)["changed"]
    authority.parent.mkdir()
    serving.write_text("new")
    assert not run_module(kubelet, **arguments)["changed"]
    authority.write_text("new")
    assert run_module(kubelet, **arguments)["restarted"]


def test_a_host_without_usable_resolver_is_told_what_to_do(run_module, init, arguments, monkeypatch):
    monkeypatch.setattr(step.resolver, "usable_resolv_conf", lambda: "")
    result = run_module(kubelet, check=True, **{**arguments, "resolv_conf": ""})
    assert result["failed"]
    assert "set k3a_resolv_conf" in result["msg"]


def test_where_the_api_is_has_to_be_said(run_module, bundle):
    result = run_module(kubelet, check=True, bundle=bundle)
    assert "server_url" in result["msg"]
