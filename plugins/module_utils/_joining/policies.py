# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the API itself refuses of machines that join, of nodes that were removed and of the approver,
and whom it serves apart.

The approver decides who may have what; these bound what it has to look at, and what it could do if it were not itself.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Policy, Requests
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password

CERTIFICATES, REQUESTS = "certificates.k8s.io", "certificatesigningrequests"
BOOTSTRAPPERS = "system:bootstrappers"
# Bytes of a request in the API: the key of a machine that joins is small, that of a node may be RSA, with names.
OF_A_MACHINE, OF_A_NODE = 4096, 16384
# Bytes of a node password.
OF_A_PASSWORD = 256
# Characters of a name: the API does not bound that of a request.
OF_A_NAME = 253


def bare() -> str:
    """CEL: an object's metadata has nothing that could be large, nor what would keep it from being deleted.

    Who makes an object may give it managed fields as well; those that the API makes itself are few, and not deep.
    """
    metadata = "object.metadata"
    absent = ("annotations", "finalizers", "labels", "ownerReferences")
    names = (f"{metadata}.{name}" for name in ("name", "generateName"))
    few = "size({0}) <= 8 && {0}.all({1}, size({1}) <= 64 && {2})"
    deepest = few.format("m.fieldsV1[a]", "b", "size(m.fieldsV1[a][b]) == 0")
    fields = f"!has(m.subresource) && (!has(m.fieldsV1) || ({few.format('m.fieldsV1', 'a', deepest)}))"
    managed = f"{metadata}.managedFields"
    return " && ".join(
        (
            *(f"!has({metadata}.{name})" for name in absent),
            *(f"(!has({name}) || size({name}) <= {OF_A_NAME})" for name in names),
            f"(!has({managed}) || (size({managed}) <= 2 && {managed}.all(m, {fields})))",
        )
    )


def policies(user: str) -> tuple[Policy, ...]:
    """What the API is to refuse; C(user) is the approver's."""
    return certificate_requests(), passwords(), removed_nodes(), approvals(user)


def objects() -> tuple[dict[str, Any], ...]:
    """What it is to set, and whom it is to serve apart from all others."""
    return (*lifetimes(), *own_queues())


def certificate_requests() -> Policy:
    """Requests of machines that join are small, and for nothing else than to join; those of nodes are small."""
    not_joining = f"!('{BOOTSTRAPPERS}' in request.userInfo.groups)"
    asks = f"'{BOOTSTRAPPERS}' in request.userInfo.groups || '{approver.NODES}' in request.userInfo.groups"
    return Policy(
        "k3a-certificate-requests",
        (Requests((REQUESTS,), ("CREATE",), CERTIFICATES),),
        conditions=(("applies", asks),),
        validations=(
            (
                f"size(object.spec.request) <= {OF_A_NODE} && {bare()}",
                f"a request has at most {OF_A_NODE} bytes, and neither labels nor annotations nor owners nor finalizers"
                f", nor a name of more than {OF_A_NAME} characters",
            ),
            (
                f"{not_joining} || size(object.spec.request) <= {OF_A_MACHINE}",
                f"with a bootstrap token a request has at most {OF_A_MACHINE} bytes",
            ),
            (
                f"{not_joining} || object.spec.signerName == '{approver.KUBELET_SIGNER}'",
                f"with a bootstrap token only certificates of {approver.KUBELET_SIGNER} can be asked for",
            ),
        ),
    )


def passwords() -> Policy:
    """What machines bring to the namespace for it is a password, in one of the places that their token has.

    No quota counts them: the API counts what it then refuses because the name is taken, so that whoever asks for the
    same name again and again uses a quota up for all others.
    """
    name, user = "object.metadata.name", "request.userInfo.username"
    own = f"{name}.matches('{node_password.PLACE}') && {user} == 'system:bootstrap:' + {name}.split('-')[0]"
    small = f"object.data.all(key, size(object.data[key]) <= {OF_A_PASSWORD})"
    return Policy(
        "k3a-join-passwords",
        (Requests(("secrets",)),),
        conditions=(("applies", f"request.namespace == '{node_password.JOIN_NAMESPACE}'"),),
        validations=(
            (
                f"object.type == '{node_password.JOIN_TYPE}' && has(object.data) && size(object.data) == 1 && {small}"
                f" && {bare()}",
                f"a Secret here is a node password of {OF_A_PASSWORD} bytes at most, and nothing else",
            ),
            (
                own,
                f"a node password is at one of the {node_password.PLACES} places of its token, <id of the token>-00 to"
                f" -{node_password.PLACES - 1:x}: the machine that joins needs the version of the collection that the"
                " cluster's servers have",
            ),
        ),
    )


