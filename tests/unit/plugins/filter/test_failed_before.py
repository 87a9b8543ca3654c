# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.failed_before import failed_before

TURNS = [["a1", "a2"], ["a3", "a4"], ["a5"]]


@pytest.mark.parametrize(
    "failed, left_alone",
    [
        ([], []),
        (["a1"], []),
        (["a1", "a2"], ["a3", "a4", "a5"]),
        (["a2", "a3"], []),
        (["a3", "a4"], ["a5"]),
    ],
)
def test_a_turn_that_failed_as_a_whole_is_the_last(failed: list[str], left_alone: list[str]) -> None:
    groups = {"k3a_failed": failed} if failed else {}
    hosts = [host for turn in TURNS for host in turn]
    assert [host for host in hosts if failed_before(groups, host, iter(TURNS))] == left_alone
