# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the API itself refuses of machines that join, of nodes that were removed and of the approver, as its objects.

The approver decides who may have what; these bound what it has to look at, and what it could do if it were not itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password

GROUP = "admissionregistration.k8s.io/v1"
REQUESTS = ("certificates.k8s.io", "certificatesigningrequests")
BOOTSTRAPPERS = "system:bootstrappers"
# Bytes of a request in the API: the key of a machine that joins is small, that of a node may be RSA, with names.
OF_A_MACHINE, OF_A_NODE = 4096, 16384
# Bytes of a node password, and how many machines may bring one at once.
OF_A_PASSWORD, MACHINES = 256, 512
# Neither annotations nor anything else that could be large.
_BARE = "!has(object.metadata.annotations) && !has(object.metadata.labels) && !has(object.metadata.ownerReferences)"


def objects(user: str) -> list[dict[str, Any]]:
    """All that the API is to refuse or to set; C(user) is the approver's."""
    return [*machines(), *passwords(), *removed_nodes(), *approvals(user), *lifetimes()]


def machines() -> list[dict[str, Any]]:
    """Requests of machines that join are small, and for nothing else than to join; those of nodes are small."""
    machine = f"!('{BOOTSTRAPPERS}' in request.userInfo.groups)"
    return _validating(
        "k3a-certificate-requests",
        [_rule(*REQUESTS, "CREATE")],
        condition=f"'{BOOTSTRAPPERS}' in request.userInfo.groups || '{approver.NODES}' in request.userInfo.groups",
        validations=(
            (f"size(object.spec.request) <= {OF_A_NODE} && {_BARE}", "the request is too large"),
            (f"{machine} || size(object.spec.request) <= {OF_A_MACHINE}", "the request is too large"),
            (
                f"{machine} || object.spec.signerName == '{approver.KUBELET_SIGNER}'",
                f"with a bootstrap token only certificates of {approver.KUBELET_SIGNER} can be asked for",
            ),
        ),
    )


def passwords() -> list[dict[str, Any]]:
    """What machines bring to the namespace for it is a password, and there are never too many of them."""
    namespace = node_password.JOIN_NAMESPACE
    data = "has(object.data) && object.data.size() == 1 && 'password' in object.data"
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "k3a-join", "namespace": namespace},
        "spec": {"hard": {"count/secrets": str(MACHINES)}},
    }
    return [
        quota,
        *_validating(
            "k3a-join-passwords",
            [_rule("", "secrets", "CREATE", "UPDATE")],
            condition=f"request.namespace == '{namespace}'",
            validations=(
                (
                    f"object.type == '{node_password.JOIN_TYPE}' && {data}"
                    f" && size(object.data['password']) <= {OF_A_PASSWORD} && {_BARE}",
                    f"a Secret here is a node password of {OF_A_PASSWORD} bytes at most, and nothing else",
                ),
            ),
        ),
    ]


def removed_nodes() -> list[dict[str, Any]]:
    """A machine that was removed does not come back by the certificate that it still has."""
    own = "request.userInfo.username.split(':')"
    return _validating(
        node_password.REMOVED,
        [
            _rule("", "nodes", "CREATE", "UPDATE"),
            _rule("", "nodes/status", "UPDATE"),
            _rule("", "pods", "CREATE"),
            _rule(*REQUESTS, "CREATE"),
            _rule("coordination.k8s.io", "leases", "CREATE", "UPDATE"),
        ],
        condition=f"'{approver.NODES}' in request.userInfo.groups",
        validations=(
            (
                f"!has(params.data) || !({own}[{own}.size() - 1] in params.data)",
                "this node was removed from the cluster",
            ),
        ),
        parameters=(node_password.NAMESPACE, node_password.REMOVED),
    )


def approvals(user: str) -> list[dict[str, Any]]:
    """The approver approves for nodes and for machines that join, and nothing else."""
    of_node = f"object.spec.username.startsWith('{approver.NODE}') && '{approver.NODES}' in object.spec.groups"
    joins = f"object.spec.username.startsWith('system:bootstrap:') && '{approver.JOINERS}' in object.spec.groups"
    signers = ", ".join(f"'{signer}'" for signer in approver.KINDS)
    return _validating(
        "k3a-approvals",
        [_rule(REQUESTS[0], f"{REQUESTS[1]}/approval", "UPDATE")],
        condition=f"request.userInfo.username == '{user}'",
        validations=(
            (
                f"({of_node} && object.spec.signerName in [{signers}])"
                f" || ({joins} && object.spec.signerName == '{approver.KUBELET_SIGNER}')",
                "the approver judges what nodes and joining machines ask for, and nothing else",
            ),
        ),
    )


def lifetimes() -> list[dict[str, Any]]:
    """A node's own certificate is short-lived. A kubelet that renews it does not say for how long, so the API does."""
    name, signer = "k3a-node-certificate-lifetime", approver.KUBELET_SIGNER
    lacks = f"!has(object.spec.expirationSeconds) || object.spec.expirationSeconds > {approver.LIFETIME}"
    wanted = f"Object{{spec: Object.spec{{expirationSeconds: {approver.LIFETIME}}}}}"
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [_rule(*REQUESTS, "CREATE")]},
        "matchConditions": [{"name": "applies", "expression": f"object.spec.signerName == '{signer}' && ({lacks})"}],
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": wanted}}],
    }
    return _pair("Mutating", name, spec, {})


def _validating(
    name: str,
    rules: Sequence[dict[str, Any]],
    condition: str,
    validations: Sequence[tuple[str, str]],
    parameters: tuple[str, str] | None = None,
) -> list[dict[str, Any]]:
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": list(rules)},
        "matchConditions": [{"name": "applies", "expression": condition}],
        "validations": [{"expression": expression, "message": message} for expression, message in validations],
    }
    binding: dict[str, Any] = {"validationActions": ["Deny"]}
    if parameters:
        spec["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
        namespace, of = parameters
        binding["paramRef"] = {"name": of, "namespace": namespace, "parameterNotFoundAction": "Allow"}
    return _pair("Validating", name, spec, binding)


def _pair(kind: str, name: str, spec: dict[str, Any], binding: dict[str, Any]) -> list[dict[str, Any]]:
    """A policy, and that it applies everywhere."""
    policy = {"apiVersion": GROUP, "kind": f"{kind}AdmissionPolicy", "metadata": {"name": name}, "spec": spec}
    bound = {
        "apiVersion": GROUP,
        "kind": f"{kind}AdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, **binding},
    }
    return [policy, bound]


def _rule(group: str, resource: str, *operations: str) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": [resource],
    }
