# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import cni_state
from ansible_collections.k3a.cluster.plugins.module_utils._components import flannel as step
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import User
from ansible_collections.k3a.cluster.plugins.modules import flannel


@pytest.fixture
def arguments(bundle, tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    # The step of the host makes its user; none has to be there for this test.
    monkeypatch.setattr(step, "HOST_USER", User("root", "somebody who is there"))
    return {
        "bundle": bundle,
        "data_dir": str(tmp_path / "k3a"),
        "server_url": "https://192.0.2.1:6443",
        "node_ip": ["192.0.2.2"],
        "node_name": "w1",
        "wait": False,
    }


def test_the_module_runs_it_and_another_backend_restarts_it(run_module, init, arguments, tmp_path):
    assert run_module(flannel, **arguments)["restarted"]
    assert not run_module(flannel, **arguments)["changed"]
    done = run_module(flannel, backend="host-gw", **arguments)
    assert done["changes"] == [f"{tmp_path}/k3a/agent/etc/flannel/net-conf.json", "k3a-flannel.service"]


def test_without_backend_it_is_stopped_and_its_files_are_gone(run_module, init, arguments, tmp_path):
    run_module(flannel, **arguments)
    process = init.processes["k3a-flannel.service"]
    written = tmp_path / "k3a/agent/etc/cni/net.d/10-flannel.conflist"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text("{}")
    announced = run_module(flannel, check=True, backend="none", **arguments)
    assert process.poll() is None
    done = run_module(flannel, backend="none", **arguments)
    assert str(written) in done["changes"]
    assert done["changes"] == announced["changes"]
    assert process.poll() is not None
    assert not written.exists()
    assert not (tmp_path / "units/k3a-flannel.service").exists()
    assert not run_module(flannel, backend="none", **arguments)["changed"]


def test_a_backend_of_k3s_that_is_gone_is_refused(run_module, arguments):
    result = run_module(flannel, check=True, backend="ipsec", **arguments)
    assert "backend" in result["msg"]


SANDBOX = "a" * 64
FORMER, KEPT = "10.42.1.7", "10.42.2.3"


@pytest.fixture
def pods(run_module, init, arguments, tmp_path, monkeypatch):
    """A node where flannel runs, with a pod of a former subnet and one of the node's, and a runtime that stops both."""
    monkeypatch.setattr(cni_state, "ADDRESSES", str(tmp_path / "cbr0"))
    monkeypatch.setattr(cni_state, "RESULTS", str(tmp_path / "results"))
    (tmp_path / "results").mkdir()
    given = [["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_NAME", "web-0"]]
    (tmp_path / f"results/cbr0-{SANDBOX}-eth0").write_text(json.dumps({"cniArgs": given}))
    addresses = tmp_path / "cbr0"
    addresses.mkdir()
    (addresses / FORMER).write_text(f"{SANDBOX}\r\neth0")
    (addresses / KEPT).write_text(f"{'b' * 64}\r\neth0")
    crictl = tmp_path / "crictl"
    crictl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nrm {addresses}/{FORMER}\n')
    crictl.chmod(0o755)
    arguments["programs"] = {"bin/crictl": str(crictl)}
    run_module(flannel, **arguments)
    return addresses


@pytest.fixture
def cni(tmp_path):
    """The configuration that flannel writes."""
    path = tmp_path / "k3a/agent/etc/cni/net.d/10-flannel.conflist"
    path.parent.mkdir(parents=True, exist_ok=True)
    bridge = {"type": "bridge", "ipam": {"ranges": [[{"subnet": "10.42.2.0/24"}]]}}
    path.write_text(json.dumps({"plugins": [bridge]}))
    return path


def test_a_pod_of_a_former_subnet_gets_another_address_as_announced(run_module, arguments, pods, cni, tmp_path):
    announced = run_module(flannel, check=True, **arguments)
    assert (pods / FORMER).exists()
    done = run_module(flannel, **arguments)
    assert done["changes"] == announced["changes"] == ["pod shop/web-0"]
    assert done["diff"] == announced["diff"] and announced["changed"] and not done["restarted"]
    assert not (pods / FORMER).exists() and (pods / KEPT).exists()
    assert not run_module(flannel, **arguments)["changed"]
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


def test_before_a_node_has_its_next_subnet_all_of_its_pods_are_announced(run_module, arguments, pods, tmp_path):
    announced = run_module(flannel, check=True, **arguments)
    assert announced["changes"] == ["pod shop/web-0", f"sandbox {'b' * 13}"]
    # It has none to give them now: whoever waits for flannel comes back to them.
    assert not run_module(flannel, **arguments)["changed"]
    assert not (tmp_path / "asked").exists()


def test_where_flannel_does_not_run_yet_nothing_is_known_of_pods(run_module, init, arguments, pods):
    init.processes["k3a-flannel.service"].kill()
    init.processes["k3a-flannel.service"].wait()
    assert run_module(flannel, check=True, **arguments)["changes"] == ["k3a-flannel.service"]


def test_the_pods_of_another_network_are_let_alone(run_module, arguments, pods, cni, tmp_path):
    for check in (True, False):
        result = run_module(flannel, check=check, backend="none", **arguments)
        assert not [name for name in result["changes"] if name.startswith(("pod", "sandbox"))]
    assert (pods / FORMER).exists() and not (tmp_path / "asked").exists()
