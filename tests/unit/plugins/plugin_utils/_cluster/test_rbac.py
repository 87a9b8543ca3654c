# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    SERVER,
    Declaration,
    Grant,
    Policy,
    Requests,
    Rule,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import rbac

GROUP = "rbac.authorization.k8s.io"
NODES, ME = ("Group", "system:nodes"), ("User", "system:me")


def made(*grants, namespaces=(), policies=(), **config):
    return rbac.objects([Declaration("me", SERVER, namespaces=namespaces, grants=grants, policies=policies)], config)


def test_a_grant_in_the_whole_cluster():
    rules = (Rule(("nodes", "pods"), ("get",)), Rule(("leases",), ("update",), "coordination.k8s.io", ("mine",)))
    assert made(Grant("system:me", (ME, NODES), rules)) == [
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:me"},
            "rules": [
                {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get"]},
                {
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "resourceNames": ["mine"],
                    "verbs": ["update"],
                },
            ],
        },
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:me"},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "system:me"},
            "subjects": [
                {"apiGroup": GROUP, "kind": "User", "name": "system:me"},
                {"apiGroup": GROUP, "kind": "Group", "name": "system:nodes"},
            ],
        },
    ]


def test_a_grant_in_a_namespace():
    role, binding = made(Grant("system:me", (ME,), (Rule(("secrets",), ("get",)),), "mine"))
    assert (role["kind"], binding["kind"], binding["roleRef"]["kind"]) == ("Role", "RoleBinding", "Role")
    assert role["metadata"] == binding["metadata"] == {"name": "system:me", "namespace": "mine"}


def test_a_role_of_kubernetes_itself_is_given_and_not_made():
    (binding,) = made(Grant("system:mine", (NODES,), role="system:theirs"))
    assert (binding["kind"], binding["metadata"]["name"]) == ("ClusterRoleBinding", "system:mine")
    assert binding["roleRef"] == {"apiGroup": GROUP, "kind": "ClusterRole", "name": "system:theirs"}


def test_namespaces_come_first_and_once():
    grant = Grant("system:me", (ME,), (Rule(("secrets",), ("get",)),), "mine")
    two = [Declaration(name, SERVER, namespaces=("mine",), grants=(grant,)) for name in ("one", "two")]
    assert [each["kind"] for each in rbac.objects(two, {})] == ["Namespace", "Role", "RoleBinding", "Role", "RoleBinding"]


def test_a_policy_that_refuses_and_its_binding():
    requests = (Requests(("nodes", "nodes/status"), ("UPDATE",)),)
    given = Policy("mine", requests, (("a == b", "a is not b"),), conditions=(("me", "c"),))
    policy, binding = made(policies=(given,))
    assert policy == {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "mine"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["nodes", "nodes/status"]}
                ]
            },
            "matchConditions": [{"name": "me", "expression": "c"}],
            "validations": [{"expression": "a == b", "message": "a is not b"}],
        },
    }
    assert (binding["kind"], binding["spec"]) == (
        "ValidatingAdmissionPolicyBinding",
        {"policyName": "mine", "validationActions": ["Deny"]},
    )


def test_a_policy_that_warns_lets_pass_what_it_cannot_judge():
    policy, binding = made(policies=(Policy("mine", (Requests(("x",), group="g"),), (("false", "no"),), warns=True),))
    assert (policy["spec"]["failurePolicy"], binding["spec"]["validationActions"]) == ("Ignore", ["Warn"])
    assert policy["spec"]["matchConstraints"]["resourceRules"][0]["operations"] == ["CREATE", "UPDATE"]


def test_a_policy_may_depend_on_a_value_of_the_cluster():
    given = Policy("mine", (Requests(("x",)),), (("false", "no"),), unless=("backend", "none"))
    assert [len(made(policies=(given,), backend=backend)) for backend in ("vxlan", "none")] == [2, 0]


def test_so_may_a_grant():
    given = Grant("system:me", (ME,), (Rule(("nodes",), ("get",)),), unless=("earlier", ""))
    assert [len(made(given, earlier=earlier)) for earlier in ("yes", "")] == [2, 0]


def test_a_policy_may_ask_a_config_map():
    given = Policy("mine", (Requests(("x",)), Requests(("y",), group="g")), (("false", "no"),), parameters=("mine", "list"))
    policy, binding = made(policies=(given,))
    assert policy["spec"]["paramKind"] == {"apiVersion": "v1", "kind": "ConfigMap"}
    assert binding["spec"]["paramRef"] == {"name": "list", "namespace": "mine", "parameterNotFoundAction": "Allow"}
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    assert [(rule["apiGroups"], rule["resources"]) for rule in rules] == [([""], ["x"]), (["g"], ["y"])]


def test_policies_come_before_the_permissions_that_they_bound():
    grant = Grant("system:me", (ME,), (Rule(("nodes",), ("get",)),))
    kinds = [each["kind"] for each in made(grant, policies=(Policy("mine", (Requests(("x",)),), (("false", "no"),)),))]
    assert kinds == ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole", "ClusterRoleBinding"]
