# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import held
from ansible_collections.k3a.cluster.tests.unit.etcd_members import Cluster, lease


def look(value, identity="a/1/2"):
    etcd = Cluster()
    etcd.lease = value
    held.refuse_other(etcd, identity)


def test_a_lease_is_read_as_the_api_server_keeps_it():
    assert held.holder_in(lease("b/1/2", 1795492282)) == ("b/1/2", 1795492282)


@pytest.mark.parametrize("value", [b"", b"k8s\0", b"{}", b"k8s\0" + b"\xff" * 30, lease("b/1/2", 7)[:-9]])
def test_what_is_no_lease_is_nobodys(value):
    assert held.holder_in(value) == ("", 0)


def test_nothing_is_changed_where_another_playbook_has_it():
    with pytest.raises(held.HeldByOther) as told:
        look(lease("b/1\n/2", int(time.time()) - 100))
    assert str(told.value) == (
        "another playbook (b/1 /2) holds the cluster's lock by now, so nothing more is changed; "
        "run this one again when that has ended"
    )


@pytest.mark.parametrize(
    "value",
    [None, lease("a/1/2", int(time.time())), lease("", int(time.time())), lease("b/1/2", int(time.time()) - 181)],
    ids=["none", "one's own", "nobody's", "expired"],
)
def test_ones_own_or_nobodys_or_one_that_expired_is_no_obstacle(value):
    look(value)


def test_without_a_playbook_nobody_looks():
    look(lease("b/1/2", int(time.time())), identity="")