def removed_nodes() -> Policy:
    """A machine that was removed does not come back by the certificate that it still has."""
    own = "request.userInfo.username.split(':')"
    return Policy(
        node_password.REMOVED,
        (
            Requests(("nodes",)),
            Requests(("nodes/status",), ("UPDATE",)),
            Requests(("pods",), ("CREATE",)),
            Requests((REQUESTS,), ("CREATE",), CERTIFICATES),
            Requests(("leases",), group="coordination.k8s.io"),
            Requests(("serviceaccounts/token",), ("CREATE",)),
            Requests(("events",)),
            Requests(("events",), group="events.k8s.io"),
            Requests(("csinodes",), group="storage.k8s.io"),
            Requests(("resourceslices",), group="resource.k8s.io"),
        ),
        conditions=(("applies", f"'{approver.NODES}' in request.userInfo.groups"),),
        validations=(
            (
                f"!has(params.data) || !({own}[{own}.size() - 1] in params.data)",
                "this node was removed from the cluster: reset the machine, or run k3a.cluster.site where it is a host"
                " of the inventory",
            ),
        ),
        parameters=(node_password.NAMESPACE, node_password.REMOVED),
    )


def approvals(user: str) -> Policy:
    """The approver approves for nodes and for machines that join, and nothing else."""
    of_node = f"object.spec.username.startsWith('{approver.NODE}') && '{approver.NODES}' in object.spec.groups"
    joins = f"object.spec.username.startsWith('system:bootstrap:') && '{approver.JOINERS}' in object.spec.groups"
    signers = ", ".join(f"'{signer}'" for signer in approver.KINDS)
    return Policy(
        "k3a-approvals",
        (Requests((f"{REQUESTS}/approval",), ("UPDATE",), CERTIFICATES),),
        conditions=(("applies", f"request.userInfo.username == '{user}'"),),
        validations=(
            (
                f"({of_node} && object.spec.signerName in [{signers}])"
                f" || ({joins} && object.spec.signerName == '{approver.KUBELET_SIGNER}')",
                "the approver judges what nodes and joining machines ask for, and nothing else",
            ),
        ),
    )


def lifetimes() -> tuple[dict[str, Any], dict[str, Any]]:
    """What a node is given is short-lived. A kubelet that renews its own does not say for how long, so the API does."""
    signers = ", ".join(f"'{signer}'" for signer in approver.KINDS)
    of_node = f"has(request.userInfo.groups) && '{approver.NODES}' in request.userInfo.groups"
    given = f"object.spec.signerName == '{approver.KUBELET_SIGNER}'"
    given = f"{given} || ({of_node} && object.spec.signerName in [{signers}])"
    lacks = f"!has(object.spec.expirationSeconds) || object.spec.expirationSeconds > {approver.LIFETIME}"
    wanted = f"Object{{spec: Object.spec{{expirationSeconds: {approver.LIFETIME}}}}}"
    asked = {"apiGroups": [CERTIFICATES], "apiVersions": ["*"], "operations": ["CREATE"], "resources": [REQUESTS]}
    name = "k3a-node-certificate-lifetime"
    common = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    specification = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [asked]},
        "matchConditions": [{"name": "applies", "expression": f"({given}) && ({lacks})"}],
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": wanted}}],
    }
    return (
        {**common, "kind": "MutatingAdmissionPolicy", "spec": specification},
        {**common, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": name}},
    )


def own_queues() -> tuple[dict[str, Any], dict[str, Any]]:
    """Machines that join wait for each other, by token, and for nobody else; nobody else waits for them.

    Without that they share the API server's level for all that nobody sorted, with the operator among others.
    """
    name = "k3a-join"
    common = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "metadata": {"name": name}}
    # As many shares as catch-all has, which is the least: of the 600 requests that are served at once, about a dozen.
    queuing = {"queues": 16, "handSize": 4, "queueLengthLimit": 50}
    limited = {
        "nominalConcurrencyShares": 5,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Queue", "queuing": queuing},
    }
    everything = {
        "subjects": [{"kind": "Group", "group": {"name": BOOTSTRAPPERS}}],
        "resourceRules": [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
        ],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    schema = {
        "priorityLevelConfiguration": {"name": name},
        # After those that upstream has for the control plane and nodes, before those for everybody.
        "matchingPrecedence": 1000,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [everything],
    }
    return (
        {**common, "kind": "PriorityLevelConfiguration", "spec": {"type": "Limited", "limited": limited}},
        {**common, "kind": "FlowSchema", "spec": schema},
    )
