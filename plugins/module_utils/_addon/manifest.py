# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The objects of addons, as the controller has read them from manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

LABEL = "k3a.io/addon"

# Kinds without a namespace, as far as they matter while there is no API yet to ask.
CLUSTER_SCOPED = (
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
)


class ManifestError(K3aError):
    """Everything that is wrong with the manifests, one finding each."""

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(["Nothing was changed, because manifests are wrong:", *self.findings]))


class Key(NamedTuple):
    """What makes two descriptions the same object: the version of its group is none of it."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Item(NamedTuple):
    """One object of an addon, and where it was written."""

    addon: str
    where: str
    body: dict[str, Any]

    @property
    def api_version(self) -> str:
        return str(self.body["apiVersion"])

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    def key(self, namespaced: bool | None = None) -> Key:
        """With no API to ask, kinds not known to be without a namespace are taken to have one."""
        metadata = self.body["metadata"]
        if namespaced is None:
            namespaced = bool(metadata.get("namespace")) or self.kind not in CLUSTER_SCOPED
        namespace = (metadata.get("namespace") or "default") if namespaced else ""
        return Key(group_of(self.api_version), self.kind, namespace, metadata["name"])


def group_of(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def items(objects: Iterable[Mapping[str, Any]]) -> list[Item]:
    """The objects as they were shipped, each labelled as its addon's."""
    return [Item(entry["addon"], entry["where"], _labelled(entry["object"], entry["addon"])) for entry in objects]


def _labelled(body: dict[str, Any], addon: str) -> dict[str, Any]:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), LABEL: addon}}}
