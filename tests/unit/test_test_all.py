# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.k3a.cluster.tests.unit.checkout_tools import load

test_all = load("test_all")


@pytest.fixture
def parts(monkeypatch):
    """Three parts of ten minutes, whose programs are there."""
    part = test_all.Part("something", ("true",), minutes=10)
    parts = {"one": part, "two": part, "three": part}
    monkeypatch.setattr(test_all, "PARTS", parts)
    return parts


def test_parts_are_chosen_while_minutes_are_left(parts):
    assert test_all.choose(list(parts), 30) == (["one", "two", "three"], {})
    assert test_all.choose(list(parts), 25) == (["one", "two"], {"three": "it takes 10 minutes, and 5 are left"})
    chosen, left_out = test_all.choose(list(parts), -3)
    assert (chosen, left_out["one"]) == ([], "it takes 10 minutes, and 0 are left")


def test_a_short_part_goes_where_a_long_one_does_not(parts):
    parts["one"] = dataclasses.replace(parts["one"], minutes=40)
    assert test_all.choose(list(parts), 20)[0] == ["two", "three"]


def test_a_part_whose_programs_are_not_built_is_left_out(parts):
    parts["two"] = dataclasses.replace(parts["two"], lacking=lambda: "e2e.test")
    assert test_all.choose(list(parts), 20) == (["one", "three"], {"two": "e2e.test is not in the cache"})


def test_a_part_passes_by_its_status_and_ends_in_time(parts, monkeypatch, capfd):
    parts["two"] = dataclasses.replace(parts["two"], command=("sh", "-c", "exit 3"))
    parts["three"] = dataclasses.replace(parts["three"], command=("sleep", "60"))
    assert test_all.run("one")
    assert not test_all.run("two")
    monkeypatch.setattr(test_all, "LONGEST", 0.001)
    assert not test_all.run("three")
    output = capfd.readouterr().out
    assert "one passed" in output
    assert "two failed with status 3" in output
    assert "three failed: no end after" in output


def test_no_part_takes_longer_than_parts_may():
    assert all(part.minutes <= test_all.LONGEST for part in load("test_all").PARTS.values())
