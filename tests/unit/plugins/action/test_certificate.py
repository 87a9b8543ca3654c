# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import certificate as action
from ansible_collections.k3a.cluster.plugins.action import certificate_signature as signature
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.modules import certificate as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import ReportError
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit import leaf_samples

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)


@pytest.fixture(scope="module")
def ca_certificates():
    return {name: pki.new_authority(name) for name in leaves.AUTHORITIES}


@pytest.fixture
def arguments(ca_certificates, tmp_path, monkeypatch):
    pair = str(tmp_path / "kubelet/pki/kubelet-client-current.pem")
    monkeypatch.setattr(steps.registry, "certificates", lambda role: leaf_samples.declared(role, pair))
    return {
        "profile": "agent",
        "ca_certificates": {name: certificate for name, (certificate, _key) in ca_certificates.items()},
        "data_dir": str(tmp_path / "k3a"),
        "node_name": "w1",
        "node_ip": ["10.0.0.2"],
    }


def completed(arguments):
    return steps.completed_arguments("certificate", arguments)


def module_alone():
    """The module as a host answers, before the controller judges."""

    class ActionModule(HostAction):
        def run(self, tmp=None, task_vars=None):
            return self._execute_module("", module_args=completed(self._task.args), task_vars=task_vars)

    return type("plugin", (), {"ActionModule": ActionModule})


def converge(run_action, ca_certificates, arguments):
    """The three steps of the roles: request, sign, install."""
    requested = run_action(action, module, **arguments)
    signed = signature.sign_all({"w1": requested["requests"]}, ca_certificates)[0]["w1"]
    return requested, run_action(action, module, signed=signed, **arguments) if signed else None


def test_a_fresh_node_gets_all_its_certificates_and_then_asks_for_none(run_action, ca_certificates, arguments):
    requested, installed = converge(run_action, ca_certificates, arguments)
    assert {request["name"]: request["reasons"] for request in requested["requests"]} == {
        name: ["it is missing"] for name in ("serving-kubelet", "client-kubelet", "client-kube-proxy", "client-flannel")
    }
    assert set(installed["paths"]) == {request["certificate"] for request in requested["requests"]}
    again, _nothing = converge(run_action, ca_certificates, arguments)
    assert (again["changed"], again["requests"], again["paths"], again["diff"]) == (False, [], [], [])


def test_check_mode_announces_the_same_files_and_makes_no_key(run_action, ca_certificates, arguments, tmp_path):
    announced = run_action(action, module, check=True, **arguments)
    assert not (tmp_path / "k3a").exists()
    assert announced["changed"]
    requested, _installed = converge(run_action, ca_certificates, arguments)
    assert announced["paths"] == requested["paths"]
    assert announced["diff"] == requested["diff"]


def test_a_new_address_renews_the_one_certificate_that_has_it(run_action, ca_certificates, arguments):
    converge(run_action, ca_certificates, arguments)
    moved = {**arguments, "node_ip": ["10.0.0.3"]}
    requested, _installed = converge(run_action, ca_certificates, moved)
    (request,) = requested["requests"]
    assert (request["name"], request["reasons"]) == ("serving-kubelet", ["it lacks the names 10.0.0.3"])
    assert requested["diff"][0]["before"] == "it lacks the names 10.0.0.3\n"
    assert "names: w1, localhost, 127.0.0.1, 10.0.0.3" in requested["diff"][0]["after"]
    assert not run_action(action, module, **moved)["changed"]


def test_another_authority_renews_what_it_signs(run_action, ca_certificates, arguments):
    converge(run_action, ca_certificates, arguments)
    newer = {**ca_certificates, "client": pki.new_authority("client")}
    changed = {**arguments, "ca_certificates": {name: pair[0] for name, pair in newer.items()}}
    requested, _installed = converge(run_action, newer, changed)
    assert {request["name"] for request in requested["requests"]} == {
        "client-kubelet",
        "client-kube-proxy",
        "client-flannel",
    }
    assert not run_action(action, module, **changed)["changed"]


