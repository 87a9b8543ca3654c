# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import datastore
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostFacts,
    HostReport,
    MemberReport,
    ServerReport,
)

MEMBERS = tuple(MemberReport(str(n), f"s{n}", (f"https://10.0.0.{n}:2380",), healthy=True) for n in (1, 2, 3))


def server(number, facts=None, **about):
    """A server that is well, but for what is said."""
    recorded = EtcdIdentity("7", str(number))
    seen = HostFacts(
        f"s{number}",
        (f"10.0.0.{number}",),
        authority="hash",
        etcd_data=True,
        etcd_running=True,
        etcd_cluster="7",
        etcd_member=str(number),
        etcd_recorded=recorded,
    )
    given = {"settings": {"data_dir": "/var/lib/k3a"}, **about}
    return HostReport(f"host{number}", server=True, facts=replace(seen, **facts or {}), **given)


S1, S2, S3 = server(1), server(2), server(3)
STOPPED = {"etcd_running": False, "etcd_cluster": "", "etcd_member": ""}
EMPTIED = {"etcd_data": False}


def told(reports, members=MEMBERS):
    found = datastore.etcd_findings(reports, ServerReport(etcd_members=members))
    assert {each.finding.level for each in found} <= {"fail"}
    return [(*each.hosts, each.finding.message, each.finding.remedy) for each in found]


def test_servers_that_are_what_they_recorded_are_fine():
    assert told([S1, S2, S3]) == []


def test_one_that_does_not_run_or_has_not_recorded_anything_yet_is_fine():
    assert told([S1, server(2, STOPPED), server(3, {"etcd_recorded": EtcdIdentity()})]) == []
    assert told([S1, server(4, {**STOPPED, **EMPTIED, "etcd_recorded": EtcdIdentity(), "authority": ""})]) == []


class TestDivided:
    def test_members_that_began_a_cluster_of_their_own_are_told_of(self):
        (found,) = told([S1, server(2, {"etcd_cluster": "8", "etcd_recorded": EtcdIdentity()}), S3])
        assert found[0] == "the etcd of the servers are clusters of their own (host1 and host3: 7; host2: 8)"
        assert "k3a_replace=true" in found[1]


class TestOthers:
    def test_an_etcd_that_is_not_the_recorded_one_is_told_of(self):
        (found,) = told([S1, server(2, {"etcd_recorded": EtcdIdentity("7", "22")}), S3])
        assert found == (
            "host2",
            "its etcd is the member 2 of the cluster 7, and by /etc/k3a/etcd.json it is the member 22 of the cluster 7, "
            "and the others know the one that runs",
            "put its own /etc/k3a/etcd.json back, or remove it: it is written anew by what runs",
        )

    def test_data_of_another_server_is_what_has_to_go(self):
        """The others know the member that runs by another server's address."""
        (found,) = told([S1, server(2, {"etcd_member": "3"})])
        assert found[1:] == (
            "its etcd is the member 3 of the cluster 7, and by /etc/k3a/etcd.json it is the member 2 of the cluster 7",
            "put the data of etcd back that it had",
        )


class TestForeign:
    """What the step of etcd would say, before anything changes."""

    REMEDY = "put its own data back, or reset the host with reset.yml --limit and let it join anew with k3a_replace=true"

    def test_data_of_another_server(self):
        """A disk was copied, and etcd's guard keeps it from starting."""
        (found,) = told([S1, server(2, {**STOPPED, "etcd_kept": EtcdIdentity("7", "3")}), S3])
        assert found == ("host2", "the data of etcd on s2 is that of s3, and this host is s2", self.REMEDY)

    def test_data_of_another_server_on_a_host_without_a_record(self):
        """Its address tells, also while etcd runs with that data."""
        for facts in ({**STOPPED, "etcd_kept": EtcdIdentity("7", "3")}, {"etcd_member": "3"}):
            (found,) = told([S1, server(2, {**facts, "etcd_recorded": EtcdIdentity()}), S3])
            assert found == ("host2", "the data of etcd on s2 is that of s3, and this host is s2", self.REMEDY)

    def test_data_or_a_record_of_another_cluster(self):
        (found,) = told([S1, server(2, {**STOPPED, "etcd_kept": EtcdIdentity("8", "2")}), S3])
        message = "etcd on s2 cannot join the others: its data is of the cluster 8 of etcd, and theirs is 7"
        assert found == ("host2", message, self.REMEDY)

    def test_where_no_majority_answers_the_record_tells(self):
        foreign = server(1, {**STOPPED, "etcd_kept": EtcdIdentity("7", "3")})
        (found,) = told([foreign, server(2, {**STOPPED, "etcd_kept": EtcdIdentity("7", "2")})], ())
        assert found == (
            "host1",
            "the data of etcd on s1 is of the member 3 of the cluster 7, and by /etc/k3a/etcd.json this host is the member 1 of "
            "the cluster 7, and no majority answers that could tell",
            "put its own data back, or start the other servers first",
        )

    def test_its_own_data_is_fine_and_so_is_that_of_a_member_that_was_removed(self):
        kept = [server(n, {**STOPPED, "etcd_kept": EtcdIdentity("7", str(n))}) for n in (2, 3)]
        assert told([S1, *kept]) == told([S1, *kept], ()) == []
        assert told([S1, kept[0], S3], (MEMBERS[0], MEMBERS[2])) == []
        without = server(2, {**STOPPED, "etcd_kept": EtcdIdentity("7", "2"), "etcd_recorded": EtcdIdentity()})
        assert told([S1, without, S3]) == told([without], ()) == []


