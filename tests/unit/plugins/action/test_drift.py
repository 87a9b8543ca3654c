# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.k3a.cluster.plugins.action import drift as action
from ansible_collections.k3a.cluster.plugins.lookup.variable import LookupModule
from ansible_collections.k3a.cluster.plugins.modules import drift as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.role_tasks import RoleTaskError
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostFacts, HostReport
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.verdict import Verdict, host_records
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import make_bundle

SETTINGS = {
    **{name.removeprefix(spec.PREFIX): value for name, value in spec.defaults().items() if not spec.specification()[name].get("no_log")},
    "data_dir": "/srv/k3a",
    "kubelet_arg": ["max-pods=200"],
}
REGISTRIES = {"configs": {"reg.example": {"auth": {"username": "me", "password": "canary-password"}}}}
SAME = {"changed": False, "reason": "", "certificates": [[], []]}


class Action(action.ActionModule):
    """The action with a host that answers what it is told to; tasks, defaults and templates are the real ones."""

    def __init__(self, answer):
        self._task = type("Task", (), {"args": {}})()
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
    """Ask of one host of a cluster with a server and an agent, both of which have a part in it already."""
    bundle = tmp_path / "bundle"
    make_bundle(bundle)
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})
    found = lookup_loader.get
    own = {"k3a.cluster.variable": LookupModule}  # which no loader finds outside of a playbook
    monkeypatch.setattr(lookup_loader, "get", lambda name, **given: own[name](**given) if name in own else found(name, **given))

    def run(host="server-1", answer=None, record=None, verdict=None, **given):
        settings = {**SETTINGS, "bundle": str(bundle)}
        known = {"node_password": True, "authority": "abc"}
        reports = [
            HostReport(
                name,
                server=name.startswith("server"),
                api="10.0.0.1:6443" if name.startswith("server") else "",
                settings=settings,
                facts=HostFacts(name, (address,), **known),
            )
            for name, address in (("server-1", "10.0.0.1"), ("agent-1", "10.0.0.2"))
        ]
        urls = {"servers": ("10.0.0.1:6443",), "urls": ("https://10.0.0.1:6443",)}
        plan = Verdict(server="server-1", etcd_leader="server-1", max_unavailable=2, ca_certificates={"server": "A"}, **urls)
        records = host_records(reports, plan)
        records[host] |= record or {}
        variables = {
            "inventory_hostname": host,
            "_k3a_verdict": {**plan.as_result(), "hosts": records, **(verdict or {})},
            **given,
        }
        asking = Action(answer or SAME)
        return asking.run(task_vars=variables), asking.asked

    return run


def about(result):
    return {key: result[key] for key in ("state", "reason", "in_window", "throttle")}


