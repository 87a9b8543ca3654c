# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.filter.unfinished_hosts import FilterModule

unfinished_hosts = FilterModule().filters()["unfinished_hosts"]


def test_a_run_in_which_nothing_failed_has_none():
    assert unfinished_hosts({"all": ["s1"]}, ["s1"], ["s1"], {}) == {"failed": [], "left_alone": []}


def test_who_left_the_run_or_could_not_be_changed_failed_and_who_was_excluded_is_told_elsewhere():
    groups = {"k3a_failed": ["a1"], "k3a_left_alone": ["a3"]}
    found = unfinished_hosts(groups, ["s1", "a1", "a3"], ["s1", "a1", "a2", "a3", "a4"], {"a4": ["no nft"]})
    assert found == {"failed": ["a2", "a1"], "left_alone": ["a3"]}
