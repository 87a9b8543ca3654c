# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import Identity
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import servers
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostFacts,
    HostReport,
    MemberReport,
    NodeReport,
    ServerReport,
)

NAMES = ["server-1", "server-2", "server-3"]
AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def looked(name, server=True, replace=False, **facts):
    """What check_config says of a host that has nothing yet: server-2 is s2 at 10.0.0.2."""
    number = name[-1] if server else f"10{name[-1]}"
    found = {
        "node_name": f"{name[0]}{name[-1]}",
        "node_ips": (f"10.0.0.{number}",),
        "machine_id": f"id-{name}",
        **facts,
    }
    where = {"url": f"https://203.0.113.{number}:6443", "api": f"10.0.0.{number}:6443"} if server else {}
    return HostReport(name, server=server, replace=replace, facts=HostFacts(**found), **where)


def member(number, learner=False, healthy=True, **other):
    about = {
        "name": f"s{number}",
        "peer_urls": (f"https://10.0.0.{number}:2380",),
        "client_urls": (f"https://10.0.0.{number}:2379",),
        **other,
    }
    return MemberReport(str(1000 + number), learner=learner, leader=number == 2, healthy=healthy, **about)


def answer(*members, **more):
    about = {"host": "server-1", "ca_certificates": {"server": AUTHORITY}, "healthy": True, **more}
    return ServerReport(etcd_members=members, **about)


NOBODY = ServerReport()
ALL = [looked(name) for name in NAMES]
HEALTHY = answer(member(1), member(2), member(3))


def texts(findings):
    return [str(found) for found in findings]


class TestChosen:
    def test_the_first_healthy_server_answers(self):
        ill, well = answer(healthy=False, host="server-1"), answer(host="server-2")
        assert servers.choose_report([ill, well, answer(host="server-3")]) is well

    def test_else_one_that_is_installed(self):
        """Its CAs are on its disk, whether or not its API answers."""
        empty = answer(ca_certificates={}, host="server-1", healthy=False)
        ill = answer(healthy=False, host="server-2")
        assert servers.choose_report([empty, ill]) is ill

    @pytest.mark.parametrize("asked", [[], [ServerReport("server-1", reason="no route")], [answer(ca_certificates={})]])
    def test_where_there_is_no_cluster_nobody_does(self, asked):
        assert servers.choose_report(asked) == NOBODY


class TestAvailability:
    def found(self, *away, names=tuple(NAMES), agents=("agent-1", "agent-2")):
        in_play = [*names, *agents]
        return servers.availability_findings(names, in_play, [host for host in in_play if host not in away])

    def test_all_are_there(self):
        assert self.found() == []

    def test_a_minority_of_the_servers_may_be_away(self):
        (found,) = self.found("server-1")
        assert found.finding.level == WARN
        assert str(found) == (
            "server-1: cannot be reached, and stays as it is; run again when it is back, or remove it with remove_node.yml"
        )

    def test_a_majority_must_not(self):
        (found,) = self.found("server-1", "server-3")
        assert found.finding.level == FAIL
        assert str(found) == (
            "server-1, server-3: cannot be reached, and with 2 of 3 servers away nothing is changed; "
            "bring them back first"
        )

    @pytest.mark.parametrize(
        "count, away, level", [(1, 1, FAIL), (2, 1, FAIL), (3, 1, WARN), (3, 2, FAIL), (5, 2, WARN), (5, 3, FAIL)]
    )
    def test_how_many_that_is(self, count, away, level):
        names = [f"server-{number}" for number in range(1, count + 1)]
        (found,) = self.found(*names[:away], names=names)
        assert found.finding.level == level

    def test_agents_are_told_and_stop_nobody(self):
        one, two = self.found("server-2", "agent-1")
        assert [found.hosts for found in (one, two)] == [("server-2",), ("agent-1",)]
        assert {one.finding.level, two.finding.level} == {WARN}

    def test_servers_outside_of_this_run_are_none_of_its_business(self):
        assert servers.availability_findings(NAMES, ["agent-1"], ["agent-1"]) == []