class TestLost:
    def test_a_member_whose_data_is_gone_is_replaced_only_when_told_to(self):
        (found,) = told([S1, server(2, {**STOPPED, **EMPTIED}), S3])
        assert found == (
            "host2",
            "it is a member of etcd, and its data is gone from /var/lib/k3a/server/db/etcd",
            "mount its disk or put its data back, or set k3a_replace=true for it to have the member replaced",
        )
        assert told([S1, server(2, {**STOPPED, **EMPTIED}, replace=True), S3]) == []

    def test_one_whose_whole_data_directory_is_gone_is_told_of_once(self):
        """The finding of that is one about the host's identity."""
        emptied = {**STOPPED, **EMPTIED, "installed": ("etcd",), "state": False, "node_password": True}
        assert told([S1, server(2, emptied), S3]) == []
        assert told([S1, server(2, {**emptied, "state": True}), S3]) != []
        (found,) = told([server(1, emptied, replace=True)], MEMBERS[:1])
        assert found[2] == "mount its disk or put its data back"

    def test_that_it_still_runs_is_said(self):
        (found,) = told([S1, server(2, EMPTIED), S3])
        assert found[1] == (
            "its etcd runs, and its data is gone from /var/lib/k3a/server/db/etcd: what the process still holds ends "
            "with it"
        )

    @pytest.mark.parametrize("replaced", [False, True])
    def test_the_last_voting_member_is_never_replaced(self, replaced):
        (found,) = told([server(1, EMPTIED, replace=replaced)], MEMBERS[:1])
        assert found[2] == (
            "save what it holds now, while it runs, with etcdctl snapshot save; it is the last voting member"
        )

    def test_an_old_copy_is_no_data_either(self):
        old = {**STOPPED, "etcd_outdated": True}
        (found,) = told([S1, server(2, old), S3])
        assert found == (
            "host2",
            "the data of etcd in /var/lib/k3a/server/db/etcd is an old copy: what was written since is not in it",
            "put its newest data back, or set k3a_replace=true for it to have the member replaced",
        )
        assert told([S1, server(2, old, replace=True), S3]) == []
        (found,) = told([server(1, old, replace=True)], ())
        assert found[2] == "put its newest data back"

    @pytest.mark.parametrize("replaced", [False, True])
    def test_where_the_members_that_are_left_are_no_majority_none_is_replaced(self, replaced):
        lost = [server(n, {**STOPPED, **EMPTIED}, replace=replaced) for n in (2, 3)]
        for members in (MEMBERS, ()):
            found = told([S1, *lost], members)
            assert found == [
                (
                    host,
                    "it is a member of etcd, and its data is gone from /var/lib/k3a/server/db/etcd, and the members that are "
                    "left are no majority, which could replace it",
                    "mount its disk or put its data back",
                )
                for host in ("host2", "host3")
            ]

    def test_what_still_runs_is_replaced_one_after_the_other(self):
        assert told([S1, *(server(n, EMPTIED, replace=True) for n in (2, 3))]) == []

    def test_data_over_which_etcd_ends_again_and_again_is_no_data_either(self):
        broken = {**STOPPED, "etcd_running": True, "etcd_complaint": "tocommit(9) is out of range"}
        (found,) = told([S1, server(2, broken), S3])
        assert found == (
            "host2",
            "its etcd ends again and again over its data in /var/lib/k3a/server/db/etcd (tocommit(9) is out of range)",
            "put its newest data back, or set k3a_replace=true for it to have the member replaced",
        )
        assert told([S1, server(2, broken, replace=True), S3]) == []
        (found,) = told([server(1, broken, replace=True)], ())
        assert found[2] == "put its newest data back"

    def test_where_no_member_answers_the_record_is_what_is_known(self):
        down = [server(1, STOPPED), server(2, {**STOPPED, **EMPTIED}), server(3, STOPPED)]
        assert [found[0] for found in told(down, ())] == ["host2"]

    def test_one_that_was_renamed_is_known_by_its_id(self):
        assert [found[0] for found in told([S1, server(2, {**EMPTIED, "node_name": "new"}), S3])] == ["host2"]

    def test_one_that_the_others_have_removed_or_that_does_not_vote_yet_joins_anew(self):
        gone = server(2, {**STOPPED, **EMPTIED})
        assert told([S1, gone, S3], (MEMBERS[0], MEMBERS[2])) == []
        assert told([S1, gone, S3], (MEMBERS[0], replace(MEMBERS[1], learner=True), MEMBERS[2])) == []

    def test_where_nobody_has_data_a_new_cluster_is_what_is_refused(self):
        assert told([server(n, {**STOPPED, **EMPTIED}) for n in (1, 2, 3)], ()) == []

    def test_a_machine_that_was_rebuilt_is_told_of_as_such(self):
        rebuilt = {**STOPPED, **EMPTIED, "authority": "", "etcd_recorded": EtcdIdentity()}
        assert told([S1, server(2, rebuilt), S3]) == []
