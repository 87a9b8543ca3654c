# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._host import check_facts


def test_components_are_as_the_controller_hands_them_over():
    port = {"number": 10250, "protocol": "tcp", "reach": "nodes", "program": "kubelet"}
    given = {"name": "kubelet", "unit": "k3a-kubelet.service", "routes": False, "ports": [port], "users": []}
    (component,) = check_facts.components_in([given])
    assert component == check_facts.Component(
        "kubelet", "k3a-kubelet.service", False, (check_facts.Port("tcp", 10250, "nodes", "kubelet"),)
    )
    (component,) = check_facts.components_in([{**given, "arguments": ["v=2"], "rules": ["k3a"], "program": "kubelet"}])
    assert (component.arguments, component.rules, component.program) == (("v=2",), ("k3a",), "kubelet")
