# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.k3a.cluster.plugins.lookup import rbac
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon.manifest import load


def no_file(path):
    raise AssertionError(f"{path} is asked for")


def test_a_role_gets_objects_that_an_addon_takes():
    (objects,) = rbac.LookupModule().run([], config={})
    assert {each["kind"] for each in objects} >= {"Namespace", "ClusterRole", "RoleBinding"}
    assert len(load([{"name": "rbac", "manifest": objects}], no_file)) == len(objects)


def test_terms_would_be_ignored_and_are_refused():
    with pytest.raises(AnsibleLookupError, match="takes no terms"):
        rbac.LookupModule().run(["flannel"], config={})
