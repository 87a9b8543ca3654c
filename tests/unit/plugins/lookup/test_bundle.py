# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.k3a.cluster.plugins.lookup import bundle
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError


def test_the_lookup_gives_the_path(monkeypatch):
    monkeypatch.setattr(bundle, "default_bundle", lambda: "/cache/bundles/x")
    assert bundle.LookupModule().run([]) == ["/cache/bundles/x"]


def test_a_bundle_that_has_not_been_built_ends_the_lookup(monkeypatch):
    def missing():
        raise BundleError("the bundle of this version is not in /cache: build it")

    monkeypatch.setattr(bundle, "default_bundle", missing)
    with pytest.raises(AnsibleLookupError, match="is not in /cache: build it"):
        bundle.LookupModule().run([])
