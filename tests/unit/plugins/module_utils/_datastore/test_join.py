# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import join as joining
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdError, EtcdUnavailable
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import MembershipError
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.systemd import UnitState
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity, record_file
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity
from ansible_collections.k3a.cluster.tests.unit import etcd_members
from ansible_collections.k3a.cluster.tests.unit.etcd_members import Cluster, member, url

S1, S2 = member(1), member(2)


def interrupting(interrupts):
    return component.Plan("d", (), (), (), (), None, {}, False, (), (), None, interrupts)


API = component.Component(name="apiserver", unit="")
QUIET, INTERRUPTING = interrupting(False), interrupting(True)


class Systemd:
    """The units of a server; whether its API server and its etcd run is for the test to say."""

    def __init__(self, monkeypatch):
        self.told = []
        self.api = self.etcd = "inactive"
        for verb in ("pause", "restart", "stop"):
            monkeypatch.setattr(joining.systemd, verb, lambda unit, verb=verb: self.tell(verb, unit))
        monkeypatch.setattr(joining.systemd, "unit_state", self.state)

    def state(self, unit):
        active = self.etcd if unit == joining.UNIT else self.api
        return UnitState(True, active, "", 7 if active == "active" else 0, True, 0, False, False)

    def tell(self, verb, unit):
        self.told.append(f"{verb} {unit}")
        if unit == joining.UNIT:
            self.etcd = "inactive"
            return
        self.api = {"pause": "inactive", "restart": "active"}.get(verb, self.api)


