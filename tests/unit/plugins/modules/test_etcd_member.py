# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdUnavailable, Member
from ansible_collections.k3a.cluster.plugins.modules import etcd_member


def member(number, learner=False):
    return Member(
        str(number), f"s{number}", (f"https://10.0.0.{number}:2380",), (f"https://10.0.0.{number}:2379",), learner
    )


class Etcd:
    """Three members, of which some are well."""

    def __init__(self, well=("s1", "s2", "s3")):
        self.kept, self.well = [member(1), member(2), member(3)], well
        self.handed = []

    def __call__(self, layout, endpoints):
        assert list(endpoints) in (["https://127.0.0.1:2379"], ["https://10.0.0.3:2379"])
        self.layout = layout
        return self

    def members(self):
        return list(self.kept)

    def healthy(self, asked):
        return asked.name in self.well

    def status(self):
        return {"header": {"member_id": "2"}, "leader": "3"}

    def hand_over(self, successor):
        self.handed.append(successor)

    def remove(self, member_id):
        self.kept = [kept for kept in self.kept if kept.id != member_id]


@pytest.fixture
def etcd(monkeypatch):
    stand_in = Etcd()
    monkeypatch.setattr(etcd_member, "Etcd", stand_in)
    return stand_in


def test_a_member_goes_once(run_module, etcd):
    first = run_module(etcd_member, names=["s1"], data_dir="/data")
    assert (first["changed"], first["removed_members"], first["members"]) == (True, ["s1"], ["s2", "s3"])
    assert [kept.name for kept in etcd.kept] == ["s2", "s3"]
    assert etcd.layout.data_dir == "/data"
    second = run_module(etcd_member, names=["s1"])
    assert (second["changed"], second["removed_members"], second["members"], second["diff"]) == (False, [], ["s2", "s3"], [])


def test_check_mode_tells_the_same_and_removes_nothing(run_module, etcd):
    announced = run_module(etcd_member, check=True, names=["s3"])
    assert len(etcd.kept) == 3 and etcd.handed == []
    done = run_module(etcd_member, names=["s3"])
    assert etcd.handed == ["2"]
    assert announced == done
    assert done["diff"] == [
        {
            "before_header": "etcd members",
            "after_header": "etcd members",
            "before": "s1 https://10.0.0.1:2380\ns2 https://10.0.0.2:2380\ns3 https://10.0.0.3:2380\n",
            "after": "s1 https://10.0.0.1:2380\ns2 https://10.0.0.2:2380\n",
        }
    ]


@pytest.mark.parametrize("check", [True, False])
def test_quorum_is_never_given_up(run_module, etcd, check):
    etcd.well = ("s1", "s3")
    result = run_module(etcd_member, check=check, names=["s1"])
    assert result["failed"] and len(etcd.kept) == 3
    assert result["msg"] == (
        "s1 cannot be removed from etcd: 2 healthy members of etcd must remain, and s2 is not healthy; bring that back first"
    )


def test_without_a_majority_nothing_is_removed(run_module, etcd, monkeypatch):
    def unavailable():
        raise EtcdUnavailable("no member of etcd answers (https://127.0.0.1:2379: no leader)")

    monkeypatch.setattr(etcd, "members", unavailable)
    result = run_module(etcd_member, names=["s1"])
    assert result["failed"] and result["msg"].startswith("s1 cannot be removed from etcd: no member of etcd answers")


def test_who_is_meant_must_be_said(run_module, etcd):
    result = run_module(etcd_member)
    assert result["failed"] and "which member" in result["msg"]
    assert run_module(etcd_member, peer_url="https://10.0.0.2:2380")["removed_members"] == ["s2"]


def test_several_go_and_the_ill_ones_first(run_module, etcd):
    etcd.well = ("s1", "s2")
    result = run_module(etcd_member, names=["s2", "s3"])
    assert (result["removed_members"], result["members"]) == (["s3", "s2"], ["s1"])
    assert [kept.name for kept in etcd.kept] == ["s1"]
