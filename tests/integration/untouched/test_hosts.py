# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a dry run, and again after a reset: the hosts are as they came."""

from __future__ import annotations

import json

import pytest

LOCK = "/run/k3a-cluster.lock"
KINDS = ("files", "units", "mounts", "links", "routes", "rules", "firewall", "sysctls", "processes")


def differences(before, after):
    if isinstance(before, dict):
        return {
            key: (before.get(key), after.get(key))
            for key in sorted(set(before) | set(after))
            if before.get(key) != after.get(key)
        }
    if isinstance(before, list):
        return [("gone", item) for item in before if item not in after] + [
            ("left", item) for item in after if item not in before
        ]
    return {} if before == after else {"value": (before, after)}


@pytest.fixture(scope="module")
def now(cluster, wait):
    """When the lock is given back as well, which its keeper does after the playbook has ended."""
    for node in cluster.nodes:
        wait(lambda node=node: (not cluster.run(node, f"ls {LOCK} 2>/dev/null || true"), LOCK), f"{node} unlocked", 60)
    return {node: cluster.snapshot(node) for node in cluster.nodes}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_it_is_left(cluster, now, kind):
    before = cluster.remembered("empty")
    found = {node: differences(before[node][kind], now[node][kind]) for node in cluster.nodes}
    left = {node: difference for node, difference in found.items() if difference}
    assert not left, json.dumps(left, indent=1)
