# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import join as joining
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdError, EtcdUnavailable
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import MembershipError
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.systemd import UnitState
from ansible_collections.k3a.cluster.tests.unit.etcd_members import Cluster, member, url

S1, S2 = member(1), member(2)


def interrupting(interrupts):
    return component.Plan("d", (), (), (), (), None, {}, False, (), (), None, interrupts)


API = component.Component(name="apiserver", unit="")
QUIET, INTERRUPTING = interrupting(False), interrupting(True)


class Systemd:
    """The units of a server; whether its API server runs is for the test to say."""

    def __init__(self, monkeypatch):
        self.told = []
        self.api = "inactive"
        for verb in ("pause", "restart", "stop"):
            monkeypatch.setattr(joining.systemd, verb, lambda unit, verb=verb: self.tell(verb, unit))
        monkeypatch.setattr(
            joining.systemd, "unit_state", lambda _unit: UnitState(True, self.api, "", 0, True, 0, False, False)
        )

    def tell(self, verb, unit):
        self.told.append(f"{verb} {unit}")
        self.api = {"pause": "inactive", "restart": "active"}.get(verb, self.api)


class Server:
    """The third server, with a datastore on disk and the others as they are told to be."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.db = folder / "server/db"
        (self.db / "etcd").mkdir(parents=True)
        self.systemd = Systemd(monkeypatch)
        monkeypatch.setattr(joining.health, "POLL", 0.001)

    def begin_data(self):
        (self.db / "etcd/member/wal").mkdir(parents=True)
        (self.db / "etcd/member/wal/0000000000000000-0000000000000000.wal").write_text("entries")

    def join(self, etcd, timeout=20, **params):
        self.monkeypatch.setattr(joining, "Etcd", etcd)
        endpoints = [url(number, 2379) for number in (1, 2, 3)]
        given = {"endpoints": endpoints, "first_server": "", "replace": False, **params}
        return joining.Join({"data_dir": str(self.folder), "timeout": timeout, **given}, "s3", "10.0.0.3", API)

    @property
    def first_start(self):
        return self.db / "etcd.env"


@pytest.fixture
def server(tmp_path, monkeypatch):
    return Server(tmp_path / "k3a", monkeypatch)


def prepared(join, plan=QUIET):
    decided = join.decide(False)
    join.foresee(decided, plan)
    join.prepare(decided)
    return decided


class TestSeen:
    def test_itself_is_asked_first_and_not_twice(self, server):
        etcd = Cluster(S1, S2)
        join = server.join(etcd)
        assert etcd.endpoints == ("https://127.0.0.1:2379", url(1, 2379), url(2, 2379))
        assert join.others == [url(1, 2379), url(2, 2379)]
        assert etcd.layout == Layout(str(server.folder))

    def test_what_decides(self, server):
        server.begin_data()
        seen = server.join(Cluster(S1), first_server="s1", replace=True).seen
        assert (seen.name, seen.peer_url, seen.has_data) == ("s3", url(3), True)
        assert (seen.members, seen.first_server, seen.replace) == ((S1,), "s1", True)

    def test_without_a_majority_there_are_no_members(self, server):
        etcd = Cluster(S1, S2)
        etcd.majority = False
        assert server.join(etcd).seen.members is None

    def test_data_begins_with_the_first_log(self, server):
        layout = Layout(str(server.folder))
        assert not layout.etcd_has_data
        (server.db / "etcd/member/snap").mkdir(parents=True)
        assert not layout.etcd_has_data
        server.begin_data()
        assert layout.etcd_has_data


class TestDecide:
    def test_check_mode_announces_a_cluster_whose_first_server_has_not_begun_it(self, server):
        etcd = Cluster()
        etcd.majority = False
        join = server.join(etcd, first_server="s1")
        assert join.decide(True).starts_new_cluster
        with pytest.raises(MembershipError, match="no majority"):
            join.decide(False)

    def test_check_mode_announces_no_cluster_for_one_that_is_only_down(self, server):
        etcd = Cluster()
        etcd.majority = False
        with pytest.raises(MembershipError, match="no majority"):
            server.join(etcd).decide(True)
        server.begin_data()
        assert not server.join(etcd, first_server="s1").decide(True).changed


@pytest.mark.skipif(os.geteuid() != 0, reason="the file of the first start belongs to root")
class TestPrepare:
    def test_a_server_that_joins_is_announced_and_told_of_the_others(self, server):
        etcd = Cluster(S1, S2)
        prepared(server.join(etcd))
        assert etcd.told == [f"add {url(3)}"]
        assert server.first_start.read_text() == (
            f"ETCD_INITIAL_CLUSTER=s1={url(1)},s2={url(2)},s3={url(3)}\nETCD_INITIAL_CLUSTER_STATE=existing\n"
        )
        assert files.ownership(str(server.first_start)) == (0o600, "root", "root")

    def test_the_first_server_begins_a_cluster_of_one(self, server):
        etcd = Cluster()
        etcd.majority = False
        prepared(server.join(etcd, first_server="s3"))
        assert server.first_start.read_text() == (
            f"ETCD_INITIAL_CLUSTER=s3={url(3)}\nETCD_INITIAL_CLUSTER_STATE=new\n"
        )

    def test_one_that_was_announced_already_is_not_announced_again(self, server):
        etcd = Cluster(S1, member(3, learner=True, started=False))
        prepared(server.join(etcd))
        assert etcd.told == []
        assert server.first_start.read_text().startswith(f"ETCD_INITIAL_CLUSTER=s1={url(1)},s3={url(3)}\n")

    def test_a_learner_with_data_has_had_its_first_start(self, server):
        server.begin_data()
        prepared(server.join(Cluster(S1, member(3, learner=True))))
        assert not server.first_start.exists()

    def test_a_settled_member_is_left_alone(self, server):
        server.begin_data()
        etcd = Cluster(S1, S2, member(3))
        assert not prepared(server.join(etcd)).changed
        assert (etcd.told, server.systemd.told) == ([], [])
        assert not server.first_start.exists()

    def test_old_data_is_set_aside_and_kept(self, server, monkeypatch):
        server.begin_data()
        monkeypatch.setattr(joining.time, "time", lambda: 1795492282.9)
        etcd = Cluster(S1, S2)
        prepared(server.join(etcd))
        assert server.systemd.told == ["stop k3a-etcd.service"]
        assert sorted(path.name for path in server.db.iterdir()) == ["etcd-old-1795492282", "etcd.env"]
        (kept,) = server.db.glob("etcd-old-*/member/wal/*.wal")
        assert kept.read_text() == "entries"
        assert etcd.told == [f"add {url(3)}"]

    def test_others_learners_and_its_own_former_member_go_first(self, server):
        etcd = Cluster(S1, S2, member(3), member(4, learner=True))
        prepared(server.join(etcd, replace=True))
        assert etcd.told == ["remove 3", "remove 4", f"add {url(3)}"]

    def test_a_new_address_is_told_before_it_is_used(self, server):
        server.begin_data()
        moved = Cluster(S1, S2, member(3))
        moved.update("3", [url(33)])
        prepared(server.join(moved), INTERRUPTING)
        assert moved.told[1:] == [f"update 3 {url(3)}"]

    def test_etcd_gets_the_time_that_it_needs_between_two_changes(self, server):
        etcd = Cluster(S1, S2)
        etcd.refusals = [EtcdUnavailable("etcdserver: unhealthy cluster")] * 3
        prepared(server.join(etcd))
        assert etcd.told == [f"add {url(3)}"]

    def test_but_not_for_ever(self, server):
        etcd = Cluster(S1, S2)
        join = server.join(etcd, timeout=0)
        etcd.refusals = [EtcdUnavailable("etcdserver: unhealthy cluster")]
        with pytest.raises(MembershipError) as raised:
            prepared(join)
        assert str(raised.value) == "the members of etcd cannot be changed: etcdserver: unhealthy cluster"
        assert not server.first_start.exists()

    def test_what_etcd_will_never_do_ends_it_at_once(self, server):
        etcd = Cluster(S1, S2)
        etcd.refusals = [EtcdError("etcdserver: permission denied")]
        with pytest.raises(EtcdError, match="permission denied"):
            prepared(server.join(etcd))
        assert not server.first_start.exists()


class TestRestart:
    @pytest.fixture(autouse=True)
    def running(self, server):
        server.begin_data()
        server.systemd.api = "active"

    def test_the_majority_is_kept(self, server):
        etcd = Cluster(S1, S2, member(3), ill=("s1",))
        with pytest.raises(MembershipError) as raised:
            prepared(server.join(etcd), INTERRUPTING)
        assert str(raised.value) == (
            "etcd cannot be restarted now: 2 healthy members of etcd must remain, and s1 is not healthy; "
            "put that right first"
        )
        assert server.systemd.told == []

    def test_one_that_is_ill_itself_may_always_be_restarted(self, server):
        prepared(server.join(Cluster(S1, S2, member(3), ill=("s1", "s3"))), INTERRUPTING)
        assert server.systemd.told == []

    def test_what_does_not_interrupt_it_needs_no_majority(self, server):
        prepared(server.join(Cluster(S1, S2, member(3), ill=("s1",))))

    def test_a_leader_hands_over_to_a_voter_that_is_well(self, server):
        etcd = Cluster(S1, S2, member(3), member(4), member(5))
        etcd.led_by, etcd.ill = "3", ("s1",)
        prepared(server.join(etcd), INTERRUPTING)
        assert etcd.told == ["hand over to 2"]
        assert server.systemd.told == ["pause k3a-apiserver.service"]

    def test_nobody_else_hands_over(self, server):
        etcd = Cluster(S1, S2, member(3))
        etcd.led_by = "1"
        prepared(server.join(etcd), INTERRUPTING)
        assert etcd.told == []

    def test_a_leader_that_cannot_hand_over_is_restarted_all_the_same(self, server):
        etcd = Cluster(S1, S2, member(3))
        etcd.led_by, etcd.refusals = "3", [EtcdError("etcdserver: bad leader transferee")]
        prepared(server.join(etcd), INTERRUPTING)
        assert server.systemd.told == ["pause k3a-apiserver.service"]

    def test_the_clients_of_its_api_server_leave_it_first_and_can_come_back(self, server, monkeypatch):
        waited = []
        monkeypatch.setattr(
            joining.component, "wait_until_well", lambda each, deadline: waited.append((each.unit_name, deadline))
        )
        join = server.join(Cluster(S1, S2, member(3)))
        prepared(join, INTERRUPTING)
        assert server.systemd.told == ["pause k3a-apiserver.service"]
        join.finish()
        assert server.systemd.told[1:] == ["restart k3a-apiserver.service"]
        assert waited == [("k3a-apiserver.service", join.deadline)]

    def test_an_api_server_that_does_not_come_back_is_told(self, server, monkeypatch):
        reason = "k3a-apiserver is not healthy: readyz answers 500"
        monkeypatch.setattr(joining.component, "_unmet", lambda _each, _deadline, _begun: "readyz answers 500")
        monkeypatch.setattr(joining.systemd, "journal_tail", lambda unit: f"journal of {unit}")
        join = server.join(Cluster(S1, S2, member(3)))
        prepared(join, INTERRUPTING)
        with pytest.raises(component.NotWell, match=reason):
            join.finish()

    def test_one_that_does_not_run_is_not_started(self, server):
        server.systemd.api = "inactive"
        join = server.join(Cluster(S1, S2, member(3)))
        prepared(join, INTERRUPTING)
        join.finish()
        assert server.systemd.told == []

    def test_the_only_server_has_nowhere_to_send_them(self, server):
        join = server.join(Cluster(member(3)), endpoints=[url(3, 2379)])
        prepared(join, INTERRUPTING)
        assert server.systemd.told == []


class TestForesee:
    """What check mode announces beside etcd itself, and what it refuses as the run does."""

    def changes(self, join, plan):
        return {change.path: change.after for change in join.foresee(join.decide(True), plan)}

    def test_a_settled_server_has_nothing_more_to_change(self, server):
        server.begin_data()
        assert self.changes(server.join(Cluster(S1, S2, member(3))), QUIET) == {}

    def test_what_a_killed_run_told_etcd_for_its_first_start_is_seen(self, server):
        server.begin_data()
        server.first_start.write_text("ETCD_INITIAL_CLUSTER_STATE=new\n")
        assert self.changes(server.join(Cluster(S1, S2, member(3))), QUIET) == {str(server.first_start): ""}

    def test_a_restart_is_announced_with_that_of_the_api_server(self, server):
        server.begin_data()
        server.systemd.api = "active"
        announced = self.changes(server.join(Cluster(S1, S2, member(3))), INTERRUPTING)
        assert announced == {"k3a-apiserver.service": "active (restarted: its datastore restarts)\n"}
        assert server.systemd.told == []

    def test_a_restart_that_the_run_refuses_is_refused(self, server):
        server.begin_data()
        join = server.join(Cluster(S1, S2, member(3), ill=["s2"]))
        with pytest.raises(MembershipError, match="etcd cannot be restarted now: .*s2 is not healthy; put that right first"):
            join.foresee(join.decide(True), INTERRUPTING)

    def test_a_new_member_is_announced(self, server):
        assert set(self.changes(server.join(Cluster(S1, S2)), QUIET)) == {"etcd members"}


class TestFinish:
    def test_what_the_first_start_was_told_goes_as_soon_as_there_is_data(self, server):
        server.begin_data()
        server.first_start.write_text("ETCD_INITIAL_CLUSTER=…\n")
        server.join(Cluster(S1, S2, member(3))).finish()
        assert not server.first_start.exists()

    def test_a_later_run_finishes_what_a_killed_one_left(self, server):
        """Killed between the start of etcd and the end of the run: the file would begin a second cluster."""
        server.begin_data()
        server.first_start.write_text("ETCD_INITIAL_CLUSTER_STATE=new\n")
        join = server.join(Cluster(member(3)), first_server="s3")
        join.finish()
        assert not server.first_start.exists()

    def test_without_data_it_stays_for_the_next_start_and_the_run_says_so(self, server, monkeypatch):
        monkeypatch.setattr(joining.systemd, "journal_tail", lambda unit: f"journal of {unit}")
        server.first_start.write_text("ETCD_INITIAL_CLUSTER_STATE=new\n")
        with pytest.raises(component.NotWell, match="k3a-etcd is not healthy: etcd has not begun to keep data"):
            server.join(Cluster(S1), timeout=0).finish()
        assert server.first_start.exists()

    def test_a_settled_server_has_nothing_to_finish(self, server):
        server.begin_data()
        server.join(Cluster(member(3))).finish()
        assert server.systemd.told == []


def test_the_file_of_the_first_start_is_beside_the_data_and_not_in_it():
    path = joining.first_start_path(Layout("/d"))
    assert path == "/d/server/db/etcd.env"
    assert not Path(path).is_relative_to(Layout("/d").etcd)
