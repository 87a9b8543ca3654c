# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.k3a.cluster.plugins.action import drift as action
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import make_bundle

SERVER = ["agent/prepare", "server/control_plane", "server/controllers"]
NODE = ["agent/runtime", "agent/certificates", "agent/load_balancer", "agent/node", "agent/network"]
REGISTRIES = {"configs": {"reg.example": {"auth": {"username": "me", "password": "canary-password"}}}}


class Action(action.ActionModule):
    """The action with a host that answers what it is told to; tasks, defaults and templates are the real ones."""

    def __init__(self, tasks, answer):
        self._task = type("Task", (), {"args": {"tasks": tasks}})()
        self._loader = DataLoader()
        self._templar = Templar(loader=self._loader)
        self.answer = answer
        self.asked = None

    def _execute_module(self, module_name, module_args, task_vars):
        assert module_name == "k3a.cluster.drift"
        self.asked = module_args
        return dict(self.answer)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Ask of one host of a cluster with a server and an agent."""
    bundle = tmp_path / "bundle"
    make_bundle(bundle)
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})

    def run(tasks, host="server-1", answer=None, **given):
        variables = {
            "inventory_hostname": host,
            "groups": {"server": ["server-1"], "agent": ["agent-1"], "all": ["server-1", "agent-1"]},
            "ansible_play_hosts": ["server-1", "agent-1"],
            "ansible_play_hosts_all": ["server-1", "agent-1"],
            "k3a_bundle": str(bundle),
            "_k3a_check": {
                "facts": {"node_name": host, "load_balancer": False},
                "host": {"api": "10.0.0.1:6443", "fixed": ""},
            },
            "_k3a_server": {
                "url": "https://10.0.0.1:6443",
                "servers": ["10.0.0.1:6443"],
                "authorities": {"server": "A"},
            },
            "_k3a_verdict": {"server": "server-1", "etcd_endpoints": [], "etcd_leader": "server-1", "founder": ""},
            **given,
        }
        variables["hostvars"] = {name: {**variables, "inventory_hostname": name} for name in variables["groups"]["all"]}
        asking = Action(tasks, answer or {"changed": False, "reason": "", "certificates": [[], []]})
        return asking.run(task_vars=variables), asking.asked

    return run


def test_a_server_is_asked_for_all_its_tasks_with_their_arguments(run, tmp_path):
    result, asked = run(
        SERVER + NODE, k3a_kubelet_arg=["max-pods=200"], k3a_data_dir=trust_as_template("{{ '/srv/' ~ 'k3a' }}")
    )
    assert result == {"changed": False, "reason": ""}
    steps = {step["name"]: step["options"] for step in asked["steps"]}
    assert [step["name"] for step in asked["steps"]] == [
        *("host", "bundle", "bootstrap", "certificate", "etcd", "apiserver"),
        *("controller_manager", "scheduler", "kubeconfig", "approver"),
        *("containerd", "certificate", "kubelet", "kube_proxy", "flannel"),
    ]
    assert {options["data_dir"] for options in steps.values()} == {"/srv/k3a"}
    assert steps["bundle"]["bundle"] == str(tmp_path / "bundle")
    assert steps["containerd"]["bundle"] == f"/srv/k3a/data/{steps['bundle']['id']}"
    assert steps["containerd"]["images"] == [
        {
            "name": "registry.k8s.io/pause:3.10",
            "path": f"{steps['containerd']['bundle']}/images/pause.tar",
            "component": "pause",
        }
    ]
    assert steps["kubelet"]["extra_args"] == ["max-pods=200"]
    assert steps["kubelet"]["server_url"] == "https://127.0.0.1:6443"
    assert steps["kubelet"]["pending"] == steps["etcd"]["pending"] == []


def test_an_agent_has_a_load_balancer_and_no_control_plane(run):
    _result, asked = run(["agent/prepare", *NODE], host="agent-1")
    names = [step["name"] for step in asked["steps"]]
    assert names == ["host", "bundle", "containerd", "certificate", "load_balancer", "kubelet", "kube_proxy", "flannel"]


def test_no_secret_is_among_what_is_logged(run):
    _result, asked = run(SERVER + NODE, k3a_token="canary-token", k3a_registries=REGISTRIES)
    assert "canary" not in json.dumps(asked["steps"])
    assert asked["secrets"] == {
        "bootstrap": {"token": "canary-token"},
        "containerd": {"registry_secrets": {"reg.example": {"password": "canary-password"}}},
    }


def test_what_the_host_says_is_the_answer(run):
    answer = {"changed": False, "reason": "etcd: it does not run", "certificates": []}
    assert run(SERVER, answer=answer)[0] == {"changed": False, "reason": "etcd: it does not run"}
    failed = {"failed": True, "msg": "no Python"}
    assert run(SERVER, answer=failed)[0] == failed


def test_certificates_are_judged_here(run):
    authority, _key = pki.new_authority("k3a-server")
    leaf = {
        "name": "serving-kubelet",
        "certificate": "/tls/serving-kubelet.crt",
        "authority": "server",
        "current": "",
        "request": None,
    }
    answer = {"changed": False, "reason": "", "certificates": [[leaf]]}
    server = {"url": "https://10.0.0.1:6443", "servers": ["10.0.0.1:6443"], "authorities": {"server": authority}}
    result, _asked = run(["agent/prepare", "agent/certificates"], host="agent-1", answer=answer, _k3a_server=server)
    assert result["reason"] == "/tls/serving-kubelet.crt: it is missing"


def test_a_server_that_others_join_through_is_not_asked_at_all(run):
    joining = {"missing": ["/tls/server-ca.key"]}
    result, asked = run(SERVER, _k3a_bootstrap=joining, ansible_play_hosts=["server-1", "agent-1"])
    assert result["reason"] == "Read them from a server for those that join it has something to do"
    assert asked is None


def test_a_task_file_that_cannot_be_understood_is_named(run):
    with pytest.raises(AnsibleActionFail, match="the task 'Prepare the host' has ansible.builtin.include_tasks"):
        run(["agent/main"])
