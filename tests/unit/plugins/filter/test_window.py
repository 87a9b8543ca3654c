# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.filter.window import FilterModule

window = FilterModule().filters()["window"]


def test_it_is_what_the_verdict_says():
    hostvars = {"a1": {"_k3a_verdict": {"max_unavailable": 3}}, "s1": {}}
    assert window({"hostvars": hostvars}, {"server": ["s1"], "k3a_changing": ["a1"]}) == 3


def test_where_nobody_changes_nothing_is_read():
    assert window({}, {"server": ["s1"]}) == window({}, {"k3a_changing": []}) == 1
