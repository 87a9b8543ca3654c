# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable is asked for in the scenario `options`, or its table says which test has it, and why not that one."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

ROOT = Path(__file__).parents[2]
OPTIONS = ROOT / "tests/integration/options"


@pytest.fixture(scope="module")
def rows():
    """The table, without what it leaves in this process."""
    sys.path.insert(0, str(OPTIONS))
    try:
        yield importlib.import_module("rows")
    finally:
        sys.path.remove(str(OPTIONS))
        for name in ("rows", "questions"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def known():
    return {**spec.specification(), **spec.of_playbooks()}


def asked(rows):
    return {row.variable for row in rows.ROWS} | {name for run in rows.RUNS for name in run.variables}


def test_every_variable_has_a_row_or_the_reason_why_it_has_none(rows, known):
    assert asked(rows) | rows.ELSEWHERE.keys() == known.keys()
    assert not asked(rows) & rows.ELSEWHERE.keys(), "asked for, and said not to be"


def test_a_row_asks_for_another_value_than_the_default(rows, known):
    for row in rows.ROWS:
        assert row.questions and row.rounds, row.variable
        values = (row.value.server, row.value.agent) if isinstance(row.value, rows.On) else (row.value,)
        assert known[row.variable]["default"] not in values, row.variable


def test_a_variable_has_one_value_in_a_round(rows):
    placed = [(row.variable, name) for row in rows.ROWS for name in row.rounds]
    assert len(placed) == len(set(placed))
    assert {name for _variable, name in placed} == set(rows.ROUNDS)


def test_a_run_shows_what_its_variables_do(rows):
    for run in rows.RUNS:
        assert (run.questions or run.says) and run.round in rows.ROUNDS, run


def test_what_is_asked_elsewhere_is(rows):
    for variable, elsewhere in rows.ELSEWHERE.items():
        text = (ROOT / elsewhere.test).read_text()
        word = elsewhere.word or re.sub("^(k3a|nodes)_", "", variable)
        assert word in text, f"{elsewhere.test} has no {word}"
        assert elsewhere.reason.endswith("."), variable
