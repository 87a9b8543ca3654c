# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.k3a.cluster.plugins.lookup import rbac
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon.manifest import load
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki


def no_file(path):
    raise AssertionError(f"{path} is asked for")


def test_a_role_gets_objects_that_an_addon_takes():
    (objects,) = rbac.LookupModule().run([], config={}, ca_certificates={})
    assert {each["kind"] for each in objects} >= {"Namespace", "ClusterRole", "RoleBinding"}
    assert len(load([{"name": "rbac", "manifest": objects}], no_file)) == len(objects)


def test_terms_would_be_ignored_and_are_refused():
    with pytest.raises(AnsibleLookupError, match="takes no terms"):
        rbac.LookupModule().run(["flannel"], config={}, ca_certificates={})


@pytest.mark.parametrize("later, days, shared", [(0, 0, False), (1, 0, True), (1, 365, True), (1, 367, False)])
def test_what_earlier_versions_need_ends_by_the_age_of_the_cas(later, days, shared):
    made = datetime.now(timezone.utc) - timedelta(days=days)
    begun = {"server": made - timedelta(seconds=later), "kubelet-serving": made}
    certificates = {name: pki.new_authority(name, begin)[0] for name, begin in begun.items()}
    (objects,) = rbac.LookupModule().run([], config={}, ca_certificates=certificates)
    assert ("k3a-flannel-shared" in {each["metadata"]["name"] for each in objects}) is shared


def test_a_ca_that_cannot_be_read_ends_the_run():
    damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(AnsibleLookupError, match="the CA for kubelets cannot be used, since .*put it back"):
        rbac.LookupModule().run([], config={}, ca_certificates={"server": damaged, "kubelet-serving": damaged})
