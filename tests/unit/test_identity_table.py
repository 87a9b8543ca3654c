# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what happens to hosts and clusters that are not what they were: whole, and on its page as it is tried."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table():
    described = importlib.util.spec_from_file_location("table", ROOT / "tests/integration/identity/table.py")
    module = importlib.util.module_from_spec(described)
    sys.modules["table"] = module  # where its records look for the types of their fields
    described.loader.exec_module(module)
    yield module
    del sys.modules["table"]


def test_the_page_is_what_the_table_writes(table):
    written = "python tests/integration/identity/table.py > docs/identity.md"
    assert (ROOT / "docs/identity.md").read_text() == table.page(), f"run {written}"


def test_every_cell_is_a_case_or_says_why_there_is_none(table):
    for row, cases in table.TABLE.items():
        assert tuple(cases) == table.COLUMNS, row


def test_what_lost_data_is_tried_in_ci(table):
    tried = {(cell.row, cell.column) for cell in table.cells() if cell.case.in_ci}
    one = {
        "the host's name",
        "`k3a_node_name`",
        "`k3a_with_node_id`",
        "`k3a_data_dir`",
        "the data directory is not mounted",
        "the default route leads elsewhere",
        "the operator's kubeconfig of another cluster",
        "two controllers at once",
    }
    emptied = {"`member/` emptied while etcd was stopped", "`member/` emptied while etcd runs"}
    assert {(row, table.ONE) for row in one | emptied} | {(row, table.THREE) for row in emptied} <= tried
