# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""That the tests are there of which docs/security.md says that they show what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/security.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:[a-z]+/)?test_\w+\.py|ha/join|secrets|test_\w+)`", PAGE)))


def test_the_page_names_tests():
    assert len(NAMED) > 15
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| can ")]
    assert [row for row in rows if not any(f"`{name}`" in row for name in NAMED)] == []


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_is_there(name):
    if name.endswith(".py"):
        where = TESTS / "integration" if "/" in name else TESTS / "unit"
        assert list(where.rglob(name))
    elif name.startswith("test_"):
        assert any(f"def {name}(" in path.read_text() for path in TESTS.rglob("test_*.py"))
    else:
        assert list((TESTS / "integration" / name).glob("test_*.py"))
