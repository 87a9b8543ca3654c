# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import removal
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd as RealEtcd
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdError, EtcdUnavailable, Member
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout


def member(number, name=None, learner=False):
    name = f"s{number}" if name is None else name
    urls = (f"https://10.0.0.{number}:2380",), (f"https://10.0.0.{number}:2379",)
    return Member(str(2**63 + number), name, *urls, learner)


ONE, TWO, THREE = (member(number) for number in (1, 2, 3))
UNSTARTED = member(4, "", True)


class Etcd:
    """Members, and the errors that the next requests meet."""

    def __init__(self, *members, errors=()):
        self.kept, self.errors, self.asked = list(members), list(errors), 0

    def members(self):
        return list(self.kept)

    def remove(self, member_id):
        self.asked += 1
        error = self.errors.pop(0) if self.errors else None
        if not isinstance(error, EtcdError) or "applied" in str(error):
            before = len(self.kept)
            self.kept = [kept for kept in self.kept if kept.id != member_id]
            if len(self.kept) == before:
                raise EtcdError("etcdserver: member not found")
        if error:
            raise error


def healthy(*members):
    return lambda asked: asked in members


@pytest.mark.parametrize(
    "name, peer_url, expected",
    [
        ("s2", "", [TWO]),
        (TWO.id, "", [TWO]),
        (f"{int(TWO.id):x}", "", [TWO]),
        ("", "https://10.0.0.4:2380", [UNSTARTED]),
        ("s2", "https://10.0.0.4:2380", [TWO, UNSTARTED]),
        ("s9", "", []),
        ("", "https://10.0.0.9:2380", []),
    ],
)
def test_a_member_is_found_by_name_id_or_address(name, peer_url, expected):
    assert removal.matching([ONE, TWO, THREE, UNSTARTED], [name], peer_url) == expected


@pytest.mark.parametrize(
    "leaving, members, well",
    [
        ([THREE], [ONE, TWO, THREE], [ONE, TWO, THREE]),
        ([THREE], [ONE, TWO, THREE], [ONE, TWO]),  # the one that goes is dead
        ([TWO], [ONE, TWO], [ONE, TWO]),
        ([], [ONE], [ONE]),
        ([UNSTARTED], [ONE, UNSTARTED], [ONE]),
        ([THREE, UNSTARTED], [ONE, TWO, THREE, UNSTARTED], [ONE, TWO]),
    ],
)
def test_a_member_may_go_that_the_others_can_do_without(leaving, members, well):
    assert set(removal.in_order(leaving, members, healthy(*well))) == set(leaving)


def test_the_ill_go_first():
    assert removal.in_order([TWO, THREE], [ONE, TWO, THREE], healthy(ONE, TWO)) == [THREE, TWO]


@pytest.mark.parametrize(
    "leaving, members, well, told",
    [
        ([ONE], [ONE], [ONE], "s1 is the last voting member of etcd; use reset.yml to end the cluster"),
        ([ONE], [ONE, UNSTARTED], [ONE], "last voting member"),
        ([ONE, TWO], [ONE, TWO], [ONE, TWO], "s2 is the last voting member"),
        ([THREE], [ONE, TWO, THREE], [ONE, THREE], "2 healthy members of etcd must remain, and s2 is not healthy"),
        ([ONE], [ONE, TWO], [ONE], "1 healthy member of etcd must remain, and s2 is not healthy; bring that back first"),
    ],
)
def test_a_majority_of_those_that_remain_must_be_healthy(leaving, members, well, told):
    with pytest.raises(removal.MemberRemovalError) as error:
        removal.in_order(leaving, members, healthy(*well))
    assert told in str(error.value)


def test_members_are_removed():
    etcd = Etcd(ONE, TWO, THREE)
    removal.remove(etcd, [TWO, THREE], time.monotonic() + 60)
    assert etcd.members() == [ONE]


@pytest.mark.parametrize("answer", ["etcdserver: leader changed", "timed out, but applied"])
def test_an_election_is_waited_for(answer, monkeypatch):
    monkeypatch.setattr(removal, "POLL", 0)
    etcd = Etcd(ONE, TWO, errors=[EtcdUnavailable(answer)])
    removal.remove(etcd, [TWO], time.monotonic() + 60)
    assert etcd.members() == [ONE] and etcd.asked == 2


def test_an_election_without_end_is_an_error():
    etcd = Etcd(ONE, TWO, errors=[EtcdUnavailable("etcdserver: no leader")])
    with pytest.raises(EtcdUnavailable, match="no leader"):
        removal.remove(etcd, [TWO], time.monotonic() - 1)
    assert etcd.members() == [ONE, TWO]


def test_what_etcd_refuses_is_refused():
    refusal = EtcdError("etcdserver: re-configuration failed due to not enough started members")
    etcd = Etcd(ONE, TWO, errors=[refusal])
    with pytest.raises(EtcdError, match="not enough started members"):
        removal.remove(etcd, [TWO], time.monotonic() + 60)
    assert etcd.members() == [ONE, TWO]


class Led(Etcd):
    """Members that are led by one of them; the one that is asked is the first."""

    def __init__(self, leader, *members, errors=()):
        super().__init__(*members)
        self.leader, self.refusals, self.handed = leader, list(errors), []

    def status(self):
        return {"header": {"member_id": self.kept[0].id}, "leader": self.leader.id}

    def at(self, endpoints):
        assert endpoints == self.leader.client_urls
        return self

    def hand_over(self, successor):
        self.handed.append(successor)
        if self.refusals:
            raise self.refusals.pop()


@pytest.mark.parametrize("leader, handed", [(THREE, [ONE.id]), (TWO, [ONE.id]), (ONE, [])])
def test_a_leader_that_leaves_hands_over_to_the_one_that_is_asked(leader, handed):
    etcd = Led(leader, ONE, TWO, THREE)
    removal.hand_over(etcd, [TWO, THREE], etcd.at)
    assert etcd.handed == handed


def test_a_leader_that_does_not_hand_over_goes_all_the_same():
    etcd = Led(TWO, ONE, TWO, errors=[EtcdUnavailable("no member of etcd answers")])
    removal.hand_over(etcd, [TWO], etcd.at)
    assert etcd.handed == [ONE.id]


def test_leadership_is_handed_over_by_etcds_own_request(monkeypatch):
    asked = []
    monkeypatch.setattr(RealEtcd, "_ask", lambda self, path, body: asked.append((self.endpoints, path, body)))
    RealEtcd(Layout("/data"), ["https://10.0.0.1:2379"]).hand_over("7")
    assert asked == [(("https://10.0.0.1:2379",), "/v3/maintenance/transfer-leadership", {"targetID": "7"})]
