# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.action import check_config, drift
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import inheritance


@pytest.fixture
def loaded(monkeypatch):
    """What was loaded, each time that it was."""
    seen = []
    monkeypatch.setattr(inheritance.archive, "default_bundle", lambda: "/bundles/this")
    monkeypatch.setattr(inheritance.archive, "shared_bundle", seen.append)
    monkeypatch.setattr(check_config, "prepare", lambda: seen.append("check_config"))
    monkeypatch.setattr(drift, "prepare", lambda: seen.append("drift"))
    inheritance.prepare.cache_clear()
    yield seen
    inheritance.prepare.cache_clear()


def test_all_that_every_host_needs_is_loaded_once(loaded):
    inheritance.prepare()
    inheritance.prepare()
    assert loaded == ["/bundles/this", "check_config", "drift"]


def test_a_bundle_that_cannot_be_opened_is_left_to_the_hosts_that_want_it(loaded, monkeypatch):
    def refuse(path):
        raise BundleError(f"{path} is no bundle")

    monkeypatch.setattr(inheritance.archive, "shared_bundle", refuse)
    inheritance.prepare()
    assert loaded == ["check_config", "drift"]
