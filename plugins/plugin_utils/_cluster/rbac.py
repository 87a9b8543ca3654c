# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the components declare of their permissions, of policies of admission and other objects, as those of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Declaration, Grant, Policy, Rule

GROUP = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io/v1"


def objects(declarations: Iterable[Declaration], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The namespaces that components need, their policies with these values of the cluster, grants and objects."""
    known = list(declarations)
    namespaces = dict.fromkeys(name for declared in known for name in declared.namespaces)
    return [
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces),
        *(
            made
            for declared in known
            for policy in declared.policies
            if _applies(policy, config)
            for made in _of_policy(policy)
        ),
        *(
            made
            for declared in known
            for grant in declared.grants
            if _applies(grant, config)
            for made in _of_grant(grant)
        ),
        *(dict(made) for declared in known for made in declared.objects),
    ]


def _applies(declared: Grant | Policy, config: Mapping[str, Any]) -> bool:
    value, unwanted = declared.unless
    return not value or config.get(value, "") != unwanted


def _of_grant(grant: Grant) -> list[dict[str, Any]]:
    cluster = "" if grant.namespace else "Cluster"
    metadata = {"name": grant.name, **({"namespace": grant.namespace} if grant.namespace else {})}
    common = {"apiVersion": f"{GROUP}/v1", "metadata": metadata}
    role = {**common, "kind": f"{cluster}Role", "rules": [_rule(rule) for rule in grant.rules]}
    kind = "ClusterRole" if grant.role else role["kind"]
    binding = {
        **common,
        "kind": f"{cluster}RoleBinding",
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": grant.role or grant.name},
        "subjects": [{"apiGroup": GROUP, "kind": kind, "name": name} for kind, name in grant.subjects],
    }
    return [binding] if grant.role else [role, binding]


def _of_policy(policy: Policy) -> list[dict[str, Any]]:
    """A policy and the binding by which it counts. One that refuses does so, too, where it cannot be judged."""
    common = {"apiVersion": ADMISSION, "metadata": {"name": policy.name}}
    judged = [
        {
            "apiGroups": [requests.group],
            "apiVersions": ["*"],
            "operations": list(requests.operations),
            "resources": list(requests.resources),
        }
        for requests in policy.requests
    ]
    conditions = [{"name": name, "expression": expression} for name, expression in policy.conditions]
    validations = [{"expression": expression, "message": message} for expression, message in policy.validations]
    namespace, name = policy.parameters
    asked = {"name": name, "namespace": namespace, "parameterNotFoundAction": "Allow"}
    specification = {
        "failurePolicy": "Ignore" if policy.warns else "Fail",
        "matchConstraints": {"resourceRules": judged},
        **({"matchConditions": conditions} if conditions else {}),
        **({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}} if name else {}),
        "validations": validations,
    }
    binding = {
        "policyName": policy.name,
        "validationActions": ["Warn"] if policy.warns else ["Deny"],
        **({"paramRef": asked} if name else {}),
    }
    return [
        {**common, "kind": "ValidatingAdmissionPolicy", "spec": specification},
        {**common, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    ]


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "apiGroups": [rule.group],
        "resources": list(rule.resources),
        **({"resourceNames": list(rule.names)} if rule.names else {}),
        "verbs": list(rule.verbs),
    }
