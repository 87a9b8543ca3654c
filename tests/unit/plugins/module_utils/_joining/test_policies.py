# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""That the policies are whole; what the API makes of their expressions is the integration tests' part."""

from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import SERVER, Declaration
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password, policies
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import rbac

OWN = Declaration("me", SERVER, policies=policies.policies("system:k3a-approver"), objects=policies.objects())
OBJECTS = {(made["kind"], made["metadata"]["name"]): made for made in rbac.objects([OWN], {})}
POLICIES = {name: made["spec"] for (kind, name), made in OBJECTS.items() if kind.endswith("Policy")}
BINDINGS = {name: made["spec"] for (kind, name), made in OBJECTS.items() if kind.endswith("Binding")}


def test_every_policy_applies_and_refuses_when_it_cannot_be_asked():
    assert POLICIES.keys() == BINDINGS.keys()
    for name, spec in POLICIES.items():
        assert spec["failurePolicy"] == "Fail"
        assert BINDINGS[name]["policyName"] == name
        assert "mutations" in spec or BINDINGS[name]["validationActions"] == ["Deny"]


@pytest.mark.parametrize("name", POLICIES)
def test_expressions_are_closed(name):
    spec = POLICIES[name]
    expressions = [each["expression"] for each in [*spec["matchConditions"], *spec.get("validations", ())]]
    expressions += [each["applyConfiguration"]["expression"] for each in spec.get("mutations", ())]
    for expression in expressions:
        assert expression.count("(") == expression.count(")")
        assert expression.count("'") % 2 == 0


def test_the_list_of_removed_nodes_may_be_missing():
    parameters = BINDINGS[node_password.REMOVED]["paramRef"]
    assert parameters == {
        "name": node_password.REMOVED,
        "namespace": node_password.NAMESPACE,
        "parameterNotFoundAction": "Allow",
    }


def test_a_password_fits():
    assert len(node_password.password_in(node_password.wanted_content(None))) < policies.OF_A_PASSWORD


def test_the_places_for_passwords_are_those_of_the_token_that_brings_one():
    """A quota also counts what is then refused since its name is taken: one token would use it up for all."""
    (own,) = (each["expression"] for each in POLICIES["k3a-join-passwords"]["validations"] if "userInfo" in each["expression"])
    assert f"object.metadata.name.matches('{node_password.PLACE}')" in own
    assert " && request.userInfo.username == 'system:bootstrap:' + object.metadata.name.split('-')[0]" in own
    assert not [kind for kind, _name in OBJECTS if kind == "ResourceQuota"]


@pytest.mark.parametrize("name", ["k3a-certificate-requests", "k3a-join-passwords"])
@pytest.mark.parametrize("field", ["annotations", "finalizers", "labels", "ownerReferences"])
def test_what_tokens_make_is_small_and_can_be_deleted(name, field):
    """One with finalizers outlives whoever deletes it, and takes its place for good."""
    expressions = [each["expression"] for each in POLICIES[name]["validations"]]
    assert any(f"!has(object.metadata.{field})" in expression for expression in expressions)
    for bounded in ("name", "generateName", "managedFields"):
        assert any(f"size(object.metadata.{bounded}) <= " in expression for expression in expressions)


def test_a_removed_node_gets_no_tokens_and_leaves_nothing():
    rules = POLICIES[node_password.REMOVED]["matchConstraints"]["resourceRules"]
    judged = {(*rule["apiGroups"], *rule["resources"]) for rule in rules}
    assert {("", "serviceaccounts/token"), ("", "events"), ("resource.k8s.io", "resourceslices")} <= judged


def test_what_a_node_is_given_lives_as_long_as_the_approver_remembers_names():
    spec = POLICIES["k3a-node-certificate-lifetime"]
    (mutation,) = spec["mutations"]
    assert str(approver.LIFETIME) in mutation["applyConfiguration"]["expression"]
    (condition,) = spec["matchConditions"]
    assert all(f"'{signer}'" in condition["expression"] for signer in approver.KINDS)


def test_machines_that_join_wait_for_nobody_else():
    """Upstream sorts the control plane and nodes before 1000, everybody else after it."""
    level, schema = OBJECTS["PriorityLevelConfiguration", "k3a-join"], OBJECTS["FlowSchema", "k3a-join"]
    assert schema["spec"]["priorityLevelConfiguration"]["name"] == level["metadata"]["name"]
    assert 900 < schema["spec"]["matchingPrecedence"] < 9000
    assert schema["spec"]["distinguisherMethod"] == {"type": "ByUser"}  # each token is a user
    limited = level["spec"]["limited"]
    assert limited["borrowingLimitPercent"] == 0 and limited["limitResponse"]["type"] == "Queue"
