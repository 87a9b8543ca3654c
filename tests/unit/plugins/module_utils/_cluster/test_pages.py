# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import pages
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping


def test_a_list_is_read_to_its_end_and_its_version_is_known(monkeypatch):
    monkeypatch.setattr(pages, "NODES_PAGE", "2")
    with keeping() as (objects, url):
        for number in range(5):
            objects.add(f"{pages.NODES}/n{number}", {"metadata": {"name": f"n{number}"}})
        reading = pages.nodes(node_api.NodeApi(url))
        found = []
        with pytest.raises(StopIteration) as ended:
            while True:
                found.append(next(reading)["metadata"]["name"])
    assert found == [f"n{number}" for number in range(5)]
    assert ended.value.value == str(objects.version)