def test_a_host_does_not_say_whom_its_certificates_name(run_action, ca_certificates, arguments):
    """Who is root on an agent could otherwise be an administrator of the cluster, or its API."""
    observed = run_action(module_alone(), module, **arguments)["certificates"]
    claims = {
        "authority": "request-header",
        "common_name": "system:admin",
        "organization": "system:masters",
        "usages": ["server"],
        "dns": ["kubernetes.default.svc"],
        "ips": ["10.43.0.1"],
        "pair": True,
        "certificate": "/etc/shadow",
    }
    honest = action.requests_among(observed, completed(arguments))
    assert action.requests_among([{**each, **claims} for each in observed], completed(arguments)) == honest
    assert {request["organization"] for request in honest} == {"", "system:nodes", "system:k3a-flannel"}
    with pytest.raises(ReportError, match="'client-admin', which the host is not to have"):
        action.requests_among([{**observed[0], "name": "client-admin"}], completed(arguments))


def test_without_addresses_no_certificate_is_requested(arguments):
    with pytest.raises(ReportError, match="addresses of the host are not known"):
        action.leaves_of(completed({**arguments, "node_ip": []}))


def test_no_key_leaves_the_node(run_action, ca_certificates, arguments):
    requested, installed = converge(run_action, ca_certificates, arguments)
    assert "PRIVATE KEY" not in str(requested) + str(installed)


def test_what_is_announced_names_the_file_the_reason_and_what_comes():
    request = {
        **leaf_samples.agent_leaves(Layout("/d"), "w1", ["10.0.0.2"])[2].as_dict(),
        "reasons": ["it is missing", "x"],
    }
    assert action.request_diff(request) == {
        "before_header": "/d/agent/tls/client-kube-proxy.crt",
        "after_header": "/d/agent/tls/client-kube-proxy.crt",
        "before": "it is missing; x\n",
        "after": "subject: CN=system:kube-proxy\nauthority: client\nusages: client\n",
    }


def test_before_the_authorities_exist_everything_is_announced(run_action, arguments):
    announced = run_action(action, module, check=True, **{**arguments, "ca_certificates": {}})
    assert len(announced["requests"]) == 4


def test_a_failure_of_the_node_stays_one(run_action, arguments, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    failed = run_action(action, module, **arguments)
    assert failed["failed"]
    assert "openssl is not installed" in failed["msg"]


def test_a_look_at_what_is_right_runs_no_program(run_action, ca_certificates, arguments, monkeypatch):
    converge(run_action, ca_certificates, arguments)
    monkeypatch.setenv("PATH", "/nowhere")
    again = run_action(action, module, check=True, **arguments)
    assert (again.get("failed"), again["changed"], again["requests"]) == (None, False, [])


@pytest.mark.parametrize("name", ["client-kube-proxy.key", "serving-kubelet.key"])
def test_a_missing_key_is_foreseen(run_action, ca_certificates, arguments, tmp_path, name):
    converge(run_action, ca_certificates, arguments)
    (tmp_path / "k3a/agent/tls" / name).unlink()
    announced = run_action(action, module, check=True, **arguments)
    assert [request["reasons"] for request in announced["requests"]] == [["its key is missing or another one"]]
    requested, _installed = converge(run_action, ca_certificates, arguments)
    assert announced["paths"] == requested["paths"]
    assert not run_action(action, module, **arguments)["changed"]


def test_another_nodes_key_and_certificate_are_replaced(run_action, ca_certificates, arguments):
    converge(run_action, ca_certificates, arguments)
    renamed = {**arguments, "node_name": "w2"}
    requested, _installed = converge(run_action, ca_certificates, renamed)
    names = {request["name"] for request in requested["requests"]}
    assert names == {"serving-kubelet", "client-kubelet", "client-flannel"}
    assert not run_action(action, module, **renamed)["changed"]


def test_an_authority_that_is_near_its_end_is_told(run_action, ca_certificates, arguments, monkeypatch):
    converge(run_action, ca_certificates, arguments)
    assert run_action(action, module, **arguments).get("warnings", []) == []
    monkeypatch.setattr(pki, "LEAF_LIFETIME", pki.AUTHORITY_LIFETIME)
    assert any("client CA expires on" in text for text in run_action(action, module, **arguments)["warnings"])


def test_an_unreadable_authority_is_one_sentence(run_action, arguments):
    broken = {**arguments, "ca_certificates": {**arguments["ca_certificates"], "client": "text"}}
    failed = run_action(action, module, **broken)
    assert failed["failed"]
    assert "the client CA is unreadable" in failed["msg"]
