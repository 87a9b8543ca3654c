# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Manifests as an operator wrote them: found, parsed and checked as far as that goes without the API."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache, partial
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
            except (TypeError, ValueError, RecursionError) as error:
                findings.append(f"{inner}: cannot be written as JSON: {error}")
                continue
            wrong = _misshapen(plain)
            findings += [f"{inner}: {finding}" for finding in wrong]
            if not wrong:
                objects.append((inner, plain))
    return objects


def _plain(body: Any) -> Any:
    """An object as the API gets it: numbers that are keys are text there."""
    return json.loads(json.dumps(_with_text_keys(body), allow_nan=False, default=_date))


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _key(key): _with_text_keys(each) for key, each in value.items()}
    return [_with_text_keys(each) for each in value] if isinstance(value, (list, tuple)) else value


def _key(key: Any) -> str:
    """A key that is no text, as the text that Kubernetes makes of it."""
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, int) and _LEAST <= key <= _MOST // 2:
        return str(key)
    if isinstance(key, float) and float(f"{key:g}") == key and not math.isinf(key):
        return f"{key:g}"
    raise ValueError(f"the key {key!r} is no text; put it in quotes")


def _date(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a value is of type {type(value).__name__}")


def _given(where: str, source: Any) -> list[tuple[str, Any]]:
    documents = source if isinstance(source, list) else [source]
    return [(f"{where}, document {number}", document) for number, document in enumerate(documents, 1)]


def parse(where: str, text: str, findings: list[str]) -> list[tuple[str, Any]]:
    """The documents of a YAML or JSON text, each with its place; what is wrong with the text goes to findings."""
    try:
        return _documents(where, text, findings)
    except RecursionError:
        findings.append(f"{where}: is nested too deeply")
    except UnicodeEncodeError as error:
        findings.append(f"{where}: has {error.object[error.start]!r}, which is no character")
    return []


def _documents(where: str, text: str, findings: list[str]) -> list[tuple[str, Any]]:
    documents: list[tuple[str, Any]] = []
    number = 0
    for first, part in _parted(str(text)):
        # Text of Ansible is of a type of its own, which the parser in C takes for a stream.
        reader = loader()(part)
        place = f"{where}, document {number + 1}"
        glued = next((n for n, line in enumerate(part.split("\n"), first + 1) if re.match(r"---+\s*[^\s#-]", line)), 0)
        if glued:
            findings.append(f"{place}, line {glued}: kubectl reads no document that begins on the line of ---")
            break
        try:
            has_node = reader.check_node()
            number += bool(has_node or first)
            if not has_node:
                continue
            node = reader.get_node()
            wrong = _too_large(node)
            if wrong:
                findings.append(f"{place}, line {first + node.start_mark.line + 1}: {wrong}")
                continue
            findings += [f"{place}, line {first + line + 1}: {slip}" for line, slip in _slips(node)]
            documents.append((f"{place} (line {first + node.start_mark.line + 1})", reader.construct_document(node)))
            if reader.check_node():
                line = first + reader.get_node().start_mark.line + 1
                findings.append(
                    f"{place}, line {line}: Kubernetes would skip what follows without a line of --- before it"
                )
        except yaml.MarkedYAMLError as error:
            line = f", line {first + error.problem_mark.line + 1}" if error.problem_mark else ""
            findings.append(f"{place}{line}: not valid YAML: {error.problem}")
            break
        except yaml.YAMLError as error:
            line_of_error = first + part.encode()[: getattr(error, "position", 0)].count(b"\n") + 1
            findings.append(f"{place}, line {line_of_error}: not valid YAML: {' '.join(str(error).split())}")
            break
        finally:
            reader.dispose()
    return documents


def _parted(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a text as kubectl parts it, each with the number of lines before it.

    kubectl looks at nothing but a line's beginning, and reads what is between such lines by itself.
    """
    lines = re.split(r"(?<=\n)", text)
    starts = [0, *(n for n, line in enumerate(lines) if line.startswith("---") and _ends_document(line))]
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        part = "".join(lines[start:end])
        yield start, f"{part}\n" if part and not part.endswith("\n") else part


def _ends_document(line: str) -> bool:
    """Whether a line with dashes is no more than that, but for a comment."""
    return re.fullmatch(r"---\s*(#.*)?\s*", line) is not None


# Nodes of a document with all aliases written out. A few lines of aliases of aliases can stand for billions.
MOST_NODES = 1_000_000


def _too_large(root: Any) -> str:
    """Why a document cannot be written out, or nothing."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = MOST_NODES + 1  # as long as it is looked at it would be within itself
            parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            inner = () if isinstance(node, yaml.ScalarNode) else parts
            sizes[id(node)] = min(1 + sum(map(size, inner)), MOST_NODES + 1)
        return sizes[id(node)]

    return "its aliases stand for too much, or for themselves" if size(root) > MOST_NODES else ""


@cache
def loader() -> Any:
    """YAML as Kubernetes reads it, whose parser (go.yaml.in/yaml/v2) has rules of its own for what is a number.

    Dates, 1:30 and = are text, 1e3 and 0o644 are numbers, and y is true.
    """
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[valid-type, misc]
        def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
            if kind is not yaml.ScalarNode or not implicit[0]:
                return str(super().resolve(kind, value, implicit))
            return f"{_TAG}merge" if value == "<<" else _TAGS[type(resolved(value))]

    for kind, tag in _TAGS.items():
        if kind is not str:
            Loader.add_constructor(tag, partial(_scalar, kind))
    for name in ("binary", "omap", "pairs", "set"):
        Loader.add_constructor(_TAG + name, _foreign)
    Loader.add_constructor(f"{_TAG}timestamp", _date_of)
    Loader.add_constructor(f"{_TAG}merge", lambda reader, node: reader.construct_scalar(node))
    return Loader


def _foreign(_reader: Any, node: Any) -> Any:
    """What YAML has, and JSON, in which objects reach the API, has not."""
    name = node.tag.removeprefix(_TAG)
    raise yaml.constructor.ConstructorError(None, None, f"!!{name} is nothing that JSON has", node.start_mark)


def _date_of(reader: Any, node: Any) -> Any:
    """What is said to be a date; nothing is taken for one by itself."""
    try:
        if reader.timestamp_regexp.match(reader.construct_scalar(node)):
            return reader.construct_yaml_timestamp(node)
    except (ValueError, OverflowError):  # a month of another number than from 1 to 12, for one
        pass
    raise yaml.constructor.ConstructorError(None, None, f"{node.value!r} is no date", node.start_mark)


_TAG = "tag:yaml.org,2002:"
_TAGS = {bool: f"{_TAG}bool", int: f"{_TAG}int", float: f"{_TAG}float", str: f"{_TAG}str", type(None): f"{_TAG}null"}
_WORDS: dict[str, Any] = {
    **{form(word): True for word in ("y", "yes", "on", "true") for form in (str, str.capitalize, str.upper)},
    **{form(word): False for word in ("n", "no", "off", "false") for form in (str, str.capitalize, str.upper)},
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{sign + word: math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]*))"
)
_BASES = {"x": 16, "b": 2, "o": 8, "d": 10}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEAST, _MOST = -(2**63), 2**64 - 1


