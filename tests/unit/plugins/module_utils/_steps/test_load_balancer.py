# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._steps import load_balancer
from ansible_collections.k3a.cluster.tests.unit.component_samples import component_of_step, own_options

GIVEN = {"servers": ["10.0.0.1:6443"]}
OTHERS = {
    "bundle": "/var/lib/k3a/data/def",
    "data_dir": "/srv/k3a",
    "fallback": ["lb.example:443"],
    "port": 7444,
    "prefer": "10.0.0.2:6443",
    "servers": ["10.0.0.3:6443"],
}


@pytest.mark.parametrize("option", sorted(own_options(load_balancer) - {"state"}))
def test_every_option_reaches_the_component(monkeypatch, option):
    usual = component_of_step(monkeypatch, "load_balancer", **GIVEN)
    assert component_of_step(monkeypatch, "load_balancer", **GIVEN) == usual
    assert component_of_step(monkeypatch, "load_balancer", **{**GIVEN, option: OTHERS[option]}) != usual