class TestFounder:
    def test_the_first_server_begins_a_new_cluster(self):
        assert servers.first_server(NAMES, [looked("agent-1", server=False), *ALL], NOBODY) == (ALL[0], [])

    def test_one_that_a_killed_run_has_begun_to_install_goes_on(self):
        """Its CAs are those that the others are to have."""
        results = [ALL[0], looked("server-2", authority="abc", recorded=True), ALL[2]]
        assert servers.first_server(NAMES, results, NOBODY) == (results[1], [])

    def test_what_shows_that_there_was_a_cluster_is_in_the_way(self):
        """Its data is away: not mounted, lost, or in another directory."""
        results = [ALL[0], looked("server-2", identity=Identity(cluster_id="u1"), recorded=True), ALL[2]]
        nobody, (found,) = servers.first_server(NAMES, results, NOBODY)
        assert (nobody, found.hosts, found.finding.level) == (None, ("server-2",), FAIL)
        assert "it records that it belongs to the cluster u1" in str(found)

    def test_an_agent_of_a_former_cluster_is_in_nobodys_way(self):
        agent = looked("agent-1", server=False, identity=Identity(cluster_id="u1"), recorded=True)
        first, (found,) = servers.first_server(NAMES, [*ALL, agent], NOBODY)
        assert (first, found.hosts) == (ALL[0], ("agent-1",))

    def test_where_there_is_a_cluster_nobody_begins_one(self):
        assert servers.first_server(NAMES, ALL, HEALTHY) == (None, [])
        # Servers away from this run are no reason either: etcd answers.
        assert servers.first_server(NAMES, [looked("agent-1", server=False)], HEALTHY) == (None, [])

    def test_data_on_a_disk_is_a_cluster_even_when_nobody_answers(self):
        results = [*ALL[:2], looked("server-3", etcd_data=True)]
        assert servers.first_server(NAMES, results, NOBODY) == (None, [])

    def test_a_server_that_was_not_looked_at_might_have_data(self):
        nobody, (found,) = servers.first_server(NAMES, ALL[:1], NOBODY)
        assert (nobody, found.finding.level) == (None, FAIL)
        assert str(found) == (
            "inventory: no server has data, and server-2 and server-3 could have: a new cluster is made of all servers; "
            "run site.yml when all of them can be reached, without --limit"
        )

    def test_a_server_that_was_looked_at_in_vain_has_a_finding_of_its_own(self):
        unknown = replace(ALL[1], facts=None)
        assert servers.first_server(NAMES, [ALL[0], unknown, ALL[2]], NOBODY)[1] == []

    def test_without_servers_there_is_nothing_to_begin(self):
        assert servers.first_server([], [], NOBODY) == (None, [])


class TestAuthority:
    def test_new_servers_and_those_of_one_cluster_go_together(self):
        assert servers.authority_findings([looked("server-1", authority="abc"), ALL[1]]) == []
        assert servers.authority_findings([looked(name, authority="abc") for name in NAMES]) == []

    def test_clusters_of_their_own_do_not(self):
        results = [looked("server-1", authority="abc"), looked("server-2", authority="abc")]
        (found,) = servers.authority_findings([*results, looked("server-3", authority="def")])
        assert found.finding.level == FAIL
        assert str(found) == (
            "inventory: the servers belong to different clusters (server-1, server-2 and server-3 have different "
            "CAs); reset those that are to join with reset.yml --limit"
        )

    def test_an_agent_has_none(self):
        results = [looked("server-1", authority="abc"), looked("agent-1", server=False, authority="def")]
        assert servers.authority_findings(results) == []


class TestMembers:
    def test_each_is_a_server_of_the_inventory(self):
        assert servers.member_findings(NAMES, ALL, HEALTHY) == []
        assert servers.member_findings(NAMES, ALL, NOBODY) == []

    def test_one_that_is_no_longer_is_refused_with_what_to_do(self):
        (found,) = servers.member_findings(NAMES[:2], ALL[:2], HEALTHY)
        assert found.finding.level == FAIL
        assert str(found) == (
            "inventory: etcd has the member s3, which no host of the group server is; "
            "remove it with remove_node.yml -e k3a_remove_node=s3, or put it back into the inventory"
        )

    def test_one_that_never_started_is_called_by_its_address_and_number(self):
        stranger = member(9, name="", learner=True)
        (text,) = texts(servers.member_findings(NAMES, ALL, answer(member(1), stranger)))
        assert "the member https://10.0.0.9:2380, which" in text
        assert "k3a_remove_node=1009," in text

    def test_a_learner_of_a_server_that_joins_is_its_own(self):
        announced = member(2, name="", learner=True)
        assert servers.member_findings(NAMES, ALL, answer(member(1), announced)) == []

    def test_a_server_with_a_new_address_is_known_by_its_name(self):
        moved = looked("server-2", node_ips=("10.0.0.22",))
        assert servers.member_findings(NAMES, [ALL[0], moved, ALL[2]], HEALTHY) == []

    def test_who_was_not_looked_at_is_not_judged(self):
        """Its name in the cluster may differ from that in the inventory."""
        assert servers.member_findings(NAMES[:2], ALL[:1], HEALTHY) == []


