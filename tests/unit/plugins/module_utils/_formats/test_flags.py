# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags

DEFAULTS = {"v": "2", "feature-gates": "A=true", "bind-address": "127.0.0.1"}


@pytest.mark.parametrize(
    "argument, parts",
    [
        ("v=4", ("v", "replace", "4")),
        ("--v=4", ("v", "replace", "4")),
        ("-v=4", ("v", "replace", "4")),
        ("feature-gates+=B=true", ("feature-gates", "append", "B=true")),
        ("feature-gates-=B=true", ("feature-gates", "prepend", "B=true")),
        ("feature-gates=A=true,B=false", ("feature-gates", "replace", "A=true,B=false")),
        ("empty=", ("empty", "replace", "")),
        ("on", ("on", "replace", "")),
    ],
)
def test_an_argument_has_a_flag_a_manner_and_a_value(argument, parts):
    assert flags.split_argument(argument) == parts


@pytest.mark.parametrize(
    "extra, changed",
    [
        ([], []),
        (["v=4"], ["--v=4"]),
        (["--v=4"], ["--v=4"]),
        (["new=x"], ["--new=x"]),
        (["feature-gates+=B=true"], ["--feature-gates=A=true,B=true"]),
        (["feature-gates-=B=true"], ["--feature-gates=B=true,A=true"]),
        (["feature-gates+=B=true", "feature-gates+=C=true"], ["--feature-gates=A=true,B=true,C=true"]),
        (["feature-gates-=B=true", "feature-gates+=C=true"], ["--feature-gates=B=true,A=true,C=true"]),
        (["feature-gates=B=true", "feature-gates+=C=true"], ["--feature-gates=B=true,C=true"]),
        (["new+=x"], ["--new=x"]),
        (["new-=x", "new-=y"], ["--new=y,x"]),
        (["v=1", "v=3"], ["--v=1", "--v=3"]),
        (["v=1", "v=3", "v+=5"], ["--v=1", "--v=3,5"]),
        (["v=1", "v=3", "v-=0"], ["--v=0,1", "--v=3"]),
        (["bind-address="], ["--bind-address="]),
    ],
    ids=str,
)
def test_merging_changes_the_flags_it_names_and_no_other(extra, changed):
    touched = {flags.split_argument(argument)[0] for argument in extra}
    kept = [f"--{name}={value}" for name, value in DEFAULTS.items() if name not in touched]
    merged = flags.merge(DEFAULTS, extra)
    assert sorted(merged) == sorted([*kept, *changed])
    assert [item for item in merged if item in changed] == changed


def test_flags_are_sorted_so_that_the_unit_does_not_depend_on_how_it_was_made():
    one = flags.merge({"b": "1", "a": "2"}, ["d=4", "c=3"])
    assert one == flags.merge({"a": "2", "b": "1"}, ["c=3", "d=4"]) == ["--a=2", "--b=1", "--c=3", "--d=4"]


def test_neither_defaults_nor_arguments_are_changed():
    defaults, extra = {"a": "1"}, ["a+=2"]
    flags.merge(defaults, extra)
    assert (defaults, extra) == ({"a": "1"}, ["a+=2"])


def test_what_a_component_logs_is_an_argument_where_it_is_not_what_it_logs_by_itself():
    assert flags.logging({"v": 4, "vmodule": "kubelet*=6,a=1"}) == {"v": "4", "vmodule": "kubelet*=6,a=1"}
    assert flags.logging({"v": 0, "vmodule": ""}) == flags.logging({}) == {}
    assert flags.merge(flags.logging({"v": 4}), ["v=2"]) == ["--v=2"]
