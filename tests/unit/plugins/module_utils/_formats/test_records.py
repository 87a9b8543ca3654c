# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import records


@dataclass(frozen=True)
class Sample:
    name: str
    number: int = 1
    share: float = 0.0
    there: bool = False
    names: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    any: Mapping[str, Any] = field(default_factory=dict)


def test_known_keys_are_taken_and_others_are_not():
    given = {"name": "n", "names": ["a"], "texts": {"k": "v"}, "any": {"k": 1}, "share": 2, "more": 1}
    assert records.record(Sample, given) == Sample("n", share=2.0, names=("a",), texts={"k": "v"}, any={"k": 1})


@pytest.mark.parametrize(
    "given, told",
    [
        ({}, "it has no name"),
        ({"name": 1}, "its name is 1, which is no str"),
        ({"number": True}, "its number is True, which is no int"),
        ({"number": 1.5}, "its number is 1.5, which is no int"),
        ({"share": float("inf")}, "its share is inf, which is no float"),
        ({"there": 1}, "its there is 1, which is no bool"),
        ({"names": "a"}, "its names is 'a', which is no tuple"),
        ({"texts": {"k": 1}}, "its texts is {'k': 1}, which is no Mapping"),
        ({"any": []}, "its any is [], which is no Mapping"),
    ],
)
def test_another_type_is_refused_by_name(given, told):
    with pytest.raises(records.FormError) as error:
        records.record(Sample, given if not given else {"name": "n", **given})
    assert told in str(error.value)


def test_a_list_of_mappings_is_as_many_records():
    assert records.records(Sample, "samples", [{"name": "a"}, {"name": "b"}]) == (Sample("a"), Sample("b"))
    with pytest.raises(records.FormError, match="its samples is 'text', which is no list of mappings"):
        records.records(Sample, "samples", "text")
