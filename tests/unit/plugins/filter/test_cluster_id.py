# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.cluster_id import FilterModule

cluster_id = FilterModule().filters()["cluster_id"]


def test_that_of_a_cluster_that_has_begun_in_this_run():
    assert cluster_id({"_k3a_begun": {"cluster_id": "u1"}}, {"cluster_id": ""}) == "u1"


@pytest.mark.parametrize("server", [{}, {"_k3a_begun": {"skipped": True}}, {"_k3a_begun": {"cluster_id": ""}}])
def test_all_others_are_known_to_the_verdict(server):
    assert cluster_id(server, {"cluster_id": "u1"}) == "u1"
    assert cluster_id(server, {"cluster_id": ""}) == ""