def test_a_server_that_was_renamed_is_told_of_as_such_and_not_as_a_stranger():
    """Its own finding says what to do; removing its member would be the wrong thing."""
    renamed = looked("server-1", node_name="new", node_ips=("10.0.0.9",), identity=Identity("id-server-1", node_name="s1"))
    assert servers.member_findings(NAMES, [renamed, *ALL[1:]], HEALTHY) == []


class TestLater:
    OLD = {"authority": "a", "lacks_ca": True}

    def test_a_ca_that_one_server_has_is_not_made_again(self):
        """A run was killed after the first one, whose API does not answer now: two CAs of kubelets would stay."""
        reports = [looked("server-1", authority="a"), *(looked(name, **self.OLD) for name in NAMES[1:])]
        (found,) = servers.later_findings(NAMES, reports, answer(host="server-2"))
        assert (found.finding.level, str(found)) == (
            FAIL,
            "server-1: it got the CA kubelet-serving before the others, and its API does not answer; "
            "bring it back first, or copy server/tls/kubelet-serving-ca.crt and .key from its data directory to server-2",
        )
        known = {"server": AUTHORITY, "kubelet-serving": AUTHORITY}
        assert servers.later_findings(NAMES, reports, answer(ca_certificates=known)) == []

    def test_it_is_made_where_nobody_has_it(self):
        """A new server beside them has no CA at all."""
        reports = [looked("server-1"), *(looked(name, **self.OLD) for name in NAMES[1:])]
        assert servers.later_findings(NAMES, reports, answer(host="server-2")) == []
        (found,) = servers.later_findings(NAMES, reports[1:], answer(host="server-2"))
        assert str(found).startswith("server-1: the cluster gets a new CA (kubelet-serving), and all servers have to get")


class TestCutOff:
    SEEN = answer(member(1), member(2, healthy=False), member(3, healthy=False, learner=True))

    def test_one_whose_etcd_runs_and_that_another_does_not_reach_is_told_before_it_is_waited_for(self):
        running = [looked(name, etcd_running=True) for name in NAMES]
        (found,) = servers.cut_off_findings(running, self.SEEN)
        assert found.finding.level == WARN
        assert str(found) == (
            "server-2: its etcd runs, but server-1 does not find it well at https://10.0.0.2:2379; "
            "see that the servers reach each other at the ports 2379 and 2380, and what k3a-etcd logs"
        )
        assert servers.cut_off_findings(running, HEALTHY) == []
        ending = [replace(each, facts=replace(each.facts, etcd_complaint="panic")) for each in running]
        assert servers.cut_off_findings(ending, self.SEEN) == [], "which is told of as such"

    def test_one_that_is_down_is_only_to_be_started(self):
        assert servers.cut_off_findings(ALL, self.SEEN) == []

    def test_without_a_majority_nobody_can_tell(self):
        running = [looked(name, etcd_running=True) for name in NAMES]
        assert servers.cut_off_findings(running, answer(member(2, healthy=False), healthy=False)) == []


class TestAddress:
    MOVED = looked("server-2", node_ips=("10.0.0.22",))

    def test_a_majority_takes_note_of_a_new_one(self):
        assert servers.address_findings([self.MOVED], answer(member(1), member(2, healthy=False), member(3))) == []

    def test_without_one_it_cannot_be_told(self):
        ill = answer(member(1), member(2, healthy=False), member(3, healthy=False))
        (found,) = servers.address_findings([ALL[0], self.MOVED, ALL[2]], ill)
        assert found.finding.level == FAIL
        assert str(found) == (
            "server-2: its address is another than etcd knows (https://10.0.0.2:2380), and etcd has no majority; "
            "give it its former address, or bring the other servers back first"
        )

    def test_a_single_server_has_its_majority_in_itself(self):
        alone = answer(member(2, healthy=False))
        assert len(servers.address_findings([self.MOVED], alone)) == 1
        assert servers.address_findings([self.MOVED], answer(member(2))) == []

    def test_learners_make_no_majority(self):
        ill = answer(member(1, healthy=False), member(2), member(3, learner=True))
        assert len(servers.address_findings([self.MOVED], ill)) == 1

    def test_an_unchanged_address_and_a_new_server_are_fine(self):
        ill = answer(member(1, healthy=False))
        assert servers.address_findings(ALL, ill) == []
        assert servers.address_findings(ALL, NOBODY) == []