class Server:
    """The third server, with a datastore on disk and the others as they are told to be."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.db = folder / "server/db"
        (self.db / "etcd").mkdir(parents=True)
        self.systemd = Systemd(monkeypatch)
        monkeypatch.setattr(joining.health, "POLL", 0.001)
        monkeypatch.setattr(joining, "PATIENCE", 0.01)
        monkeypatch.setattr(joining, "ELECTION", 0.1)
        self.record = folder / "etc/etcd.json"
        monkeypatch.setattr(identity, "ETCD", str(self.record))
        monkeypatch.setattr(joining.data, "PROGRESS", str(folder / "etc/etcd-progress.json"))
        monkeypatch.setattr(joining.broken, "complaint", lambda: self.complaint)
        self.ready, self.complaint = "it is not ready", ""

    def begin_data(self, member=3):
        etcd_members.begin_data(self.db / "etcd", etcd_members.identity(member))

    @property
    def recorded(self):
        return record_file.read(str(self.record), EtcdIdentity)

    def has_recorded(self, member=3):
        files.write_file(record_file.as_file(str(self.record), etcd_members.identity(member)))

    def join(self, etcd, timeout=20, **params):
        self.monkeypatch.setattr(joining, "Etcd", etcd)
        endpoints = [url(number, 2379) for number in (1, 2, 3)]
        given = {"endpoints": endpoints, "first_server": "", "replace": False, "lock_id": "me", **params}
        return joining.Join({"data_dir": str(self.folder), "timeout": timeout, **given}, "s3", "10.0.0.3", API, lambda: self.ready)

    @property
    def first_start(self):
        return self.db / "etcd.env"

    def told_first(self):
        """What etcd is told for its first start."""
        return dict(line.split("=", 1) for line in self.first_start.read_text().splitlines())


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
        assert (seen.name, seen.peer_url, seen.kept) == ("s3", url(3), etcd_members.identity(3))
        assert (seen.members, seen.first_server, seen.replace) == ((S1,), "s1", True)

    def test_without_a_majority_there_are_no_members(self, server):
        etcd = Cluster(S1, S2)
        etcd.majority = False
        assert server.join(etcd).seen.heard is None

    def test_what_etcd_says_of_its_data_counts_while_it_is_not_well(self, server):
        server.begin_data()
        server.complaint = "tocommit(9) is out of range"
        assert server.join(Cluster(S1, S2, member(3))).seen.complaint == "tocommit(9) is out of range"
        server.ready = None
        assert server.join(Cluster(S1, S2, member(3))).seen.complaint == ""

    def test_an_election_passes_and_is_not_taken_for_no_majority(self, server):
        etcd = Cluster(S1, S2, member(3))
        etcd.silences = [EtcdUnavailable("etcdserver: no leader", answered=True)] * 3
        assert server.join(etcd).seen.members == (S1, S2, member(3))

    def test_a_member_that_was_just_started_is_heard_soon(self, server):
        server.begin_data()
        server.systemd.etcd = "active"
        etcd = Cluster(S1, S2, member(3))
        etcd.silences = [EtcdUnavailable("timed out")] * 3
        assert server.join(etcd).seen.members == (S1, S2, member(3))

    def test_where_no_member_runs_nobody_is_waited_for(self, server, monkeypatch):
        monkeypatch.setattr(joining, "ELECTION", 60)
        etcd = Cluster(S1)
        etcd.silences = [EtcdUnavailable("Connection refused")] * 2
        assert server.join(etcd).seen.heard is None
        assert len(etcd.silences) == 1

    def test_who_has_a_majority_and_cannot_be_asked_is_left_alone(self, server):
        """Its restart could cost the majority: that is not known."""
        server.begin_data()
        server.systemd.etcd, server.ready = "active", None
        etcd = Cluster(S1, S2, member(3))
        etcd.majority = False
        with pytest.raises(MembershipError, match="etcd has a majority, and cannot be asked for its members: no member"):
            server.join(etcd)

    def test_but_a_certificate_that_has_ended_is_mended_by_a_restart(self, server):
        server.begin_data()
        server.systemd.etcd, server.ready = "active", None
        etcd = Cluster(S1, S2, member(3))
        etcd.silences = [EtcdUnavailable("certificate has expired", untrusted=True)] * 10000
        assert server.join(etcd).seen.heard is None

    def test_data_begins_with_the_first_log(self, server):
        layout = Layout(str(server.folder))
        assert not layout.etcd_has_data
        (server.db / "etcd/member/snap").mkdir(parents=True)
        assert not layout.etcd_has_data
        server.begin_data()
        assert layout.etcd_has_data

    def test_an_old_copy_is_seen_where_etcd_does_not_run(self, server):
        """What runs was asked when it started."""
        server.begin_data()
        kept = etcd_members.identity(3)
        joining.data.record_progress(joining.data.Progress(kept.cluster_id, kept.member_id, 7))
        assert server.join(Cluster(S1, S2, member(3))).seen.outdated
        server.systemd.etcd = "active"
        assert not server.join(Cluster(S1, S2, member(3))).seen.outdated


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
        assert server.told_first() == {"ETCD_INITIAL_CLUSTER": f"s1={url(1)},s2={url(2)},s3={url(3)}"}
        assert files.ownership(str(server.first_start)) == (0o600, "root", "root")

    def test_the_first_server_begins_a_cluster_of_one(self, server):
        etcd = Cluster()
        etcd.majority = False
        prepared(server.join(etcd, first_server="s3"))
        told = server.told_first()
        assert (told["ETCD_INITIAL_CLUSTER"], told["ETCD_INITIAL_CLUSTER_STATE"]) == (f"s3={url(3)}", "new")

    def test_every_cluster_gets_ids_of_its_own(self, server):
        """They follow from this token: an emptied first server would come back with the ids that it had."""
        etcd, tokens = Cluster(), []
        etcd.majority = False
        for _attempt in range(2):
            prepared(server.join(etcd, first_server="s3"))
            tokens.append(server.told_first()["ETCD_INITIAL_CLUSTER_TOKEN"])
        assert len(set(tokens)) == 2
        assert {len(token) for token in tokens} == {32}

    def test_one_that_was_announced_already_is_not_announced_again(self, server):
        etcd = Cluster(S1, member(3, learner=True, started=False))
        server.systemd.etcd = "active"  # it may be about to begin to keep data
        prepared(server.join(etcd))
        assert (etcd.told, server.systemd.told) == ([], [])
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
        server.has_recorded()
        server.systemd.etcd = "active"
        monkeypatch.setattr(joining.time, "time", lambda: 1795492282.9)
        etcd = Cluster(S1, S2)
        prepared(server.join(etcd))
        assert server.recorded is None
        assert server.systemd.told == ["stop k3a-etcd.service"]
        assert sorted(path.name for path in server.db.iterdir()) == ["etcd-old-1795492282", "etcd.env"]
        (kept,) = server.db.glob("etcd-old-*")
        assert joining.data.kept_identity(str(kept)) == etcd_members.identity(3)
        assert etcd.told == [f"add {url(3)}"]

    def test_others_learners_and_its_own_former_member_go_first(self, server):
        etcd = Cluster(S1, S2, member(3), member(4, learner=True))
        prepared(server.join(etcd, replace=True))
        assert etcd.told == ["remove 3", "remove 4", f"add {url(3)}"]

    def test_a_process_whose_data_is_gone_ends_before_its_member_begins_anew(self, server):
        """Emptied while it ran: what it wrote since is no data, and not in the way."""
        server.systemd.etcd = "active"
        (server.db / "etcd/member/snap").mkdir(parents=True)
        etcd = Cluster(S1, S2, member(3))
        etcd.led_by = "3"
        prepared(server.join(etcd, replace=True))
        assert etcd.told == ["hand over to 1", "remove 3", f"add {url(3)}"]
        assert server.systemd.told == ["stop k3a-etcd.service"]
        assert not (server.db / "etcd").exists()

    def test_the_last_voter_is_never_replaced(self, server):
        server.systemd.etcd = "active"
        etcd = Cluster(member(3), member(4, learner=True))
        with pytest.raises(MembershipError, match="etcd cannot be replaced now: s3 is the last voting member of etcd"):
            prepared(server.join(etcd, replace=True))
        assert (etcd.told, server.systemd.told) == ([], [])

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

    def test_nothing_is_changed_once_another_playbook_has_the_cluster(self, server):
        """A turn may have waited for minutes since it looked."""
        etcd = Cluster(S1, S2)
        join = server.join(etcd)
        etcd.lease = etcd_members.lease("other", int(time.time()))
        decided = join.decide(False)
        join.foresee(decided, QUIET)
        with pytest.raises(joining.held.HeldByOther):
            join.prepare(decided)
        assert etcd.told == []


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

    def test_one_that_is_ill_itself_may_be_restarted_where_the_others_are_a_majority(self, server):
        prepared(server.join(Cluster(S1, S2, member(3), ill=("s3",))), INTERRUPTING)
        assert server.systemd.told == ["pause k3a-apiserver.service"]

    def test_that_it_is_ill_for_a_moment_makes_it_no_less_needed(self, server):
        with pytest.raises(MembershipError, match="2 healthy members of etcd must remain, and s1 is not healthy"):
            prepared(server.join(Cluster(S1, S2, member(3), ill=("s1", "s3"))), INTERRUPTING)

    def test_another_one_that_has_just_come_back_has_some_seconds(self, server, monkeypatch):
        monkeypatch.setattr(joining, "PATIENCE", 10)
        etcd = Cluster(S1, S2, member(3), ill=["s1"])
        monkeypatch.setattr(etcd, "healthy", lambda asked: asked.name not in etcd.ill or etcd.ill.remove("s1"))
        prepared(server.join(etcd), INTERRUPTING)
        assert server.systemd.told == ["pause k3a-apiserver.service"]

    def test_what_does_not_interrupt_it_needs_no_majority(self, server):
        prepared(server.join(Cluster(S1, S2, member(3), ill=("s1",))))
        assert server.systemd.told == []

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
        plan = prepared(join, INTERRUPTING)
        assert server.systemd.told == ["pause k3a-apiserver.service"]
        join.finish(plan)
        assert server.systemd.told[1:] == ["restart k3a-apiserver.service"]
        assert waited == [("k3a-apiserver.service", join.deadline)]

    def test_an_api_server_that_does_not_come_back_is_told(self, server, monkeypatch):
        reason = "k3a-apiserver is not healthy: readyz answers 500"
        monkeypatch.setattr(joining.component, "_unmet", lambda _each, _deadline, _begun: "readyz answers 500")
        monkeypatch.setattr(joining.systemd, "journal_tail", lambda unit: f"journal of {unit}")
        join = server.join(Cluster(S1, S2, member(3)))
        plan = prepared(join, INTERRUPTING)
        with pytest.raises(component.NotWell, match=reason):
            join.finish(plan)

    def test_one_that_does_not_run_is_not_started(self, server):
        server.systemd.api = "inactive"
        join = server.join(Cluster(S1, S2, member(3)))
        join.finish(prepared(join, INTERRUPTING))
        assert server.systemd.told == []

    def test_the_only_server_has_nowhere_to_send_them(self, server):
        join = server.join(Cluster(member(3)), endpoints=[url(3, 2379)])
        prepared(join, INTERRUPTING)
        assert server.systemd.told == []


class TestForesee:
    """What check mode announces beside etcd itself, and what it refuses as the run does."""

    @pytest.fixture(autouse=True)
    def known(self, server):
        server.has_recorded()

    def changes(self, join, plan):
        return {change.path: change.after for change in join.foresee(join.decide(True), plan)}

    def test_a_settled_server_has_nothing_more_to_change(self, server):
        server.begin_data()
        assert self.changes(server.join(Cluster(S1, S2, member(3))), QUIET) == {}

    def test_who_it_is_is_recorded_where_a_majority_knows_it(self, server):
        """A server of before this was recorded."""
        server.record.unlink()
        server.begin_data()
        announced = self.changes(server.join(Cluster(S1, S2, member(3))), QUIET)
        assert json.loads(announced[str(server.record)])["member_id"] == "3"
        etcd = Cluster(S1, S2, member(3))
        etcd.majority = False
        assert self.changes(server.join(etcd), QUIET) == {}

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

    def test_a_new_member_is_announced_with_its_record(self, server):
        server.record.unlink()
        assert set(self.changes(server.join(Cluster(S1, S2)), QUIET)) == {"etcd members", str(server.record)}

    def test_a_member_that_the_majority_needs_is_not_replaced_in_check_mode_either(self, server):
        join = server.join(Cluster(S1, S2, member(3), ill=["s2"]), replace=True)
        with pytest.raises(MembershipError, match="etcd cannot be replaced now: 2 healthy members of etcd must remain"):
            join.foresee(join.decide(True), QUIET)


@pytest.mark.skipif(os.geteuid() != 0, reason="the record belongs to root")
class TestFinish:
    def finished(self, join, plan=QUIET):
        decided = prepared(join, plan)
        join.finish(decided)

    def test_what_the_first_start_was_told_goes_as_soon_as_there_is_data(self, server):
        server.begin_data()
        server.first_start.write_text("ETCD_INITIAL_CLUSTER=…\n")
        self.finished(server.join(Cluster(S1, S2, member(3))))
        assert not server.first_start.exists()

    def test_a_later_run_finishes_what_a_killed_one_left(self, server):
        """Killed between the start of etcd and the end of the run: the file would begin a second cluster."""
        server.begin_data()
        server.first_start.write_text("ETCD_INITIAL_CLUSTER_STATE=new\n")
        self.finished(server.join(Cluster(member(3)), first_server="s3"))
        assert not server.first_start.exists()
        assert server.recorded == etcd_members.identity(3)

    def test_who_has_begun_is_recorded_from_its_data_before_its_api_server_comes_back(self, server, monkeypatch):
        seen = []
        monkeypatch.setattr(joining.component, "wait_until_well", lambda *_: seen.append(server.recorded))
        server.systemd.etcd = server.systemd.api = "active"
        join = server.join(Cluster(S1, S2, member(3)), replace=True)
        plan = prepared(join)
        server.begin_data(99)
        join.finish(plan)
        assert server.recorded == etcd_members.identity(99)
        assert seen == [server.recorded]
        assert not server.first_start.exists()

    def test_without_data_it_stays_for_the_next_start_and_the_run_says_so(self, server, monkeypatch):
        monkeypatch.setattr(joining.systemd, "journal_tail", lambda unit: f"journal of {unit}")
        join = server.join(Cluster(S1))
        plan = prepared(join)
        join.deadline = 0
        with pytest.raises(component.NotWell, match="k3a-etcd is not healthy: etcd has not begun to keep data"):
            join.finish(plan)
        assert server.first_start.exists()

    def test_a_settled_server_has_nothing_to_finish(self, server):
        server.begin_data()
        self.finished(server.join(Cluster(member(3))))
        assert server.systemd.told == []

    def test_the_only_server_that_was_down_and_has_moved_is_carried_through(self, server):
        """It could not be asked before it ran."""
        server.begin_data()
        moved = Cluster(member(3))
        moved.update("3", [url(33)])
        moved.silences = [EtcdUnavailable("Connection refused")]
        self.finished(server.join(moved, endpoints=[url(3, 2379)]))
        assert moved.told[1:] == [f"update 3 {url(3)}"]
        assert server.recorded == etcd_members.identity(3)


def test_the_file_of_the_first_start_is_beside_the_data_and_not_in_it():
    path = Layout("/d").etcd_first_start
    assert path == "/d/server/db/etcd.env"
    assert not Path(path).is_relative_to(Layout("/d").etcd)
