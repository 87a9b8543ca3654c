# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT, SERVER

ROLES = (SERVER, AGENT)
TASK_FILES = sorted((Path(__file__).parents[5] / "roles").glob("*/tasks/*.yml"))


def tasks_of(module):
    """The arguments of all tasks of the roles that call a module."""
    blocks = [entry for path in TASK_FILES for entry in yaml.safe_load(path.read_text())]
    tasks = [task for block in blocks for task in block.get("block", [block])]
    return [task[f"k3a.cluster.{module}"] for task in tasks if f"k3a.cluster.{module}" in task]


@pytest.mark.parametrize("step", registry.COMPONENTS, ids=lambda step: step.DECLARATION.name)
def test_a_component_is_what_its_module_and_the_drift_need(step):
    assert callable(step.run)
    assert isinstance(step.OPTIONS, dict)
    assert step.DECLARATION.role in ROLES
    assert registry.steps()[step.DECLARATION.name.replace("-", "_")] is step


@pytest.mark.parametrize("role", ROLES)
def test_certificates_travel_as_json(role):
    assert json.loads(json.dumps(registry.certificates(role)))
    assert all(certificate["name"] for certificate in registry.certificates(role))


def test_no_two_components_need_one_port():
    ports = [(port.protocol, port.number) for each in registry.DECLARATIONS for port in each.ports]
    assert not [one for one, other in combinations(ports, 2) if one == other]


def test_health_is_asked_on_loopback_at_a_port_that_is_declared():
    for declared in registry.DECLARATIONS:
        if declared.health:
            authority = declared.health.split("/")[2]
            assert authority in {f"127.0.0.1:{port.number}" for port in declared.ports}


def test_every_user_has_one_purpose():
    known = [(user.name, user.purpose) for each in registry.DECLARATIONS for user in each.users]
    assert {("etcd", "etcd datastore (k3a)"), ("kube", "Kubernetes control plane (k3a)")} <= set(known)
    assert len(known) == len(dict(known)) == len(registry.users())


def test_no_two_components_are_one_user():
    """Who is of one user sees the other's files and, by its processes, what only that one was given."""
    known = [user.name for each in registry.DECLARATIONS for user in each.users]
    assert len(known) == len(set(known))
    assert {"etcd", "kube", "kube-controller-manager", "kube-scheduler"} <= set(known)


def test_the_approver_gives_nodes_no_certificate_that_is_more_than_a_name():
    subjects = dict(registry.approved_subjects())
    assert {"system:kube-proxy", "system:k3a-flannel:{node}"} <= subjects.keys()
    own = [certificate for each in registry.DECLARATIONS for certificate in each.certificates if certificate.approved]
    for certificate in own:
        assert (certificate.authority, certificate.usages, certificate.names) == ("client", ("client",), "")
    # A group that Kubernetes knows would be more.
    assert not {organization for organization in subjects.values() if organization} - {"system:k3a-flannel"}


def test_what_may_be_approved_is_what_an_agent_needs_besides_its_own_identity():
    others = [each["common_name"] for each in registry.certificates(AGENT) if each["organization"] != "system:nodes"]
    assert others == list(dict(registry.approved_subjects()))


def test_what_remains_is_of_all_components_and_each_thing_once():
    remains = registry.remains()
    assert {"KUBE-", "CNI-", "FLANNEL-"} <= set(remains.chains)
    assert len(remains.chains) == len(set(remains.chains))
    assert set(remains.bridges) <= set(remains.interfaces)
    assert remains.routes


def test_shared_directories_are_in_an_order_in_which_they_can_go():
    shared = registry.remains().shared
    for outer, inner in combinations(shared, 2):
        assert not inner.startswith(f"{outer}/"), f"{outer} is not empty while {inner} is there"


def test_a_component_is_awaited_by_a_later_one_and_where_it_can_be_asked_for_its_health():
    names = [declared.name for declared in registry.DECLARATIONS]
    for declared in registry.DECLARATIONS:
        if declared.awaited_by:
            assert names.index(declared.name) < names.index(declared.awaited_by)
            assert declared.health


def test_who_is_awaited_does_not_wait_itself_and_who_waits_is_told_for_whom():
    for module, step in registry.steps().items():
        awaited_by = step.DECLARATION.awaited_by.replace("-", "_")
        for arguments in tasks_of(module) if awaited_by else ():
            assert arguments["wait"] is False, f"{module} is awaited by {awaited_by}: its task needs wait: false"
        for arguments in tasks_of(awaited_by):
            assert arguments.get("wait_for") == f"{{{{ _k3a.wait_for.{awaited_by} }}}}", awaited_by


def test_what_a_host_does_not_have_is_not_awaited():
    kubelet = {"kubelet": "http://127.0.0.1:10248/healthz", "kube-proxy": "http://127.0.0.1:10256/healthz"}
    balancer = {"load-balancer": "http://127.0.0.1:6445/healthz"}
    assert registry.awaited({"load_balanced": True})["flannel"] == {**balancer, **kubelet}
    alone = registry.awaited({"load_balanced": False})
    assert alone["flannel"] == kubelet and list(alone["scheduler"]) == ["controller-manager"]
    assert alone["etcd"] == {}
