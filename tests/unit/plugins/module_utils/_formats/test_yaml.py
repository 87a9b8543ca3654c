# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._formats import yaml as _yaml

TRICKY = [
    *("", " ", "a", "a b", " a", "a ", "-", "- a", "--flag=value", "?", "? a", ":", "a:", ":a", "a: b", "a:b", "a #b"),
    *("#", "a#b", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "'a'", '"a"', "{a}", "[a]", "a,b", "[]", "{}", "---"),
    *("...", ".", "..", "/", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "yes", "Yes", "no", "NO"),
    *("on", "Off", "y", "n", "Y", "N", ".inf", "-.inf", "+.inf", ".Inf", ".NaN", ".nan", "1", "-1", "+1", "01", "0o7"),
    *("0x1F", "0b1", "1e3", "1.5", ".5", "1_000", "1:30", "190:20:30", "2026-11-24", "2026-11-24T04:00:00Z", "=", "<<"),
    *("10.42.0.0/16", "fd00:42::/56", "::1", "[::1]:6443", "https://[fd00::1]:6443", "unix:///run/k3a/containerd.sock"),
    *("registry.k8s.io/pause:3.10", "node-role.kubernetes.io/control-plane", "system:node:a", "system:masters", "10%"),
    *(
        "a\n",
        "a\nb",
        "a\nb\n",
        "\n",
        "\n\n",
        "\na\n",
        "a\n\nb\n",
        "  a\nb\n",
        "a\n  b\n",
        "a \nb\n",
        "a\n\n",
        "\ta\n",
        "a\t\n",
    ),
    *("a\n---\nb\n", "a\n# c\n", "a: b\nc: d\n", "%\n", "tab\there", "back\\slash", 'quo"te', "\x07", "\x85", "\u2028"),
    *(
        "größe",
        "日本",
        "😀",
        "\ufeff",
        "a\r\nb\r\n",
        "a\rb",
        "e1",
        "1e",
        "0x",
        "A.b_c/d@e+f-g",
        "a:b:c",
        "a::b",
        "merge",
    ),
]


@pytest.mark.parametrize("text", TRICKY, ids=repr)
def test_a_string_stays_itself_wherever_it_stands(text):
    for value in (text, [text], {"k": text}, {"k": [text, text]}, [[text]], [{"k": text}], {"k": {"k": text}}):
        assert yaml.safe_load(_yaml.dump(value)) == value
    assert yaml.safe_load(_yaml.dump({text: text})) == {text: text}


def test_every_pair_of_awkward_characters_stays_itself():
    for pair in itertools.product("a1 :#-.,[]{}&*!|>'\"%@`~?=/\\\n\t<_", repeat=2):
        text = "".join(pair)
        assert yaml.safe_load(_yaml.dump({"k": text, text: ["x"]})) == {"k": text, text: ["x"]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**12,
        [],
        {},
        [[]],
        [{}],
        {"a": []},
        {"a": {}},
        [None],
        {"a": None},
        [[1, [2]], 3],
    ],
    ids=repr,
)
def test_other_values_stay_themselves(value):
    assert yaml.safe_load(_yaml.dump(value)) == value


def test_a_document_reads_like_one_that_a_person_wrote():
    document = {
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}},
        "clusterDNS": ["10.43.0.10"],
        "rules": [{"level": "None", "verbs": ["get"]}, {"level": "Metadata"}],
        "text": "a\nb\n",
    }
    assert _yaml.dump(document) == (
        "kind: KubeletConfiguration\n"
        "authentication:\n"
        "  anonymous:\n"
        "    enabled: false\n"
        "clusterDNS:\n"
        '- "10.43.0.10"\n'
        "rules:\n"
        "- level: None\n"
        "  verbs:\n"
        "  - get\n"
        "- level: Metadata\n"
        "text: |\n"
        "  a\n"
        "  b\n"
    )


def test_keys_keep_their_order():
    assert list(yaml.safe_load(_yaml.dump({"z": 1, "a": 2, "m": 3}))) == ["z", "a", "m"]
