# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests as an operator wrote them: found, parsed and checked as far as that goes without the API.

Private to the collection: may change at any time.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

try:
    import yaml
except ImportError:
    YAML_ERROR: str | None = traceback.format_exc()
else:
    YAML_ERROR = None

SUFFIXES = (".yaml", ".yml", ".json")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
LABEL = "k3a.io/addon"

# Kinds without a namespace, as far as they matter while there is no API yet to ask.
CLUSTER_SCOPED = (
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
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
        super().__init__("\n".join(self.findings))


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


def load(addons: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Every object of every addon (name, and manifest or path); raises ManifestError with all that is wrong."""
    items: list[Item] = []
    findings: list[str] = []
    for addon in addons:
        name = addon["name"]
        if not NAME.fullmatch(name):
            findings.append(f"addon {name!r}: a name has at most 63 of the characters a-z, 0-9, '-' and '.'")
        try:
            for where, text in _sources(addon):
                items += [Item(name, place, _labelled(body, name)) for place, body in _objects(where, text, findings)]
        except OSError as error:
            findings.append(f"addon {name}: {error.filename}: {error.strerror}")
    findings += _twice(items)
    if findings:
        raise ManifestError(findings)
    return items


def _sources(addon: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Where, and the text or parsed documents that are there."""
    for path in addon.get("path") or []:
        for file in manifest_files(path):
            with open(file, encoding="utf-8", errors="replace") as stream:
                yield file, stream.read()
    if addon.get("manifest"):
        yield f"addon {addon['name']}", addon["manifest"]


def manifest_files(path: str) -> list[str]:
    """The manifests under a path, in order; files named otherwise and dotfiles are none, unless named themselves."""
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, folders, files in os.walk(path, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in files if name.endswith(SUFFIXES) and not name.startswith(".")]
    return sorted(found)


def _objects(where: str, source: Any, findings: list[str]) -> list[tuple[str, dict[str, Any]]]:
    documents = parse(where, source, findings) if isinstance(source, str) else _given(where, source)
    objects = []
    for place, document in documents:
        if document is None:
            continue
        for inner, body in _flattened(place, document):
            wrong = _misshapen(body)
            findings += [f"{inner}: {finding}" for finding in wrong]
            if not wrong:
                objects.append((inner, body))
    return objects


def _given(where: str, source: Any) -> list[tuple[str, Any]]:
    documents = source if isinstance(source, list) else [source]
    return [(f"{where}, document {number}", document) for number, document in enumerate(documents, 1)]


def parse(where: str, text: str, findings: list[str]) -> list[tuple[str, Any]]:
    """The documents of a YAML or JSON text, each with its place; what is wrong with the text goes to findings."""
    loader = _loader()(text)
    documents: list[tuple[str, Any]] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            place = f"{where}, document {len(documents) + 1} (line {node.start_mark.line + 1})"
            findings += [f"{where}, document {len(documents) + 1}, {finding}" for finding in _duplicates(node)]
            documents.append((place, loader.construct_document(node)))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        findings.append(f"{where}, document {len(documents) + 1}{line}: not valid YAML: {error.problem}")
    except yaml.YAMLError as error:
        findings.append(f"{where}, document {len(documents) + 1}: not valid YAML: {' '.join(str(error).split())}")
    finally:
        loader.dispose()
    return documents


def _loader() -> Any:
    """YAML as Kubernetes reads it: dates and 1:30 are text there, and not a date and ninety."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[valid-type, misc]
        yaml_implicit_resolvers = {
            first: [
                (tag, _DECIMAL if tag.endswith(":int") and first in "-+0123456789" else pattern)
                for tag, pattern in resolvers
                if not tag.endswith(":timestamp")
            ]
            for first, resolvers in base.yaml_implicit_resolvers.items()
        }

    return Loader


_DECIMAL = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)$")


def _duplicates(node: Any) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _duplicates(child)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, child in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    yield f"line {key.start_mark.line + 1}: {key.value} is given twice"
                seen.add(key.value)
            yield from _duplicates(child)


def _flattened(place: str, document: Any) -> list[tuple[str, Any]]:
    """A List counts as its items."""
    if isinstance(document, dict) and document.get("kind") == "List" and isinstance(document.get("items"), list):
        return [(f"{place}, items[{number}]", item) for number, item in enumerate(document["items"])]
    return [(place, document)]


def _misshapen(body: Any) -> list[str]:
    """What every object must have, and the slip that is made most: labels and annotations that are no text."""
    if not isinstance(body, dict):
        return [f"is no object with apiVersion, kind and metadata, but {_type(body)}"]
    metadata = body.get("metadata")
    findings = [_text(body, field, field) for field in ("apiVersion", "kind")]
    if not isinstance(metadata, dict):
        wrong = "is missing" if metadata is None else f"must be a mapping, not {_type(metadata)}"
        findings.append(f"metadata {wrong}")
    else:
        findings.append(_text(metadata, "name", "metadata.name"))
        if metadata.get("namespace") is not None:
            findings.append(_text(metadata, "namespace", "metadata.namespace"))
        findings += [_texts(metadata.get(field), f"metadata.{field}") for field in ("labels", "annotations")]
    return [finding for finding in findings if finding]


def _text(mapping: Mapping[str, Any], field: str, path: str) -> str:
    value = mapping.get(field)
    if value is None or value == "":
        return f"{path} is missing"
    return "" if isinstance(value, str) else f"{path} must be text, not {_type(value)}"


def _texts(value: Any, path: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, dict):
        return f"{path} must be a mapping, not {_type(value)}"
    wrong = {key: entry for key, entry in value.items() if not isinstance(entry, str)}
    return "; ".join(f"{path}[{key}] must be text, not {_type(entry)}" for key, entry in wrong.items())


def _type(value: Any) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return names.get(type(value), "nothing")


def _labelled(body: dict[str, Any], addon: str) -> dict[str, Any]:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), LABEL: addon}}}


def _twice(items: Iterable[Item]) -> Iterator[str]:
    first: dict[Key, str] = {}
    for item in items:
        key = item.key()
        if key in first:
            yield f"{item.where}: {key} is also in {first[key]}"
        first.setdefault(key, item.where)
