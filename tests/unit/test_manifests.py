# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests are read as Kubernetes reads them: tests/manifests/corpus_test.go has recorded what it reads in each text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon import manifest

CORPUS = json.loads((Path(__file__).parents[1] / "manifests/corpus.json").read_text(encoding="utf-8"))
# What Kubernetes reads, and we refuse all the same.
TWICE = "of two values of a key it takes the last without a word"
TAG = "it takes a tag that it does not know, or that does not fit, for none"
REFUSED = {
    **{each["name"]: TWICE for each in CORPUS if each["name"].startswith("key twice") and not each.get("error")},
    "merge after its keys": "what << brings then replaces what stands there, which nobody expects who knows YAML",
    "end of document and another without separator": "it skips the second document without a word",
    "two texts of JSON without separator": "likewise",
    "BOM before the second document": "files that were put together have one; an editor removes it",
    **dict.fromkeys(("tag: !!binary aGk=", "tag: !!binary /w==", "key '!!binary aGk='"), "JSON has no such thing"),
    **dict.fromkeys(("tag: !!set {a, b}", "tag: !!omap [a: 1]"), "JSON has no such thing"),
    **dict.fromkeys(("tag: !mine x", "tag: !!python/name:os.system x", "text: != x", "tag: !!value ="), TAG),
    **dict.fromkeys(("tag: !!str [a]", "tag: !!int []", "tag: !!map []"), TAG),
    **dict.fromkeys(("key '.nan'", "key '.inf'"), "no object has such a key"),
}
# What Kubernetes refuses, and we read: its parser of YAML does not know all escapes of JSON, which its parser of JSON does.
READ = {"escapes", "JSON with a slash"}
# What we read otherwise: the parser does not tell this tag, which says nothing but that a number is a text.
OTHERWISE = {"tag: ! 12"}


def read(text: str) -> tuple[list[Any], list[str]]:
    """The documents of a text as they are sent to the API, and what is wrong with it."""
    findings: list[str] = []
    documents = []
    for place, document in manifest.parse("f.yaml", text, findings):
        if document is not None:
            try:
                documents.append(manifest._plain(document))
            except (TypeError, ValueError) as error:
                findings.append(f"{place}: {error}")
    return documents, findings


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are one, a number of any form."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if float in (type(one), type(other)) and {type(one), type(other)} <= {int, float}:
        return float(one) == float(other)
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("each", CORPUS, ids=lambda each: ascii(each["name"])[1:-1])
def test_a_text_is_read_as_kubernetes_reads_it_or_refused_with_its_place(each: dict[str, Any]) -> None:
    documents, findings = read(each["text"])
    wanted = bool(each.get("error")) and each["name"] not in READ or each["name"] in REFUSED
    assert bool(findings) is wanted, findings
    for finding in findings:
        assert re.match(r"f\.yaml, document \d+(, line \d+| \(line \d+\)): .", finding) and "\n" not in finding
    if not findings and each["name"] not in READ | OTHERWISE:
        assert same(documents, each["documents"]), documents


def test_the_exceptions_are_in_the_corpus() -> None:
    assert {*REFUSED, *READ, *OTHERWISE} <= {each["name"] for each in CORPUS}


@pytest.mark.parametrize("keys", ["1: a, '1': b", "true: a, 'true': b"])
def test_keys_that_become_one_text_are_refused(keys):
    """Of the two Kubernetes takes one by chance, so the corpus cannot have them."""
    _documents, findings = read(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\nv: {{{keys}}}\n")
    assert len(findings) == 1 and "twice" in findings[0], findings