class TestIdentity:
    KNOWN = answer(
        nodes=(NodeReport("s1", "id-server-1"), NodeReport("a1", "old"), NodeReport("s3"))
    )

    def test_a_machine_that_is_known_and_one_that_is_new(self):
        assert servers.identity_findings(ALL, self.KNOWN) == []
        assert servers.replaced_nodes(ALL, self.KNOWN) == []

    def test_another_machine_under_a_taken_name_is_refused(self):
        (found,) = servers.identity_findings([looked("agent-1", server=False)], self.KNOWN)
        assert found.finding.level == FAIL
        assert str(found) == (
            "agent-1: the cluster has a node a1 with another machine id (old, here it is id-agent-1); "
            "give the host another name, or set k3a_replace=true for it when it is that node, rebuilt"
        )

    def test_a_copy_of_a_machine_is_told_of_by_its_record(self):
        report = looked("agent-1", server=False)
        copy = replace(report.seen, recorded=True, identity=Identity(machine_id="old", node_name="a1"))
        assert servers.identity_findings([replace(report, facts=copy)], self.KNOWN) == []

    def test_one_that_was_made_anew_replaces_the_node_when_told_to(self):
        anew = looked("agent-1", server=False, replace=True)
        assert servers.identity_findings([anew], self.KNOWN) == []
        assert servers.replaced_nodes([anew, *ALL], self.KNOWN) == ["a1"]

    def test_who_is_the_same_machine_is_not_replaced(self):
        assert servers.replaced_nodes([looked("server-1", replace=True)], self.KNOWN) == []

    def test_a_host_of_which_nothing_is_known_is_nobodys_twin(self):
        unknown = HostReport("agent-1", replace=True)
        assert servers.identity_findings([unknown], self.KNOWN) == []
        assert servers.replaced_nodes([unknown], NOBODY) == []


class TestLost:
    """The server that answers gives the others what servers share, and is given nothing."""

    TOKEN = "/var/lib/k3a/server/token"

    def lost(self, name, path=TOKEN, answering="server-1"):
        report = looked(name)
        report = replace(report, facts=replace(report.seen, lost=path))
        return texts(servers.lost_findings([report], ServerReport(answering)))

    def test_what_is_gone_from_it_is_told_before_any_change(self):
        assert self.lost("server-1") == [
            "server-1: /var/lib/k3a/server/token is gone; "
            "put it back from another server or from a backup of this one, or give k3a_token"
        ]

    def test_only_a_token_can_be_given(self):
        (found,) = self.lost("server-1", "/var/lib/k3a/server/tls/server-ca.key")
        assert found.endswith("put it back from another server or from a backup of this one")

    def test_another_one_is_given_what_it_lacks(self):
        assert self.lost("server-2") == []

    def test_nothing_is_gone(self):
        assert self.lost("server-1", "") == []


class TestToken:
    PINNED = tokens.full(AUTHORITY, "server:s3cr3t-word-0123456789")

    def test_one_for_all_in_any_form(self):
        given = {"server-1": "s3cr3t-word-0123456789", "server-2": self.PINNED}
        assert servers.token_findings(given, AUTHORITY) == []
        assert servers.token_findings({}, AUTHORITY) == []

    def test_one_of_another_cluster(self):
        foreign = tokens.full(AUTHORITY.replace("AAAA", "BBBB"), "server:s3cr3t-word-0123456789")
        (found,) = servers.token_findings({"server-2": foreign}, AUTHORITY)
        assert found.finding.level == FAIL
        assert str(found) == (
            "server-2: k3a_token is of another cluster: it pins another CA; "
            "give this cluster's token, or its short form"
        )
        # Of a cluster that does not answer nobody can tell; a new one is none that a token could be of.
        assert servers.token_findings({"server-2": foreign}, "") == []
        assert texts(servers.token_findings({"server-2": foreign}, "", new=True)) == [str(found)]

    def test_one_with_which_agents_join(self):
        (text,) = texts(servers.token_findings({"server-1": "abcdef.0123456789abcdef"}, AUTHORITY))
        assert text == (
            "server-1: k3a_token is a bootstrap token, with which agents join; give servers a password of their own"
        )

    def test_a_short_one_founds_no_cluster(self):
        (found,) = servers.token_findings({"server-1": "swordfish"}, "", new=True)
        assert found.finding.level == FAIL
        assert str(found) == (
            "server-1: k3a_token is short: a server token of fewer than 16 characters can be guessed; "
            "give a longer one, or none"
        )
        # One that runs is not stopped for it.
        (found,) = servers.token_findings({"server-1": "swordfish"}, AUTHORITY)
        assert (found.finding.level, found.finding.remedy) == (WARN, "give a longer one with rotate_token.yml")

    def test_what_is_wrong_with_it_on_several_is_told_once(self):
        foreign = tokens.full(AUTHORITY.replace("AAAA", "BBBB"), "server:s3cr3t-word-0123456789")
        for token in (foreign, "K10s3cr3t-word-0123456789"):
            (found,) = servers.token_findings({"server-1": token, "server-2": token}, AUTHORITY)
            assert found.hosts == ("server-1", "server-2")

    def test_servers_that_disagree(self):
        (text,) = texts(servers.token_findings({"server-1": "s3cr3t-word-0123456789", "server-2": "another-0123456789"}, AUTHORITY))
        assert text == "inventory: k3a_token differs between server-1 and server-2; set it once for all servers"

    def test_one_that_is_malformed(self):
        (found,) = servers.token_findings({"server-1": "K10s3cr3t-word-0123456789"}, AUTHORITY)
        assert (found.hosts, found.finding.level) == (("server-1",), FAIL)
        assert str(found).startswith("server-1: k3a_token cannot be used: invalid token format: it starts with K10 but")

    def test_none_of_it_is_told(self):
        given = {"server-1": "K10s3cr3t", "server-2": "s3cr3t-word-0123456789", "server-3": self.PINNED.replace("word", "w0rd")}
        found = servers.token_findings(given, AUTHORITY.replace("AAAA", "BBBB"))
        assert len(found) == 3
        assert "s3cr3t" not in "".join(texts(found))