def test_a_server_is_asked_for_all_its_tasks_with_their_arguments(run, tmp_path):
    result, asked = run()
    assert about(result) == {"state": "settled", "reason": "", "in_window": False, "throttle": 0}
    steps = {step["name"]: step["options"] for step in asked["steps"]}
    assert [step["name"] for step in asked["steps"]] == [
        *("identity", "host", "bundle", "certificate_monitor", "bootstrap", "certificate", "etcd", "etcd_progress", "apiserver"),
        *("controller_manager", "scheduler", "approver", "kubeconfig"),
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
    assert steps["certificate"]["ca_certificates"] == {"server": "A"}


@pytest.mark.parametrize(("host", "address"), [("server-1", "10.0.0.1"), ("agent-1", "10.0.0.2")])
def test_addresses_that_were_not_given_are_in_certificates_as_the_host_was_seen_with_them(run, host, address):
    _result, asked = run(host=host)
    certificates = [step["options"] for step in asked["steps"] if step["name"] == "certificate"]
    assert [options["node_ip"] for options in certificates] == [[address]] * (2 if host == "server-1" else 1)


def test_an_agent_has_a_load_balancer_and_no_control_plane(run):
    _result, asked = run(host="agent-1")
    names = [step["name"] for step in asked["steps"]]
    assert names == [
        *("identity", "host", "bundle", "certificate_monitor", "containerd", "certificate", "load_balancer"),
        *("kubelet", "kube_proxy", "flannel"),
    ]


def test_a_machine_that_had_joined_by_a_token_gives_its_renewal_up(run):
    _result, asked = run(host="agent-1", record={"renews_itself": True})
    (step,) = [step for step in asked["steps"] if step["name"] == "certificate_renewal"]
    assert step["options"]["state"] == "absent"


def test_a_server_without_a_node_has_no_node(run):
    names = [step["name"] for step in run(record={"is_node": False})[1]["steps"]]
    assert names[-1] == "kubeconfig"


def test_the_record_of_the_host_is_the_answer(run):
    result, _asked = run(host="agent-1")
    assert result["changed"] is False
    assert (result["node_name"], result["is_server"], result["data_dir"]) == ("agent-1", False, "/srv/k3a")
    assert result["kubelet_arg"] == ["max-pods=200"]


def test_no_secret_is_among_what_is_logged(run):
    result, asked = run(k3a_token="canary-token", k3a_registries=REGISTRIES)
    assert "canary" not in json.dumps([asked["steps"], result])
    assert asked["secrets"] == {
        "bootstrap": {"token": "canary-token"},
        "containerd": {"registry_secrets": {"reg.example": {"password": "canary-password"}}},
    }


@pytest.mark.parametrize(
    "host, in_window, throttle", [("server-1", False, 2), ("agent-1", True, 0)], ids=["server", "agent"]
)
def test_a_host_that_differs_is_changed_within_bounds(run, host, in_window, throttle):
    """A server in its place in the order, so many at a time; an agent in the play of its own."""
    answer = {"changed": False, "reason": "kubelet: it does not run", "certificates": []}
    assert about(run(host=host, answer=answer)[0]) == {
        "state": "changing",
        "reason": "kubelet: it does not run",
        "in_window": in_window,
        "throttle": throttle,
    }


@pytest.mark.parametrize("host", ["server-1", "agent-1"])
@pytest.mark.parametrize("record", [{"is_known": False}, {"is_replaced": True}])
def test_a_new_host_is_not_asked_and_nothing_bounds_it(run, host, record):
    result, asked = run(host=host, record=record)
    assert asked is None
    assert about(result) == {"state": "new", "reason": "the host has no node yet", "in_window": False, "throttle": 0}


def test_nor_is_one_whose_password_the_cluster_does_not_have(run):
    result, asked = run(host="agent-1", record={"lacks_password": True})
    assert asked is None
    assert (result["state"], result["in_window"]) == ("changing", True)
    assert result["reason"] == "the cluster does not have the hash of the node's password"


def test_a_host_that_is_left_out_fails_with_what_is_in_its_way(run):
    reasons = ["the host has no command nft; install it"]
    result, asked = run(host="agent-1", verdict={"excluded_hosts": {"agent-1": reasons}, "hosts": {}})
    assert result == {
        "changed": False,
        "failed": True,
        "msg": "agent-1 is left out of this run: the host has no command nft; install it",
    }
    assert asked is None


def test_a_look_that_fails_is_no_difference(run):
    result, _asked = run(answer={"failed": True, "msg": "no Python"})
    assert result["failed"] and "no Python" in result["msg"]


def leaf(**claims):
    """A certificate that is not there yet."""
    return {
        "name": "serving-kubelet",
        "current": "",
        "has_key": False,
        "request": None,
        **claims,
    }


def test_certificates_are_judged_here(run):
    authority, _key = pki.new_authority("k3a-server")
    answer = {"changed": False, "reason": "", "certificates": [[leaf()]]}
    result, _asked = run(host="agent-1", answer=answer, verdict={"ca_certificates": {"server": authority}})
    assert (result["state"], result["reason"]) == ("changing", "/srv/k3a/agent/tls/serving-kubelet.crt: it is missing")


@pytest.mark.parametrize(
    "said", [[[leaf(name="client-admin")]], [[leaf(has_key="yes")]], [[leaf(current=1)]], [["text"]], ["text"], [None], [7]]
)
def test_a_host_whose_certificates_cannot_be_used_fails(run, said):
    answer = {"changed": False, "reason": "", "certificates": said}
    result, _asked = run(host="agent-1", answer=answer)
    assert result["failed"]
    assert "its certificates" in result["msg"] or "is no bool" in result["msg"] or "is no str" in result["msg"]


def test_what_a_step_has_to_do_is_told_before_certificates_that_are_due(run):
    authority, _key = pki.new_authority("k3a-server")
    answer = {"changed": False, "reason": "host: sysctl", "certificates": [[leaf()]]}
    result, _asked = run(host="agent-1", answer=answer, verdict={"ca_certificates": {"server": authority}})
    assert result["reason"] == "host: sysctl"


def test_what_is_done_on_another_host_is_nothing_to_ask_of_this_one(run):
    """Tasks that are delegated only follow one that had something to do here: bootstrap is asked for once."""
    asked = [step["name"] for step in run()[1]["steps"]]
    assert asked.count("bootstrap") == 1
    assert not {"certificate_signature", "admin_kubeconfig", "bootstrap_record"}.intersection(asked)


def test_a_module_that_no_look_knows_is_named(run, monkeypatch):
    """Else a host could differ, and no run would see it."""
    monkeypatch.setattr(action, "STEPS", {name: step for name, step in action.STEPS.items() if name != "flannel"})
    result, _asked = run()
    assert result["failed"] and "the task 'Run flannel' has a module that no look knows, flannel" in result["msg"]


def test_a_bundle_that_cannot_be_opened_is_one_sentence(run, tmp_path):
    result, _asked = run(record={"bundle": f"{tmp_path}/none"})
    assert result["failed"] and f"there is no bundle {tmp_path}/none on the controller" in result["msg"]


# What disturbs no node.
HARMLESS = {"agent/identity", "agent/prepare", "agent/certificates"}


class TestOrder:
    """Hosts are compared with all that site.yml does on them, in its order."""

    PLAYS = yaml.safe_load((spec.PLAYBOOKS / "site.yml").read_text())

    def files(self, *names):
        """The task files of roles that plays include, in their order, with the conditions."""
        for play in self.PLAYS:
            for task in (inner for outer in play.get("tasks", ()) for inner in outer.get("block", [outer])):
                role = task.get("ansible.builtin.include_role")
                # What is done a second time, once a new cluster has begun.
                if role and play["name"] in names and "cluster_id" not in str(task.get("when", "")):
                    for file in task.get("loop", [role.get("tasks_from", "main")]):
                        yield f"{role['name'].removeprefix('k3a.cluster.')}/{file}", str(task.get("when", ""))

    def test_of_a_server(self):
        expected = [file for file, _when in self.files("Install", "Connect the nodes")]
        # Nothing of a node has to be there for what watches the API: these are two orders that go past each other.
        own = action.task_files({"is_server": True, "is_node": True})
        assert sorted(own) == sorted(expected)
        for role in ("server/", "agent/"):
            assert [file for file in own if file.startswith(role)] == [file for file in expected if file.startswith(role)]

    def test_of_an_agent(self):
        expected = [file for file, when in self.files("Install", "Connect the nodes") if "is_server" not in when]
        assert action.task_files({"is_server": False, "is_node": True}) == expected

    def test_of_a_server_without_a_node(self):
        expected = [file for file, when in self.files("Install", "Connect the nodes") if "is_node" not in when]
        assert action.task_files({"is_server": True, "is_node": False}) == expected

    def test_an_agent_that_changes_gets_what_was_left_out_in_the_same_order(self):
        first = [(file, when) for file, when in self.files("Install", "Connect the nodes") if "is_server" not in when]
        later = [file for file, _when in self.files("Change the nodes")]
        assert [file for file, when in first if "not _k3a.in_window" in when] == later
        assert {file for file, when in first if "in_window" not in when} == HARMLESS

    def test_no_administrator_has_a_file_before_it_opens_anything(self):
        configured = [file for file, _when in self.files("Configure the cluster")]
        assert configured.index("addons/apply") < configured.index("server/access")
        names = [play["name"] for play in self.PLAYS]
        assert names.index("Configure the cluster") < names.index("Connect the nodes")
        assert "server/kubeconfig" in [file for file, _when in self.files("Connect the nodes")]

    def test_no_other_file_is_anybodys(self):
        everything = {
            f"{path.parents[1].name}/{path.stem}" for role in ("server", "agent") for path in (spec.ROLES / role).glob("tasks/*.yml")
        }
        compared = {*action.task_files({"is_server": True, "is_node": True})}
        # What one does for all, and what machines do that join by a token.
        others = {"server/main", "server/access", "server/admit", "server/replace", "agent/main", "agent/join", "agent/registration", "agent/renewal"}
        assert compared | others == everything
        assert compared.isdisjoint(others)


def test_what_is_returned_is_what_is_documented(run):
    """Besides the record, which check_cluster documents."""
    result = run()[0]
    own = result.keys() - {"changed"}
    assert {"state", "reason", "in_window", "throttle"} <= own
    assert yaml.safe_load(module.RETURN).keys() - {"certificates"} <= own


def test_an_error_in_a_task_file_is_told_as_one(run, monkeypatch):
    def broken(_self, _record, _variables):
        raise RoleTaskError("the task 'Copy' has ansible.builtin.copy")

    monkeypatch.setattr(action.ActionModule, "_steps", broken)
    result, _asked = run()
    assert result["failed"] and "the task 'Copy' has ansible.builtin.copy" in result["msg"]
