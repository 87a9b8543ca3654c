# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.password_hashes import FilterModule

password_hashes = FilterModule().filters()["password_hashes"]
RECORD = {"node_name": "a1"}


def test_each_node_that_has_a_new_one():
    hostvars = {
        "agent-1": {"_k3a": RECORD, "_k3a_password": {"changed": True, "hash": "$1:abc"}},
        "agent-2": {"_k3a": {"node_name": "a2"}, "_k3a_password": {"changed": False, "hash": "$1:def"}},
        "agent-3": {"_k3a": {"node_name": "a3"}, "_k3a_password": {"hash": "$1:none of its"}},
    }
    assert password_hashes(["agent-1", "agent-2"], hostvars) == [
        {"name": "a1", "hash": "$1:abc"},
        {"name": "a2", "hash": "$1:def"},
    ]
    assert password_hashes([], hostvars) == []


@pytest.mark.parametrize(
    "variables", [{}, {"_k3a_password": {"skipped": True}}, {"_k3a_password": {"failed": True, "msg": "x"}}]
)
def test_a_host_that_left_the_run_has_none(variables):
    assert password_hashes(["agent-1"], {"agent-1": variables}) == []


def test_in_check_mode_a_password_that_is_still_to_be_made_counts():
    hostvars = {"agent-1": {"_k3a": RECORD, "_k3a_password": {"changed": True, "hash": ""}}}
    assert password_hashes(["agent-1"], hostvars) == [{"name": "a1", "hash": ""}]