class TestPlan:
    def test_where_etcd_is_going_to_be(self):
        assert servers.etcd_endpoints(ALL, NOBODY) == [f"https://10.0.0.{number}:2379" for number in (1, 2, 3)]

    def test_servers_that_this_run_does_not_look_at_are_known_from_etcd(self):
        assert servers.etcd_endpoints(ALL[:1], HEALTHY) == servers.etcd_endpoints(ALL, NOBODY)
        assert servers.api_servers(ALL[:1], HEALTHY, 6443) == [f"10.0.0.{number}:6443" for number in (1, 2, 3)]

    def test_a_new_address_takes_the_place_of_the_former_one(self):
        moved = [replace(looked("server-1", node_ips=("10.0.0.11",)), api="10.0.0.11:6443")]
        assert servers.etcd_endpoints(moved, answer(member(1))) == ["https://10.0.0.11:2379"]
        assert servers.api_servers(moved, answer(member(1)), 6443) == ["10.0.0.11:6443"]

    def test_a_run_on_agents_alone_knows_all_servers(self):
        agents = [looked("agent-1", server=False)]
        assert servers.api_servers(agents, HEALTHY, 7443) == [f"10.0.0.{number}:7443" for number in (1, 2, 3)]

    def test_an_ipv6_address_keeps_its_brackets(self):
        six = member(1, client_urls=("https://[fd00::1]:2379",))
        assert servers.api_servers([], answer(six), 6443) == ["[fd00::1]:6443"]
        assert servers.etcd_endpoints([looked("server-1", node_ips=("fd00::1",))], NOBODY) == ["https://[fd00::1]:2379"]

    def test_a_member_that_has_not_started_serves_nobody(self):
        announced = member(9, name="", client_urls=(), learner=True)
        assert servers.api_servers([], answer(announced), 6443) == servers.etcd_endpoints([], answer(announced)) == []

    def test_the_leader_is_known_by_name(self):
        assert servers.etcd_leader(HEALTHY) == "s2"
        assert servers.etcd_leader(answer(member(1))) == servers.etcd_leader(NOBODY) == ""

    def test_the_operator_reaches_what_servers_publish_first(self):
        assert servers.api_urls(ALL[:2], NOBODY, ["10.0.0.1:6443", "10.0.0.2:6443"], False) == [
            "https://203.0.113.1:6443",
            "https://203.0.113.2:6443",
            "https://10.0.0.1:6443",
            "https://10.0.0.2:6443",
        ]

    def test_where_the_api_was_found_comes_first(self):
        urls = servers.api_urls(ALL, replace(HEALTHY, url="https://203.0.113.2:6443"), ["10.0.0.1:6443"], False)
        assert urls[:2] == ["https://203.0.113.2:6443", "https://203.0.113.1:6443"]
        assert urls[-1] == "https://10.0.0.1:6443"

    def test_while_servers_are_away_only_those_that_are_there_count(self):
        assert servers.api_urls(ALL[1:], NOBODY, ["10.0.0.1:6443"], True) == [
            "https://203.0.113.2:6443",
            "https://203.0.113.3:6443",
        ]

    def test_what_is_published_and_reached_alike_is_there_once(self):
        same = replace(looked("server-1"), url="https://10.0.0.1:6443")
        assert servers.api_urls([same], NOBODY, ["10.0.0.1:6443"], False) == ["https://10.0.0.1:6443"]