def resolved(text: str) -> Any:
    """What a text without quotes is."""
    if text in _WORDS:
        return _WORDS[text]
    if not text[:1].isascii() or text[:1] not in "+-.0123456789":
        return text
    plain = text if text.startswith(".") else text.replace("_", "")
    match = _INTEGER.fullmatch(plain) if len(plain) < 100 else None
    if match:
        base = next(name for name in _BASES if match[name] is not None)
        number = int(match["sign"] + match[base], _BASES[base])
        # One with a sign is not of the larger numbers.
        if _LEAST <= number <= (_MOST if not match["sign"] else _MOST // 2):
            return number
    if _FLOAT.fullmatch(plain):
        fraction = float(plain)
        return text if math.isinf(fraction) else fraction
    return text


def _scalar(kind: type, reader: Any, node: Any) -> Any:
    """The value of a scalar that is of a type, or is said to be."""
    value = resolved(reader.construct_scalar(node))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise yaml.constructor.ConstructorError(None, None, f"{node.value!r} is of another type", node.start_mark)
    return value


def _slips(node: Any) -> Iterator[tuple[int, str]]:
    """What a mapping has twice, with its line: Kubernetes would take the last without a word."""
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _slips(child)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            if isinstance(key, yaml.ScalarNode):
                meant = _key_of(key)
                if meant in seen and key.value != "<<":
                    yield key.start_mark.line, f"{key.value} is given twice"
                for name in sorted(seen & _merged(child)) if key.value == "<<" else ():
                    yield key.start_mark.line, f"<< would replace {name}, which is given before it; put << first"
                seen.add(meant)
            yield from _slips(child)


def _merged(node: Any) -> set[str]:
    """The keys that << brings along."""
    several = node.value if isinstance(node, yaml.SequenceNode) else [node]
    pairs = [pair for each in several if isinstance(each, yaml.MappingNode) for pair in each.value]
    return {_key_of(key) for key, _value in pairs if isinstance(key, yaml.ScalarNode)}


def _key_of(node: Any) -> str:
    """A key as the API gets it, as far as it is one: 0x1 is 1, and yes is true."""
    value = node.value if node.tag == _TAGS[str] else resolved(node.value)
    try:
        return value if isinstance(value, str) else _key(value)
    except ValueError:
        return str(node.value)


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
