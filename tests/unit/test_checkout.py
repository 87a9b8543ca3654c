# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of test-all need is looked for in the caches, and found or not."""

from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import disk
from ansible_collections.k3a.cluster.tests.unit.checkout_tools import load
from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import write_bundle

checkout = load("checkout")


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("K3A_CACHE", str(tmp_path))


def test_a_bundle_is_found_in_the_cache_that_has_it(tmp_path):
    assert checkout.built_bundle() is None
    built = write_bundle(tmp_path)
    assert checkout.built_bundle().resolve() == built
    assert checkout.built_bundle(str(tmp_path / "other")) is None


def test_a_disk_is_there_when_it_was_built():
    assert checkout.built_disk("trixie") is None
    os.makedirs(disk.disk_of("trixie").directory)
    assert checkout.built_disk("bookworm") is None
    assert str(checkout.built_disk("trixie")) == disk.disk_of("trixie").directory
