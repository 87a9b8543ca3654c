# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addons in a cluster: what a call has to do, object by object, and doing it.

Private to the collection: may change at any time.

Each object of an addon carries the label k3a.io/addon, and a ConfigMap lists the objects of each addon. The list finds
what left the manifest, the label tells whether the object is still this addon's. The list is written before what it
names, so a run that is killed leaves nothing behind that the next one would not know.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._addon.diff import (
    difference,
    same,
    without_secret_values,
)
from ansible_collections.k3a.cluster.plugins.module_utils._addon.manifest import (
    LABEL,
    Item,
    Key,
    ManifestError,
    group_of,
)
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import APPLY_PATCH, ApiError, ApiRefused
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import CONFIG_MAPS, Resource, ServerApi

RECORD_NAMESPACE = "kube-system"
RECORD_PREFIX = "k3a-addon-"
RECORD_LABEL = "k3a.io/addon-record"
SET_LABEL = "k3a.io/addon-set"
RECORD_LINE = re.compile(r"(?P<version>\S+) (?P<kind>\S+) (?:(?P<namespace>[^\s/]+)/)?(?P<name>[^\s/]+)")

# So long, in seconds, the API may take to serve what a call has just made.
SETTLING = 15

# The API makes these by itself, a moment after it has become ready.
SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")

# What others stand on comes first, what would answer for others before it runs comes last, all else in between.
FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "PriorityLevelConfiguration",
    "FlowSchema",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Secret",
    "ConfigMap",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
)
LAST = (
    "DaemonSet",
    "Deployment",
    "StatefulSet",
    "ReplicaSet",
    "Job",
    "CronJob",
    "Pod",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)


class Step(NamedTuple):
    """One object and what becomes of it."""

    addon: str
    where: str
    key: Key
    action: str
    resource: Resource | None
    live: Mapping[str, Any] | None
    # What is sent, and what comes of it as far as that is known already; None for what goes.
    body: dict[str, Any] | None
    result: Mapping[str, Any] | None

    @property
    def changes(self) -> bool:
        return self.action != "unchanged"

    @property
    def goes(self) -> bool:
        return self.action == "pruned"

    @property
    def uid(self) -> str:
        return str((self.live or {})["metadata"]["uid"])

    @property
    def path(self) -> str:
        return self.resource.path(self.key.namespace, self.key.name) if self.resource else ""

    def summary(self) -> dict[str, str]:
        return {
            "addon": self.addon,
            "kind": self.key.kind,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "action": self.action,
        }

    def diff(self) -> dict[str, str]:
        # A new object is shown as it was written: what the API adds (addresses, ports) is not known before.
        after = (self.result or self.body) if self.live else self.body
        return difference(f"{self.key} (addon {self.addon})", self.live, after)


# --- records -------------------------------------------------------------------------------------------------------


class Record(NamedTuple):
    """What was applied as one addon before."""

    addon: str
    part_of: str
    objects: list[tuple[str, Key]]


def record_line(api_version: str, key: Key) -> str:
    return f"{api_version} {key}"


def read_record(config_map: Mapping[str, Any]) -> Record:
    labels = config_map["metadata"]["labels"]
    objects = []
    for line in (config_map.get("data") or {}).get("objects", "").splitlines():
        match = RECORD_LINE.fullmatch(line)
        if match:
            key = Key(group_of(match["version"]), match["kind"], match["namespace"] or "", match["name"])
            objects.append((match["version"], key))
    return Record(labels[LABEL], labels.get(SET_LABEL, ""), objects)


def record_item(addon: str, part_of: str, lines: Iterable[str]) -> Item:
    labels = {LABEL: addon, RECORD_LABEL: "true", **({SET_LABEL: part_of} if part_of else {})}
    metadata = {"name": RECORD_PREFIX + addon, "namespace": RECORD_NAMESPACE, "labels": labels}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return Item(
        addon,
        f"record of addon {addon}",
        {**body, "data": {"objects": "".join(f"{line}\n" for line in sorted(set(lines)))}},
    )


# --- decisions -----------------------------------------------------------------------------------------------------


def rank(kind: str) -> int:
    if kind in FIRST:
        return FIRST.index(kind)
    return len(FIRST) + 1 + LAST.index(kind) if kind in LAST else len(FIRST)


def left_over(record: Record, wanted: Collection[Key]) -> list[tuple[str, Key]]:
    """What a record names and nothing describes any more; the last applied goes first."""
    return sorted((entry for entry in record.objects if entry[1] not in wanted), key=lambda e: -rank(e[1].kind))


