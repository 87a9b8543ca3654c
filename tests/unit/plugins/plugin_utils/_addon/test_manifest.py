# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.k3a.cluster.plugins.module_utils._addon.manifest import Item, Key, ManifestError
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon import manifest
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon.manifest import manifest_files, parse

GOOD = """\
# A comment makes no document yet, the empty one below is one.
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: demo}
data: {date: 2026-11-24, time: 1:30, mode: 0644}
---
---
apiVersion: v1
kind: List
items:
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: b}
"""


def load(addons: list[dict[str, Any]]) -> list[Item]:
    return manifest.load(addons, lambda path: Path(path).read_text())


def findings(text: str) -> list[str]:
    with pytest.raises(ManifestError) as error:
        load([{"name": "x", "manifest": text}])
    return error.value.findings


def test_documents_and_lists_become_objects_of_the_addon() -> None:
    items = load([{"name": "x", "manifest": GOOD}])
    assert [(item.where, str(item.key())) for item in items] == [
        ("addon x, document 1 (line 3)", "ConfigMap demo/a"),
        ("addon x, document 3 (line 9), items[0]", "ClusterRole b"),
    ]


def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    data = load([{"name": "x", "manifest": GOOD}])[0].body["data"]
    assert data == {"date": "2026-11-24", "time": "1:30", "mode": 420}


def test_what_yaml_has_and_json_has_not() -> None:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    (item,) = load([{"name": "x", "manifest": head + "data: {1: a, 2.5: b}\nenum:\n- '!='\n- =\n- =~\n"}])
    assert item.body["data"] == {"1": "a", "2.5": "b"} and item.body["enum"] == ["!=", "=", "=~"]
    (finding,) = findings(f"{head}data: {{a: .nan}}")
    assert finding.startswith("addon x, document 1 (line 1): cannot be written as JSON: ")
    for value in ("!!binary aGk=", "!!set {a}"):
        (finding,) = findings(f"{head}data: {{a: {value}}}")
        assert finding.startswith("addon x, document 1, line 4: not valid YAML: !!")


def test_dates_of_a_playbook_stay_what_was_written() -> None:
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"d": date(2026, 11, 24)}}
    assert load([{"name": "x", "manifest": given}])[0].body["data"] == {"d": "2026-11-24"}


def test_objects_can_be_given_as_they_are() -> None:
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"mine": "1"}}}
    for given in (one, [one]):
        (item,) = load([{"name": "x", "manifest": given}])
        assert item.where == "addon x, document 1"
        assert item.key() == Key("", "ConfigMap", "default", "a")
        assert item.body == one


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.json", "c.yml", ".hidden.yaml", "readme.md", "sub/d.yaml", ".git/e.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": path.stem}}))
    found = [str(Path(file).relative_to(tmp_path)) for file in manifest_files(str(tmp_path))]
    assert found == ["a.json", "b.yaml", "c.yml", "sub/d.yaml"]
    assert manifest_files(str(tmp_path / "readme.md")) == [str(tmp_path / "readme.md")]
    assert [item.body["metadata"]["name"] for item in load([{"name": "x", "path": [str(tmp_path)]}])] == list("abcd")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="addon x: .*/none.yaml: No such file"):
        load([{"name": "x", "path": [str(tmp_path / "none.yaml")]}])


