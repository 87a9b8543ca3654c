# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lease as leases
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiRefused, NodeApi
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import Lease
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/work"
DURATION = 15


class World:
    """An API with a lease, and a clock for all who want it."""

    def __init__(self, objects, url):
        self.objects = objects
        self.url = url
        self.now = 1000.0

    def lease(self, holder, **more):
        return Lease(NodeApi(self.url), "kube-system", "work", holder, DURATION, clock=lambda: self.now, **more)


@pytest.fixture
def world():
    with keeping() as (objects, url):
        yield World(objects, url)


def test_one_lease_has_one_holder(world):
    a, b = world.lease("a"), world.lease("b")
    assert [a.hold(), b.hold(), a.hold()] == [True, False, True]
    spec = world.objects.kept[PATH]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("a", 15, 1)
    assert spec["acquireTime"] <= spec["renewTime"]


def test_a_lease_that_is_renewed_is_never_taken(world):
    a, b = world.lease("a"), world.lease("b")
    for _time in range(10):
        world.now += DURATION - 1
        assert [a.hold(), b.hold()] == [True, False]


@pytest.mark.parametrize("patience", [0, 5])
def test_a_lease_whose_holder_died_is_taken(world, patience):
    a, b = world.lease("a"), world.lease("b", patience=patience)
    assert [a.hold(), b.hold()] == [True, False]
    world.now += (patience or DURATION) - 1
    assert not b.hold()
    world.now += 1
    assert [b.hold(), a.hold()] == [True, False]
    assert world.objects.kept[PATH]["spec"]["leaseTransitions"] == 2


def test_a_lease_that_was_released_is_taken_at_once(world):
    a, b = world.lease("a"), world.lease("b")
    assert [a.hold(), b.hold()] == [True, False]
    b.release()
    assert not b.hold()
    a.release()
    assert b.hold()


def test_a_restarted_holder_goes_on(world):
    assert world.lease("a").hold() and world.lease("a").hold()


def test_of_two_that_take_a_lease_at_once_one_gets_it(world):
    def faster(method, path):
        if method == "POST":
            world.objects.add(PATH, {"metadata": {}, "spec": {"holderIdentity": "b"}})

    world.objects.before = faster
    assert not world.lease("a").hold()


def test_what_others_see_of_a_holder(world):
    world.lease("a", description="ann@ctl, process 7").hold()
    other = world.lease("b").other()
    assert (other.id, other.description, other.since <= other.renewed) == ("a", "ann@ctl, process 7", True)
    assert abs(other.age(leases.seconds_of(other.renewed) + 20) - 20) < 0.001
    assert world.lease("a").other() is None
    world.lease("a").release()
    assert world.lease("b").other() is None


@pytest.mark.parametrize("odd", [{"spec": {"holderIdentity": 7}}, {"spec": {"holderIdentity": "x", "renewTime": None}}])
def test_what_the_api_says_is_data(world, odd):
    world.objects.add(PATH, odd)
    other = world.lease("b").other()
    assert isinstance(other.id, str) and abs(other.age(leases.time.time())) < 5
    assert not world.lease("b").hold()


def test_from_a_holder_that_is_known_to_be_dead_it_is_taken_at_once(world):
    world.lease("a").hold()
    b = world.lease("b")
    assert [b.replace("c"), b.replace("a"), b.replace("a")] == [False, True, True]
    assert world.objects.kept[PATH]["spec"]["holderIdentity"] == "b"


def test_what_the_api_refuses_is_raised(world):
    world.objects.refusals[("POST", PATH.rpartition("/")[0])] = [(403, "no")]
    with pytest.raises(ApiRefused):
        world.lease("a").hold()


def test_moments():
    assert leases.micro_time(1.5) == "1970-01-01T00:00:01.500000Z"
    assert leases.seconds_of("1970-01-01T00:00:01.500000Z") == 1.0
    assert abs(leases.seconds_of("") - leases.time.time()) < 5
