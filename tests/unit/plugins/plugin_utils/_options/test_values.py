# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from datetime import date

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.values import (
    ON_CONTROLLER,
    WITH_COMMAS,
    Mistyped,
    typed,
)

VARIABLES = {**spec.specification(), **spec.of_playbooks()}
TEXTS = {"type": "list", "elements": "str"}


def named(kind):
    return sorted(name for name, option in VARIABLES.items() if option["type"] == kind)


def items(option):
    """Two items that a list may have."""
    return (option.get("choices") or (["/a", "/b"] if option["elements"] == "path" else ["a=b", "c=d:e"]))[:2]


def refusal(name, value, option):
    with pytest.raises(Mistyped) as raised:
        typed(name, value, option)
    return f"{raised.value}; {raised.value.remedy}"


class TestEveryVariable:
    """The forms in which YAML, an INI inventory and -e give a value are one value."""

    @pytest.mark.parametrize("name", [name for name in named("list") if VARIABLES[name]["elements"] == "dict"])
    def test_a_list_of_mappings(self, name):
        for form in ([{"a": [1]}], '[{"a": [1]}]', "[{a: [1]}]"):
            assert typed(name, form, VARIABLES[name]) == [{"a": [1]}]
        assert typed(name, "", VARIABLES[name]) == []

    @pytest.mark.parametrize("name", [name for name in named("list") if VARIABLES[name]["elements"] != "dict"])
    def test_a_list(self, name):
        option = VARIABLES[name]
        wanted = items(option)
        forms = [wanted, tuple(wanted), json.dumps(wanted), f"[{', '.join(wanted)}]"]
        if not WITH_COMMAS.fullmatch(name):
            forms += [",".join(wanted), ", ".join(wanted), f" {wanted[0]} ,, {wanted[-1]},"]
            wanted = list(dict.fromkeys(wanted))
        for form in forms:
            assert list(dict.fromkeys(typed(name, form, option))) == wanted, form
        for one in (wanted[0], [wanted[0]], json.dumps([wanted[0]])):
            assert typed(name, one, option) == [wanted[0]]
        for nothing in ("", [], "[]", [""], " "):
            assert typed(name, nothing, option) == []

    @pytest.mark.parametrize("name", [name for name in named("list") if VARIABLES[name]["elements"] == "str"])
    def test_commas_within_the_items_of_a_list(self, name):
        if VARIABLES[name].get("choices"):
            pytest.skip("its items are known")
        text = "a=b,c=d"
        assert typed(name, [text], VARIABLES[name]) == ([text] if WITH_COMMAS.fullmatch(name) else ["a=b", "c=d"])

    @pytest.mark.parametrize("name", named("bool"))
    @pytest.mark.parametrize("truth", [True, False])
    def test_a_boolean(self, name, truth):
        for form in (truth, str(truth), str(truth).lower(), int(truth), str(int(truth)), "yes" if truth else "no"):
            assert typed(name, form, VARIABLES[name]) is truth

    @pytest.mark.parametrize("name", named("int"))
    def test_a_number(self, name):
        assert [typed(name, form, VARIABLES[name]) for form in (77, "77", " 77 ", "+77")] == [77] * 4

    @pytest.mark.parametrize("name", named("dict"))
    def test_a_mapping(self, name):
        for form in ({"a": [1]}, '{"a": [1]}', "{a: [1]}", "{'a': [1]}"):
            assert typed(name, form, VARIABLES[name]) == {"a": [1]}

    @pytest.mark.parametrize("name", named("str"))
    def test_a_text(self, name):
        for text in VARIABLES[name].get("choices", ["plain", "a,b", "[a]", "{a}", "0600", "true", ""]):
            assert typed(name, text, VARIABLES[name]) == text

    @pytest.mark.parametrize("name", named("path"))
    def test_a_path(self, name, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "/home/ann")
        here = typed(name, "folder/file", VARIABLES[name])
        home = typed(name, "~/file", VARIABLES[name])
        if name in ON_CONTROLLER:
            assert (here, home) == (f"{os.getcwd()}/folder/file", "/home/ann/file")
        else:
            assert (here, home) == ("folder/file", "~/file")  # a host's: refused, since it must be absolute
        assert typed(name, "", VARIABLES[name]) == ""

    @pytest.mark.parametrize("name", sorted(VARIABLES))
    def test_a_value_that_is_typed_stays_as_it_is(self, name):
        option = VARIABLES[name]
        default = typed(name, option["default"], option)
        assert typed(name, default, option) == default

    @pytest.mark.parametrize("name", sorted(VARIABLES))
    def test_nothing_is_no_value(self, name):
        assert refusal(name, None, VARIABLES[name]).startswith(f"{name} must be ")


def test_paths_of_the_controller_are_paths():
    assert {name: VARIABLES[name].get("elements", VARIABLES[name]["type"]) for name in ON_CONTROLLER} == (
        dict.fromkeys(ON_CONTROLLER, "path")
    )


def test_only_arguments_and_annotations_may_hold_commas():
    lists = {name for name in named("list") if WITH_COMMAS.fullmatch(name)}
    assert {name for name in VARIABLES if name.endswith("_arg")} | {"k3a_node_annotation"} == lists


