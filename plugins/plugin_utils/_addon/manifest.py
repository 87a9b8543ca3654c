# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Manifests as an operator wrote them: found, parsed and checked as far as that goes without the API."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible_collections.k3a.cluster.plugins.module_utils._addon.manifest import Item, Key, ManifestError

SUFFIXES = (".yaml", ".yml", ".json")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")


def load(addons: Sequence[Mapping[str, Any]], read: Callable[[str], str]) -> list[Item]:
    """Every object of every addon (name, and manifest or path); raises ManifestError with all that is wrong.

    Files are read by a function that knows those that are encrypted. An addon that says what it consists of has nothing
    else.
    """
    items: list[Item] = []
    findings: list[str] = []
    for addon in addons:
        name = addon["name"]
        if not NAME.fullmatch(name):
            findings.append(f"addon {name!r}: a name has at most 63 of the characters a-z, 0-9, '-' and '.'")
        for where, text in _sources(addon, read, findings):
            items += [Item(name, place, body) for place, body in _objects(where, text, findings)]
    findings += _twice(items)
    findings += _strange(items, {addon["name"]: addon["consists_of"] for addon in addons if addon.get("consists_of")})
    if findings:
        raise ManifestError(findings)
    return items


def _sources(addon: Mapping[str, Any], read: Callable[[str], str], findings: list[str]) -> Iterator[tuple[str, Any]]:
    """Where, and the text or parsed documents that are there; a file that cannot be read keeps no other from it."""
    for file in (file for path in addon.get("path") or [] for file in manifest_files(path)):
        try:
            text = read(file)
        except OSError as error:
            findings.append(f"addon {addon['name']}: {error.filename}: {error.strerror}")
        except AnsibleError as error:
            findings.append(f"addon {addon['name']}: {file}: {' '.join(str(error).split()).rstrip('.')}")
        else:
            yield file, text
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
            try:
                plain = _plain(body)
            except (TypeError, ValueError) as error:
                findings.append(f"{inner}: cannot be written as JSON: {error}")
                continue
            wrong = _misshapen(plain)
            findings += [f"{inner}: {finding}" for finding in wrong]
            if not wrong:
                objects.append((inner, plain))
    return objects


def _plain(body: Any) -> Any:
    """An object as the API gets it: numbers that are keys are text there."""
    return json.loads(json.dumps(body, allow_nan=False, default=_date))


def _date(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a value is of type {type(value).__name__}")


def _given(where: str, source: Any) -> list[tuple[str, Any]]:
    documents = source if isinstance(source, list) else [source]
    return [(f"{where}, document {number}", document) for number, document in enumerate(documents, 1)]


def parse(where: str, text: str, findings: list[str]) -> list[tuple[str, Any]]:
    """The documents of a YAML or JSON text, each with its place; what is wrong with the text goes to findings."""
    # Text of Ansible is of a type of its own, which the parser in C takes for a stream.
    reader = loader()(str(text))
    documents: list[tuple[str, Any]] = []
    try:
        while reader.check_node():
            node = reader.get_node()
            place = f"{where}, document {len(documents) + 1} (line {node.start_mark.line + 1})"
            findings += [f"{where}, document {len(documents) + 1}, {finding}" for finding in _duplicates(node)]
            documents.append((place, reader.construct_document(node)))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        findings.append(f"{where}, document {len(documents) + 1}{line}: not valid YAML: {error.problem}")
    except yaml.YAMLError as error:
        findings.append(f"{where}, document {len(documents) + 1}: not valid YAML: {' '.join(str(error).split())}")
    finally:
        reader.dispose()
    return documents


def loader() -> Any:
    """YAML as Kubernetes reads it: dates, 1:30 and = are text there, and not a date, ninety and nothing at all."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[valid-type, misc]
        yaml_implicit_resolvers = {
            first: [
                (tag, _DECIMAL if tag.endswith(":int") and first in "-+0123456789" else pattern)
                for tag, pattern in resolvers
                if not tag.endswith((":timestamp", ":value"))
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


def _twice(items: Iterable[Item]) -> Iterator[str]:
    first: dict[Key, str] = {}
    for item in items:
        key = item.key()
        if key in first:
            yield f"{item.where}: {key} is also in {first[key]}"
        first.setdefault(key, item.where)


def _strange(items: Iterable[Item], declared: Mapping[str, Collection[str]]) -> Iterator[str]:
    for item in items:
        if item.addon in declared and str(item.key()) not in declared[item.addon]:
            yield f"{item.where}: the addon {item.addon} is not to have {item.key()}"