def test_a_file_that_cannot_be_read_is_named_and_hides_no_other(tmp_path: Path) -> None:
    def read(path: str) -> str:
        if path.endswith("sealed.yaml"):
            raise AnsibleError("A vault password\nmust be specified.")
        return Path(path).read_text()

    (tmp_path / "list.yaml").write_text("[]\n")
    names = ["none.yaml", "sealed.yaml", "list.yaml"]
    with pytest.raises(ManifestError) as raised:
        manifest.load([{"name": "x", "path": [str(tmp_path / name) for name in names]}], read)
    assert raised.value.findings == [
        f"addon x: {tmp_path}/none.yaml: No such file or directory",
        f"addon x: {tmp_path}/sealed.yaml: A vault password must be specified",
        f"{tmp_path}/list.yaml, document 1 (line 1): is no object with apiVersion, kind and metadata, but a list",
    ]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("kind: ConfigMap\nmetadata: {name: a}", "document 1 (line 1): apiVersion is missing"),
        ("apiVersion: v1\nmetadata: {name: a}", "document 1 (line 1): kind is missing"),
        ("apiVersion: 1\nkind: A\nmetadata: {name: a}", "document 1 (line 1): apiVersion must be text, not a number"),
        ("apiVersion: v1\nkind: A", "document 1 (line 1): metadata is missing"),
        ("apiVersion: v1\nkind: A\nmetadata: a", "document 1 (line 1): metadata must be a mapping, not text"),
        ("---\napiVersion: v1\nkind: A\nmetadata: {}", "document 1 (line 2): metadata.name is missing"),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: 12}",
            "document 1 (line 1): metadata.name must be text, not a number",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {b: true}}",
            "document 1 (line 1): metadata.labels[b] must be text, not a truth value",
        ),
        ("[1]", "document 1 (line 1): is no object with apiVersion, kind and metadata, but a list"),
    ],
)
def test_a_finding_names_document_and_field(text: str, finding: str) -> None:
    assert findings(text) == [f"addon x, {finding}"]


def test_syntax_errors_have_their_line() -> None:
    (finding,) = findings("apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\nkind: b: c\n")
    assert finding.startswith("addon x, document 2, line 5: not valid YAML:")
    (finding,) = findings("a: \x07")
    assert "document 1, line 1: not valid YAML:" in finding
    assert "document 2, line 5: not valid YAML:" in findings("kind: A\n---\na: 1\nb: é\nc: \x07\n")[0]
    assert findings("!!python/object:os.system {}")[0].startswith("addon x, document 1, line 1: not valid YAML:")


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ("!!timestamp 2024-13-45", "addon x, document 1, line 2: not valid YAML: '2024-13-45' is no date"),
        ("\ud800", "addon x: has '\\ud800', which is no character"),
    ],
    ids=["date", "surrogate"],
)
def test_what_cannot_be_read_is_no_error_of_python(value: str, finding: str) -> None:
    assert findings(f"kind: A\nx: {value}\n") == [finding]


def test_what_is_nested_too_deeply_is_no_error_of_python() -> None:
    """Newer versions of libyaml have a limit of their own, below that of Python."""
    (finding,) = findings(f"kind: A\nx: {'[' * 3000}{']' * 3000}\n")
    own = "addon x, document 1, line 2: not valid YAML: exceeded maximum nesting depth"
    assert finding in ("addon x: is nested too deeply", own)


def test_a_key_given_twice_is_not_swallowed() -> None:
    found: list[str] = []
    parse("f.yaml", "a: 1\nb:\n  - c: 1\n    c: 2\na: 3\n", found)
    assert found == ["f.yaml, document 1, line 4: c is given twice", "f.yaml, document 1, line 5: a is given twice"]


def test_what_kubernetes_would_read_otherwise_than_it_looks_has_its_line() -> None:
    found: list[str] = []
    parse("f.yaml", "a: 1\n--- {b: 2}\n", found)
    parse("g.yaml", "a: 1\n...\n---\nb: &b {c: 1}\nd: {c: 2, <<: *b}\n", found)
    aliases = "".join(f"{own}: &{own} [{', '.join([f'*{other}'] * 9)}]\n" for other, own in zip("abcdefgh", "bcdefghi"))
    parse("h.yaml", f"---\na: &a [x]\n{aliases}", found)
    assert found == [
        "f.yaml, document 1, line 2: kubectl reads no document that begins on the line of ---",
        "g.yaml, document 2, line 5: << would replace c, which is given before it; put << first",
        "h.yaml, document 1, line 2: its aliases stand for too much, or for themselves",
    ]


def test_an_object_belongs_to_one_addon() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}}
    with pytest.raises(ManifestError) as error:
        load([{"name": "x", "manifest": role}, {"name": "y", "manifest": role}])
    assert error.value.findings == ["addon y, document 1: ClusterRole a is also in addon x, document 1"]


def test_everything_is_found_at_once() -> None:
    with pytest.raises(ManifestError) as error:
        load([{"name": "Bad", "manifest": "a: [\n"}, {"name": "x", "manifest": "kind: A"}])
    assert len(error.value.findings) == 4
