# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges of what is kept; what the approver makes of it is in its own tests."""

from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._joining import names
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping


def test_what_is_gone_is_as_good_as_deleted():
    with keeping() as (objects, url):
        api = node_api.NodeApi(url)
        names.delete(api, names.SECRETS, "gone")
        objects.refusals[("DELETE", f"{names.SECRETS}/kept")] = [(403, "no")]
        with pytest.raises(node_api.ApiRefused):
            names.delete(api, names.SECRETS, "kept")


def test_a_trouble_is_told_once_and_forgotten_with_its_subject():
    told = []
    journal = names.Journal(told.append)
    for _time in range(2):
        journal.trouble("a", "no")
    journal.well("a")
    journal.trouble("b", "no")
    journal.forget("b")
    journal.well("b")
    assert told == ["<4>a: no; trying again", "a: well again", "<4>b: no; trying again"]