def leaving(records: Iterable[Record], names: Collection[str], state: str, part_of: str) -> set[str]:
    """The addons that go as a whole: named so, or of the set that this call lists without them."""
    if state == "absent":
        return {record.addon for record in records if record.addon in names}
    return {record.addon for record in records if part_of and record.part_of == part_of and record.addon not in names}


def creation_steps(names: Iterable[str], items: Iterable[Item], part_of: str) -> list[Step]:
    """The plan for a cluster that is not there yet: everything is created."""
    items = sorted(items, key=lambda item: rank(item.kind))
    lines = {
        name: [record_line(item.api_version, item.key()) for item in items if item.addon == name] for name in names
    }
    records = [record_item(name, part_of, objects) for name, objects in lines.items()]
    return [Step(i.addon, i.where, i.key(), "created", None, None, i.body, None) for i in [*records, *items]]


def scope_to_come(item: Item, items: Iterable[Item]) -> bool | None:
    """Whether a kind has namespaces that a CRD among these objects brings; None when none of them brings it."""
    for other in items:
        spec = other.body.get("spec")
        if other.kind == "CustomResourceDefinition" and isinstance(spec, dict):
            kind = (spec.get("names") or {}).get("kind")
            versions = [f"{spec.get('group')}/{version.get('name')}" for version in spec.get("versions") or []]
            if kind == item.kind and item.api_version in versions:
                return spec.get("scope") != "Cluster"
    return None


# --- looking -------------------------------------------------------------------------------------------------------


