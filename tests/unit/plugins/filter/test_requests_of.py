# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.requests_of import FilterModule

requests_of = FilterModule().filters()["requests_of"]
REQUEST = {"certificate": "/tls/kubelet.crt", "csr": "PEM"}


def test_those_of_each_host_that_has_any():
    hostvars = {
        "agent-1": {"_k3a_node_request": {"requests": [REQUEST], "paths": ["/tls/kubelet.crt"]}},
        "agent-2": {"_k3a_node_request": {"requests": []}},
        "agent-3": {"_k3a_node_request": {"requests": [REQUEST]}},
    }
    assert requests_of(["agent-1", "agent-2"], hostvars) == {"agent-1": [REQUEST]}
    assert requests_of([], hostvars) == {}


@pytest.mark.parametrize("variables", [{}, {"_k3a_node_request": {"skipped": True}}, {"_k3a_node_request": {"failed": True}}])
def test_a_host_without_a_result_has_none(variables):
    assert requests_of(["agent-1"], {"agent-1": variables}) == {}
