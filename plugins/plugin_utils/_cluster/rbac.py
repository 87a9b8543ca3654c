# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the components declare of their permissions, as objects of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Declaration, Grant, Rule

GROUP = "rbac.authorization.k8s.io"


def objects(declarations: Iterable[Declaration]) -> list[dict[str, Any]]:
    """The namespaces that components need, and the roles and bindings of all their grants."""
    known = list(declarations)
    namespaces = dict.fromkeys(name for declared in known for name in declared.namespaces)
    return [
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces),
        *(made for declared in known for grant in declared.grants for made in _of_grant(grant)),
    ]


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


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "apiGroups": [rule.group],
        "resources": list(rule.resources),
        **({"resourceNames": list(rule.names)} if rule.names else {}),
        "verbs": list(rule.verbs),
    }
