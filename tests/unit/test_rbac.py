# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster lets those do who are not members yet, and what its approver may."""

from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._components.registry import DECLARATIONS
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import EARLIER
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import rbac

ITEMS = rbac.objects(DECLARATIONS, {})
TAKEN_OVER = rbac.objects(DECLARATIONS, {EARLIER: "yes"})
BOOTSTRAPPERS = ("Group", "system:bootstrappers:k3a:default-node-token")


def key(item: dict) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


ROLES = {key(item): item["rules"] for item in ITEMS if item["kind"] in ("Role", "ClusterRole")}


def granted(subject: tuple[str, str]) -> set[tuple[str, str, str, str]]:
    """What a subject may: namespace, resource, verb and the one name that it is for."""
    found = set()
    for item in ITEMS:
        if not item["kind"].endswith("RoleBinding") or subject not in [(s["kind"], s["name"]) for s in item["subjects"]]:
            continue
        namespace = item["metadata"].get("namespace", "")
        ours = (item["roleRef"]["kind"], namespace, item["roleRef"]["name"])
        # A role of Kubernetes itself is named and not looked into.
        for rule in ROLES.get(ours, [{"resources": [item["roleRef"]["name"]], "verbs": ["bound"]}]):
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    found |= {(namespace, resource, verb, name) for verb in rule["verbs"]}
    return found


def test_a_machine_that_joins_may_ask_and_see_nothing_of_others():
    assert granted(BOOTSTRAPPERS) == {
        ("", "certificatesigningrequests", "create", ""),
        ("", "certificatesigningrequests", "get", ""),
        ("k3a-join", "secrets", "create", ""),
        ("kube-system", "configmaps", "get", "k3a-config"),
    }


def test_a_token_of_another_group_is_not_one_to_join_with():
    assert granted(("Group", "system:bootstrappers")) == {("kube-public", "configmaps", "get", "cluster-info")}


def test_nobody_approves_certificates_of_nodes_but_the_approver():
    own = "certificatesigningrequests:selfnodeclient"
    assert not [item for item in ITEMS if own in item.get("roleRef", {}).get("name", "")]


def test_anybody_may_read_how_to_know_the_cluster():
    assert granted(("User", "system:anonymous")) == {("kube-public", "configmaps", "get", "cluster-info")}


def test_the_approver_reads_secrets_in_its_own_namespaces_only():
    allowed = granted(("User", "system:k3a-approver"))
    assert {namespace for namespace, resource, _verb, _name in allowed if resource == "secrets"} == {"k3a-system", "k3a-join"}
    assert {name for _namespace, resource, _verb, name in allowed if resource == "signers"} == {
        "kubernetes.io/kube-apiserver-client",
        "kubernetes.io/kube-apiserver-client-kubelet",
        "kubernetes.io/kubelet-serving",
    }
    assert not [entry for entry in allowed if "*" in entry]


def test_administrators_are_what_a_binding_makes_them():
    assert granted(("Group", "k3a:administrators")) == {("", "cluster-admin", "bound", "")}
    assert not granted(("Group", "system:masters"))


def test_flannel_reads_nodes_and_what_it_writes_of_them_is_bounded():
    assert granted(("Group", "system:k3a-flannel")) == {
        *(("", "nodes", verb, "") for verb in ("get", "list", "watch")),
        ("", "nodes/status", "patch", ""),
    }
    (policy,) = (item["spec"] for item in ITEMS if key(item) == ("ValidatingAdmissionPolicy", "", "k3a-flannel"))
    assert policy["failurePolicy"] == "Fail"
    assert policy["matchConstraints"]["resourceRules"][0]["resources"] == ["nodes", "nodes/status"]


def test_the_identity_that_all_flannels_had_ends_with_its_certificates():
    """It may change what flannel writes into any Node, and a cluster that never had it does not have it."""
    shared = [key(item) for item in TAKEN_OVER if item not in ITEMS]
    assert shared == [
        ("ValidatingAdmissionPolicy", "", "k3a-flannel-shared"),
        ("ValidatingAdmissionPolicyBinding", "", "k3a-flannel-shared"),
        ("ClusterRole", "", "system:k3a-flannel-shared"),
        ("ClusterRoleBinding", "", "system:k3a-flannel-shared"),
    ]
    policies = {key(item)[2]: item["spec"] for item in TAKEN_OVER if key(item)[0] == "ValidatingAdmissionPolicy"}
    own, former = (policies[name]["validations"] for name in ("k3a-flannel", "k3a-flannel-shared"))
    assert own[1:] == former and "oldObject.metadata.name" in own[0]["expression"]
    assert not granted(("User", "system:k3a-flannel"))
    assert "'system:k3a-flannel'" not in str(policies["k3a-flannel"]["validations"])


def test_a_network_policy_is_warned_of_unless_the_operator_brings_the_network():
    name = ("ValidatingAdmissionPolicy", "", "k3a-network-policy")
    (policy,) = (item["spec"] for item in ITEMS if key(item) == name)
    assert policy["matchConstraints"]["resourceRules"] == [
        {
            "apiGroups": ["networking.k8s.io"],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["networkpolicies"],
        }
    ]
    (binding,) = (item for item in ITEMS if item.get("spec", {}).get("policyName") == "k3a-network-policy")
    assert binding["spec"]["validationActions"] == ["Warn"]
    assert name not in [key(item) for item in rbac.objects(DECLARATIONS, {"flannel_backend": "none"})]


def test_every_policy_is_bound():
    found = {kind: [item for item in ITEMS if item["kind"] == f"ValidatingAdmissionPolicy{kind}"] for kind in ("", "Binding")}
    assert [key(item)[2] for item in found[""]] == [item["spec"]["policyName"] for item in found["Binding"]]


def test_every_binding_has_its_role():
    for item in ITEMS:
        if item["kind"] == "RoleBinding":
            assert ("Role", item["metadata"]["namespace"], item["roleRef"]["name"]) in ROLES