@pytest.mark.parametrize(
    "value, option, sentence",
    [
        ("soon", {"type": "int"}, 'k3a_x must be a whole number, and is "soon"; correct it'),
        ("3e2", {"type": "int"}, 'k3a_x must be a whole number, and is "3e2"; correct it'),
        (1.5, {"type": "int"}, "k3a_x must be a whole number, and is the number 1.5; correct it"),
        (True, {"type": "int"}, "k3a_x must be a whole number, and is true; correct it"),
        ("maybe", {"type": "bool"}, 'k3a_x must be true or false, and is "maybe"; correct it'),
        (2, {"type": "bool"}, "k3a_x must be true or false, and is the number 2; correct it"),
        (384, {"type": "str"}, "k3a_x must be a text, and is the number 384; put it in quotes"),
        (1.1, {"type": "path"}, "k3a_x must be a path, and is the number 1.1; put it in quotes"),
        (True, {"type": "str"}, "k3a_x must be a text, and is true; correct it"),
        (["a"], {"type": "path"}, 'k3a_x must be a path, and is a list, ["a"]; correct it'),
        (None, {"type": "str"}, "k3a_x must be a text, and is empty; correct it"),
        ({"a": 1}, TEXTS, 'k3a_x must be a list, each item a text, and is a mapping, {"a": 1}; correct it'),
        (["a", {"b": 1}], TEXTS, 'k3a_x must be a list, each item a text, and has a mapping, {"b": 1}; correct it'),
        ([1], TEXTS, "k3a_x must be a list, each item a text, and has the number 1; put it in quotes"),
        (["a", None], TEXTS, "k3a_x must be a list, each item a text, and has empty; correct it"),
        ([1, "a", {}], TEXTS, "k3a_x must be a list, each item a text, and has the number 1 and a mapping, {}; correct it"),
        ([1, 2.5], TEXTS, "k3a_x must be a list, each item a text, and has the number 1 and the number 2.5; put them in quotes"),
        (date(2026, 1, 2), {"type": "str"}, "k3a_x must be a text, and is the date 2026-01-02; put it in quotes"),
        ("[&a [*a]]", TEXTS, "k3a_x must be a list, each item a text, and has a list; correct it"),
        ("9" * 5000, {"type": "int"}, f'k3a_x must be a whole number, and is "{"9" * 76}...; correct it'),
        (7, TEXTS, "k3a_x must be a list, each item a text, and is the number 7; put it in quotes"),
        (["a"], {"type": "dict"}, 'k3a_x must be a mapping, and is a list, ["a"]; correct it'),
        ("a=b", {"type": "dict"}, 'k3a_x must be a mapping, and is "a=b"; correct it'),
        ("{a: [}", {"type": "dict"}, 'k3a_x must be a mapping, and is "{a: [}"; correct it'),
        ("wg", {"type": "str", "choices": ["vxlan", "none"]}, 'k3a_x must be one of vxlan, none, and is "wg"; correct it'),
        ("b,a,c", {**TEXTS, "choices": ["a"]}, 'k3a_x must be one of a, and is "b" and "c"; correct it'),
        (False, {"type": "str", "choices": ["warn", "fail"]}, "k3a_x must be one of warn, fail, and is false; correct it"),
        (None, {"type": "str", "choices": ["warn"]}, "k3a_x must be one of warn, and is empty; correct it"),
        ("b", {**TEXTS, "choices": ["a"]}, 'k3a_x must be one of a, and is "b"; correct it'),
        ("x" * 500, {"type": "int"}, f'k3a_x must be a whole number, and is "{"x" * 76}...; correct it'),
    ],
)
def test_what_cannot_be_taken_is_told_in_one_sentence(value, option, sentence):
    assert refusal("k3a_x", value, option) == sentence


@pytest.mark.parametrize("value", [{"a": "s3cr3t"}, ["s3cr3t"], "s3cr3t", 5373, True])
@pytest.mark.parametrize("kind", ["int", "dict", "str", "bool", "list"])
def test_a_secret_is_never_shown(kind, value):
    option = {"type": kind, "elements": "int", "no_log": True}
    try:
        typed("k3a_x", value, option)
    except Mistyped as refused:
        assert not any(secret in f"{refused} {refused.remedy}" for secret in ("s3cr3t", "5373"))


@pytest.mark.parametrize("given, taken", [("/srv/k3a/", "/srv/k3a"), ("/srv/k3a//", "/srv/k3a"), ("/srv/k3a", "/srv/k3a"), ("/", "/"), ("", "")])
def test_a_path_of_a_host_may_end_in_a_slash(given, taken):
    """It was "not an absolute path"; completion of a shell leaves one."""
    assert typed("k3a_data_dir", given, {"type": "path"}) == taken
    assert typed("k3a_x", given, {"type": "str"}) == given


def test_values_that_k3s_has_are_answered_by_what_became_of_them():
    option = spec.specification()["k3a_disable"]
    with pytest.raises(Mistyped) as raised:
        typed("k3a_disable", "traefik,servicelb,coredns", option)
    why = "K3s packages traefik, servicelb, and k3a does not, so that there is nothing to leave out"
    assert (str(raised.value), raised.value.remedy) == (f"k3a_disable: {why}", "remove it")
