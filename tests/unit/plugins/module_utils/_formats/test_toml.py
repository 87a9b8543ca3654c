# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import toml as _toml

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 brings the reader")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 3, "root": "/var/lib/k3a", "on": True, "off": False, "ratio": 1.5, "negative": -1},
        {"plugins": {"io.containerd.cri.v1.runtime": {"cni": {"bin_dirs": ["/a", "/b"]}}}},
        {"table": {"after": {"x": 1}, "plain": 2}, "root": 3},
        {"empty": {}, "deep": {"er": {}}},
        {"host": {"https://mirror.example:5000/v2": {"capabilities": ["pull"], "client": [["/c", "/k"]]}}},
        {"a": {"b": {"c": {"d": {"e": "f"}}}}},
        {"": 1, "key with space": 2, 'quo"te': 3, "dot.ted": 4, "größe": 5, "*": {"": {"x": []}}},
        {"list": [], "lists": [[], [1, 2], [[3]]]},
    ],
    ids=str,
)
def test_what_is_written_reads_back_the_same(document):
    assert tomllib.loads(_toml.dump(document)) == document


@pytest.mark.parametrize(
    "text",
    ["", "a", 'quo"te', "back\\slash", "new\nline", "tab\t", "\x00", "\x1f", "größe", "😀", "#", "'", "\u2028", "a=b"],
    ids=repr,
)
def test_strings_read_back_the_same(text):
    assert tomllib.loads(_toml.dump({"k": text, "t": {text: [text]}})) == {"k": text, "t": {text: [text]}}


def test_plain_values_never_end_up_in_the_table_before_them():
    assert _toml.dump({"t": {"x": 1}, "y": 2, "u": {"v": {"w": 3}}}) == "y = 2\n\n[t]\nx = 1\n\n[u.v]\nw = 3\n"


def test_a_character_that_toml_forbids_in_strings_is_escaped():
    assert tomllib.loads(_toml.dump({"k": "\x7f"})) == {"k": "\x7f"}