class Cluster:
    """The addons of one cluster, through its API."""

    def __init__(self, api: ServerApi, manager: str) -> None:
        self._api = api
        self._manager = manager

    def plan(self, names: Collection[str], items: Iterable[Item], state: str, part_of: str) -> list[Step]:
        """All that a call has to do; refuses as a whole what the API would refuse of it. Changes nothing."""
        records = self._records()
        going = leaving(records, names, state, part_of)
        wanted = self._wanted(list(items))
        keys = {step.key for step in wanted}
        pruned = [step for record in records for step in self._pruned(record, keys) if record.addon in {*names, *going}]
        forgotten = self._forgotten(going)
        if state == "absent":
            return [*pruned, *forgotten]
        before, after = self._recorded(names, wanted, {record.addon: record for record in records}, part_of)
        return [*before, *wanted, *pruned, *after, *forgotten]

    def applied(self, names: Collection[str]) -> list[tuple[str, Key, Resource]]:
        """The objects of addons that were applied before, each with the name of its addon."""
        entries = [(r.addon, version, key) for r in self._records() if r.addon in names for version, key in r.objects]
        found = [(addon, key, self._api.resource(version, key.kind)) for addon, version, key in entries]
        return [(addon, key, resource) for addon, key, resource in found if resource is not None]

    def _records(self) -> list[Record]:
        answer = self._api.request("GET", CONFIG_MAPS.path(RECORD_NAMESPACE), {"labelSelector": RECORD_LABEL})
        return [read_record(config_map) for config_map in answer["items"]]

    def _wanted(self, items: list[Item]) -> list[Step]:
        """Each object tried without effect, all of them before the first counts."""
        steps: list[Step] = []
        findings: dict[Key, str] = {}
        for item in sorted(items, key=lambda item: rank(item.kind)):
            try:
                steps.append(self._tried(item, steps, items))
            except ApiRefused as error:
                reasons = "; ".join(error.reasons)
                findings[item.key()] = f"{item.where}, {item.key()}: {without_secret_values(reasons, item.body)}"
        if findings:
            raise ManifestError(findings[item.key()] for item in items if item.key() in findings)
        return steps

    def _tried(self, item: Item, earlier: list[Step], items: list[Item]) -> Step:
        resource = self._api.resource(item.api_version, item.kind)
        if resource is None:
            namespaced = scope_to_come(item, items)
            if namespaced is None:
                raise ApiRefused(404, f"the API knows no kind {item.kind} in {item.api_version}")
            return Step(item.addon, item.where, item.key(namespaced), "created", None, None, item.body, None)
        key = item.key(resource.namespaced)
        path = resource.path(key.namespace, key.name)
        live = self._api.get(path)
        try:
            result = self._dry_run(path, item.body, key.namespace, earlier)
        except ApiRefused as error:
            # Admission looks at what an earlier object of this call will bring: a namespace, an account, a class.
            to_come = any(step.action == "created" for step in earlier)
            if not to_come or not (error.missing_namespace or error.status == 403):
                raise
            result = None
        if live is None:
            action = "created"
        else:
            action = "unchanged" if result and same(live, result, self._manager) else "configured"
        return Step(item.addon, item.where, key, action, resource, live, item.body, result)

    def _dry_run(self, path: str, body: dict[str, Any], namespace: str, earlier: list[Step]) -> Mapping[str, Any]:
        """An API that has just started has not made its own namespaces yet: that is waited for."""
        ours = any(step.key.kind == "Namespace" and step.key.name == namespace for step in earlier)
        while True:
            try:
                return self._apply(path, body, dry_run=True)
            except ApiRefused as error:
                if not error.missing_namespace or namespace not in SYSTEM_NAMESPACES or ours or self._api.left < 0:
                    raise
            time.sleep(0.1)

    def _pruned(self, record: Record, wanted: Collection[Key]) -> list[Step]:
        steps = []
        for api_version, recorded in left_over(record, wanted):
            resource = self._api.resource(api_version, recorded.kind)
            # Without a namespace it is recorded with one when its scope was only guessed.
            key = recorded if resource is None or resource.namespaced else recorded._replace(namespace="")
            if key in wanted:
                continue
            live = self._api.get(resource.path(key.namespace, key.name)) if resource else None
            # Without our label it was made anew by someone, or went over to another addon.
            if live is not None and (live["metadata"].get("labels") or {}).get(LABEL) == record.addon:
                where = f"record of addon {record.addon}"
                steps.append(Step(record.addon, where, key, "pruned", resource, live, None, None))
        return steps

    def _recorded(
        self, names: Iterable[str], wanted: list[Step], records: Mapping[str, Record], part_of: str
    ) -> tuple[list[Step], list[Step]]:
        """Records to write before anything else, naming all that is there meanwhile, and those to write in the end."""
        before: list[Step] = []
        after: list[Step] = []
        for name in names:
            lines = {record_line(str((s.body or {})["apiVersion"]), s.key) for s in wanted if s.addon == name}
            known = {record_line(*entry) for entry in records[name].objects} if name in records else set()
            # A call without a set leaves an addon in the one it is of.
            belongs = part_of or (records[name].part_of if name in records else "")
            if name not in records or not lines <= known:
                before.append(self._tried(record_item(name, belongs, lines | known), [], []))
            if name in records and (lines == known or not known <= lines):
                after.append(self._tried(record_item(name, belongs, lines), [], []))
        return before, after

    def _forgotten(self, addons: Iterable[str]) -> list[Step]:
        steps = []
        for addon in sorted(addons):
            key = Key("", "ConfigMap", RECORD_NAMESPACE, RECORD_PREFIX + addon)
            live = self._api.get(CONFIG_MAPS.path(key.namespace, key.name))
            if live is not None:
                steps.append(Step(addon, f"record of addon {addon}", key, "pruned", CONFIG_MAPS, live, None, None))
        return steps

    # --- doing -----------------------------------------------------------------------------------------------------

    def carry_out(self, step: Step) -> None:
        if step.goes:
            self._delete(step)
        else:
            self._make(step)

    def _make(self, step: Step) -> None:
        body = step.body or {}
        resource = step.resource or self._served(step)
        key = Item(step.addon, step.where, body).key(resource.namespaced)
        path = resource.path(key.namespace, key.name)
        # What could not be tried before waits for what this call has made: a namespace gets its service account, a new
        # kind its storage, a moment later.
        limit = time.monotonic() + (0 if step.result else SETTLING)
        while True:
            try:
                self._apply(path, body)
                break
            except ApiRefused as error:
                if error.status not in (403, 404) or time.monotonic() > min(limit, self._api.deadline):
                    reasons = without_secret_values("; ".join(error.reasons), body)
                    raise ApiError(f"{step.where}, {step.key}: {reasons}") from None
            time.sleep(0.2)
        if step.key.kind == "CustomResourceDefinition":
            self._api.forget()

    def _served(self, step: Step) -> Resource:
        """The kind that a CRD of this call has brought."""
        api_version = str((step.body or {})["apiVersion"])
        while True:
            resource = self._api.resource(api_version, step.key.kind)
            if resource is not None:
                return resource
            if self._api.left < 0:
                raise ApiError(f"{step.where}: the API does not serve {step.key.kind} in {api_version} in time")
            self._api.forget()
            time.sleep(0.1)

    def _apply(self, path: str, body: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        query = {"fieldManager": self._manager, "force": "true", "fieldValidation": "Strict"}
        return self._api.request("PATCH", path, {**query, **({"dryRun": "All"} if dry_run else {})}, body, APPLY_PATCH)

    def _delete(self, step: Step) -> None:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": step.uid}}
        try:
            self._api.request("DELETE", step.path, body=options)
        except ApiRefused as error:
            if error.status not in (404, 409):  # gone already, or another one by now
                raise
