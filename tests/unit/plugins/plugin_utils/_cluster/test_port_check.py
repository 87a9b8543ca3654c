# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import port_check
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostFacts, HostReport

SETTINGS = {"cluster_cidr": ["10.42.0.0/16"], "flannel_backend": "vxlan", "https_listen_port": 6443}


def host(number, server=True, settings=None, **facts):
    seen = HostFacts(node_name=f"h{number}", node_ips=(f"10.0.0.{number}",))
    settings = {**SETTINGS, **(settings or {})}
    return HostReport(f"h{number}", server=server, settings=settings, facts=replace(seen, **facts))


SERVERS = [host(1), host(2), host(3)]


def tried_by(plan, name):
    return [(each["host"], f"{each['protocol']}/{each['port']}") for each in plan[name]["targets"]]


class TestPlan:
    def test_servers_try_each_other_and_agents_what_they_need(self):
        plan = port_check.plan([host(1), host(2), host(3, server=False)], forks=5)
        every = ["tcp/2379", "tcp/2380", "tcp/6443", "tcp/10250", "udp/8472"]
        assert sorted(tried_by(plan, "h1")) == sorted(
            [("h2", port) for port in every] + [("h3", "tcp/10250"), ("h3", "udp/8472")]
        )
        assert sorted(port for name, port in tried_by(plan, "h3") if name == "h1") == sorted(
            ["tcp/6443", "tcp/10250", "udp/8472"]
        )
        assert {each["port"] for each in plan["h3"]["listeners"]} == {10250, 8472}
        assert {each["ip"] for each in plan["h3"]["listeners"]} == {"10.0.0.3"}

    def test_both_ends_have_the_same_words_and_each_pair_its_own(self):
        plan = port_check.plan(SERVERS, forks=5)
        asked = {(name, each["host"], each["ask"], each["answer"]) for name in plan for each in plan[name]["targets"]}
        heard = {(each["host"], name, each["ask"], each["answer"]) for name in plan for each in plan[name]["visitors"]}
        assert asked == heard and len({ask for *_hosts, ask, _answer in asked}) == 6

    def test_a_host_alone_does_nothing(self):
        assert port_check.plan([host(1)], forks=5) == {}

    def test_hosts_of_a_cluster_are_left_alone(self):
        settled = [host(number, installed=("kubelet",)) for number in (1, 2, 3)]
        assert port_check.plan(settled, forks=5) == {}

    def test_of_a_host_that_is_new_and_one_that_is_not_only_what_the_new_one_has_to_listen_on_is_listened_on(self):
        plan = port_check.plan([host(1, installed=("kubelet",)), host(2)], forks=5)
        assert plan["h1"]["listeners"] == [] and plan["h2"]["listeners"]
        (api,) = [each for each in plan["h2"]["targets"] if each["port"] == 6443]
        assert "ask" not in api  # a component answers
        assert not [each for each in plan["h2"]["targets"] if each["protocol"] == "udp"]

    def test_a_large_cluster_does_not_try_each_port_from_everywhere(self):
        hosts = [host(number, server=number == 1) for number in range(1, 51)]
        plan = port_check.plan(hosts, forks=50)
        tried = [(host, port) for name in plan for host, port in tried_by(plan, name)]
        assert max(tried.count(each) for each in set(tried)) == port_check.MOST_PEERS
        assert max(len(part["targets"]) for part in plan.values()) <= 4 * port_check.MOST_PEERS

    def test_of_a_large_cluster_only_those_have_a_part_that_one_joins_by(self):
        settled = [host(number, server=number == 1, installed=("kubelet",)) for number in range(1, 21)]
        plan = port_check.plan([*settled, host(21, server=False)], forks=10)
        assert len(plan) == port_check.MOST_PEERS + 1 and {part["meets"] for part in plan.values()} == {True}
        assert len({name for name, _port in tried_by(plan, "h21")}) == 20
        assert {len(part["targets"]) > 0 and not part["visitors"] for name, part in plan.items() if name != "h21"} == {
            True
        }

    def test_of_many_hosts_not_each_is_compared_with_each(self, monkeypatch):
        compared = []
        tries = port_check._tries
        monkeypatch.setattr(port_check, "_tries", lambda *given: compared.append(given) or tries(*given))
        port_check.plan([host(number, server=False) for number in range(1, 101)], forks=5)
        assert len(compared) == 100 * port_check.MOST_PEERS * len(["tcp/10250", "udp/8472"])

    def test_where_not_all_can_be_there_at_once_nobody_waits(self):
        assert {part["meets"] for part in port_check.plan(SERVERS, forks=2).values()} == {False}
        assert {part["meets"] for part in port_check.plan(SERVERS, forks=3).values()} == {True}

    def test_a_firewall_that_the_run_opens_is_not_tried(self):
        managed = host(1, settings={"manage_firewall": True}, firewalls=("ufw",))
        assert "h1" not in {name for name, _port in tried_by(port_check.plan([managed, host(2)], 5), "h2")}
        without = host(1, settings={"manage_firewall": True})
        assert "h1" in {name for name, _port in tried_by(port_check.plan([without, host(2)], 5), "h2")}

    def test_an_address_that_is_not_the_hosts_own_is_not_tried(self):
        """It would be told a second time, as a port that is closed."""
        wrong = replace(host(1), findings=(Finding("node_ip", FAIL, "is no address of this host", "use one it has"),))
        plan = port_check.plan([wrong, host(2)], 5)
        assert not tried_by(plan, "h2") and tried_by(plan, "h1")

    @pytest.mark.parametrize(
        ("fixed", "published", "is_tried"),
        [("lb:6443", "192.0.2.9", False), ("lb:6443", "", True), ("lb:6443", "10.0.0.1", True), ("", "192.0.2.9", True)],
    )
    def test_agents_try_no_api_that_they_reach_by_a_load_balancer(self, fixed, published, is_tried):
        """Pods do so when the API is published there, too; the network may let none but it to the servers."""
        settings = {"advertise_address": published}
        hosts = [replace(host(number, server=number < 3, settings=settings), fixed=fixed) for number in (1, 2, 3)]
        plan = port_check.plan(hosts, 5)
        assert (("h1", "tcp/6443") in tried_by(plan, "h3")) is is_tried
        assert ("h1", "tcp/6443") in tried_by(plan, "h2") and ("h1", "tcp/10250") in tried_by(plan, "h3")

    def test_each_family_has_the_tunnels_of_its_own(self):
        settings = {"cluster_cidr": ["10.42.0.0/16", "fd42::/56"], "flannel_backend": "wireguard-native"}
        hosts = [host(number, settings=settings, node_ips=(f"10.0.0.{number}", f"fd00::{number}")) for number in (1, 2)]
        udp = {
            (each["ip"], each["port"])
            for each in port_check.plan(hosts, 5)["h1"]["targets"]
            if each["protocol"] == "udp"
        }
        assert udp == {("10.0.0.2", 51820), ("fd00::2", 51821)}


def address(name, family=4):
    return f"10.0.0.{name[1:]}" if family == 4 else f"fd00::{name[1:]}"


def outcome(host, port, told, family=4):
    protocol, number = port.split("/")
    return {"host": host, "ip": address(host, family), "protocol": protocol, "port": int(number), "outcome": told}


def check(name, outcomes, heard=(), opened=("tcp/2379", "tcp/6443", "udp/8472")):
    """What a host says; outcomes by the name of another and protocol/number."""
    return {
        "host": name,
        "outcomes": [outcome(other, port, told) for (other, port), told in outcomes.items()],
        "heard": [{"host": other, "port": port, "ip": address(name)} for other, port in heard],
        "opened": list(opened),
    }


def told(*checks, reports=()):
    reports = reports or SERVERS
    return [str(found) for found in port_check.findings(reports, port_check.outcomes_in(checks, reports))]


class TestFindings:
    def test_a_port_that_is_closed_is_one_sentence_for_all_that_cannot_reach_it(self):
        closed = {("h1", "tcp/2379"): "closed", ("h1", "tcp/6443"): "reached"}
        assert told(check("h2", closed), check("h3", closed)) == [
            "h1: h2 and h3 cannot reach its port TCP 2379; open it on the host (iptables -I INPUT -p tcp -m multiport "
            "--dports 2379 -j ACCEPT, for one), or in what filters between them, such as a security group"
        ]

    def test_a_firewall_program_is_opened_by_its_commands_or_by_the_run(self):
        hosts = [host(1, firewalls=("ufw",)), *SERVERS[1:]]
        closed = {("h1", "tcp/2379"): "closed", ("h1", "udp/8472"): "refused", ("h1", "tcp/6443"): "reached"}
        assert told(check("h1", {}), check("h2", closed), reports=hosts) == [
            "h1: h2 cannot reach its ports TCP 2379 and UDP 8472; set k3a_manage_firewall to true, or run ufw allow "
            "2379/tcp && ufw allow 8472/udp"
        ]

    def test_what_was_read_of_the_firewall_says_it_already(self):
        hosts = [host(1, closed_ports=("tcp/2379",)), *SERVERS[1:]]
        closed = {("h1", "tcp/2379"): "closed", ("h1", "tcp/6443"): "reached"}
        assert told(check("h2", closed), reports=hosts) == []

    def test_a_port_that_refuses_counts_where_its_host_listened(self):
        refused = {("h1", "tcp/2379"): "refused", ("h1", "tcp/6443"): "reached"}
        assert len(told(check("h1", {}), check("h2", refused))) == 1
        assert told(check("h1", {}, opened=("tcp/6443",)), check("h2", refused)) == []
        assert told(check("h2", refused)) == []

    def test_a_datagram_that_arrived_has_reached_its_port_whatever_became_of_the_answer(self):
        silent = {("h1", "udp/8472"): "refused", ("h1", "tcp/6443"): "reached"}
        assert told(check("h1", {}, heard=[("h2", "udp/8472")]), check("h2", silent)) == []

    def test_a_datagram_without_an_answer_is_a_warning_unless_the_host_closes_more(self):
        silent = {("h1", "udp/8472"): "unanswered", ("h1", "tcp/6443"): "unknown"}
        reports = port_check.findings(SERVERS, port_check.outcomes_in([check("h2", silent)], SERVERS))
        assert [found.finding.level for found in reports] == [WARN]
        assert str(reports[0]) == "h1: h2 had no answer from its port UDP 8472; make sure that it is open to them"
        closing = {**silent, ("h1", "tcp/6443"): "closed", ("h3", "tcp/6443"): "reached"}
        assert "cannot reach its ports TCP 6443 and UDP 8472" in told(check("h2", closing))[0]

    KEPT_OUT = "; let it through in its own firewall, in theirs, or in what is between them"

    def test_one_that_does_not_reach_what_others_reach_is_the_one_to_mend(self):
        nothing = {("h1", "tcp/6443"): "closed", ("h2", "tcp/6443"): "closed", ("h2", "tcp/2379"): "closed"}
        others = [
            check("h1", dict.fromkeys([("h2", "tcp/6443"), ("h2", "tcp/2379")], "reached"), heard=[("h2", "tcp/6443")]),
            check("h2", {("h1", "tcp/6443"): "reached"}, heard=[("h1", "tcp/6443"), ("h1", "tcp/2379")]),
        ]
        assert told(*others, check("h3", nothing)) == [
            f"h3: cannot reach TCP 6443 of h1 and h2, nor TCP 2379 of h2{self.KEPT_OUT}"
        ]

    AGENTS = [host(1), host(2, server=False), host(3, server=False), host(4, server=False)]

    def test_an_agent_alone_has_no_word_against_a_server(self):
        """It would end the run for all."""
        checks = [
            check("h2", {("h1", "tcp/6443"): "closed"}),
            *(check(h, {("h1", "tcp/6443"): "unknown"}) for h in ("h3", "h4")),
        ]
        assert told(*checks, reports=self.AGENTS) == [f"h2: cannot reach TCP 6443 of h1{self.KEPT_OUT}"]
        checks[1] = check("h3", {("h1", "tcp/6443"): "closed"})
        assert told(*checks, reports=self.AGENTS)[0].startswith("h1: h2 and h3 cannot reach its port TCP 6443")

    def test_an_agent_alone_is_a_warning_against_another_one(self):
        checks = [check("h2", {("h3", "tcp/10250"): "closed"}), check("h1", {("h3", "tcp/10250"): "reached"})]
        found = port_check.findings(self.AGENTS, port_check.outcomes_in(checks, self.AGENTS))
        assert [str(each) for each in found] == [f"h2: cannot reach TCP 10250 of h3{self.KEPT_OUT}"]
        assert found[0].finding.level == WARN

    def test_an_agent_that_keeps_a_server_out_is_the_one_to_mend(self):
        checks = [
            check("h1", {("h3", "tcp/10250"): "closed"}),
            *(check(h, {("h3", "tcp/10250"): "reached"}) for h in ("h2", "h4")),
        ]
        assert [each.partition(";")[0] for each in told(*checks, reports=self.AGENTS)] == [
            "h3: h1 cannot reach its port TCP 10250"
        ]

    def test_who_joins_a_cluster_and_does_not_reach_it_does_not_end_the_run_of_all(self):
        hosts = [host(1, installed=("apiserver",)), host(2, installed=("apiserver",)), host(3, server=False)]
        closed = {("h1", "tcp/6443"): "closed", ("h2", "tcp/6443"): "closed"}
        assert told(check("h3", closed), reports=hosts) == [f"h3: cannot reach TCP 6443 of h1 and h2{self.KEPT_OUT}"]

    @pytest.mark.parametrize("outcome", ["reached", "unknown", "anything"])
    def test_nothing_is_said_without_evidence(self, outcome):
        assert told(check("h2", {("h1", "tcp/2379"): outcome})) == []

    def test_nobody_speaks_of_hosts_or_ports_that_are_none_of_ours(self):
        assert (
            told(check("h2", {("h9", "tcp/2379"): "closed", ("h1", "tcp/22"): "closed", ("h2", "tcp/6443"): "closed"}))
            == []
        )

    def test_nobody_speaks_of_a_port_that_others_were_told_to_try(self):
        """An agent has nothing to say of etcd, nor a host of a cluster of another one of it, or of one that is opened."""
        hosts = [host(1), host(2, server=False)]
        assert told(check("h2", {("h1", "tcp/2379"): "closed"}), reports=hosts) == []
        settled = [host(number, installed=("kubelet",)) for number in (1, 2)]
        assert told(check("h2", {("h1", "tcp/6443"): "closed"}), reports=[*settled, host(3)]) == []
        managed = host(1, settings={"manage_firewall": True}, firewalls=("ufw",))
        assert told(check("h2", {("h1", "tcp/6443"): "closed"}), reports=[managed, host(2)]) == []

    def test_nobody_denies_to_have_come_where_he_was_heard(self):
        closed = {("h1", "tcp/2379"): "closed", ("h1", "tcp/6443"): "reached"}
        assert told(check("h1", {}, heard=[("h2", "tcp/2379")]), check("h2", closed)) == []

    def test_of_several_addresses_the_worst_is_told_each_by_who_was_heard_there(self):
        settings = {"cluster_cidr": ["10.42.0.0/16", "fd42::/56"]}
        hosts = [
            host(number, settings=settings, node_ips=(address(f"h{number}"), address(f"h{number}", 6)))
            for number in (1, 2)
        ]
        for four, six in (("unknown", "closed"), ("closed", "unknown"), ("refused", "closed")):
            other = {
                **check("h2", {}),
                "outcomes": [outcome("h1", "udp/8472", four), outcome("h1", "udp/8472", six, 6)],
            }
            assert "cannot reach its port UDP 8472" in told(other, reports=hosts)[0]
            other["outcomes"].reverse()
            assert "cannot reach its port UDP 8472" in told(other, reports=hosts)[0]
        silent = {
            **check("h2", {}),
            "outcomes": [outcome("h1", "udp/8472", "reached"), outcome("h1", "udp/8472", "unanswered", 6)],
        }
        heard = check("h1", {}, heard=[("h2", "udp/8472")])
        assert "had no answer from its port UDP 8472" in told(heard, silent, reports=hosts)[0]

    def test_one_that_could_not_try_says_nothing(self):
        assert told({"host": "h2", "failed": True, "msg": "no"}, {"unreachable": True}) == []

    @pytest.mark.parametrize(
        "change", [{"outcomes": [{"host": "h1"}]}, {"outcomes": 1}, {"heard": None}, {"opened": [1]}]
    )
    def test_an_answer_of_another_form_says_nothing(self, change):
        closed = check("h2", {("h1", "tcp/2379"): "closed", ("h1", "tcp/6443"): "reached"})
        assert told(closed) and told({**closed, **change}) == []


class TestDisproved:
    READ = Finding("firewall_ports", FAIL, "ufw drops packets to TCP 2379", "open it")
    PODS = Finding("firewall", FAIL, "ufw drops packets of pods", "open it")

    def kept(self, *checks, closed=("tcp/2379",)):
        hosts = [replace(host(1, closed_ports=closed), findings=(self.READ, self.PODS)), *SERVERS[1:]]
        return port_check.without_disproved(hosts, port_check.outcomes_in(checks, hosts))[0].findings

    def test_what_everybody_reached_is_open_whatever_was_read(self):
        reached = {("h1", "tcp/2379"): "reached"}
        assert self.kept(check("h2", reached), check("h3", reached)) == (self.PODS,)

    def test_who_says_to_have_come_where_he_was_not_heard_disproves_nothing(self):
        reached = [check("h2", {("h1", "tcp/2379"): "reached"})]
        assert self.kept(*reached, check("h1", {})) == (self.READ, self.PODS)
        assert self.kept(*reached, check("h1", {}, heard=[("h2", "tcp/2379")])) == (self.PODS,)

    def test_what_nobody_tried_or_somebody_did_not_reach_stays(self):
        assert self.kept() == (self.READ, self.PODS)
        tried = [check("h2", {("h1", "tcp/2379"): "reached"}), check("h3", {("h1", "tcp/2379"): "closed"})]
        assert self.kept(*tried) == (self.READ, self.PODS)
        assert self.kept(tried[0], closed=("tcp/2379", "tcp/2380")) == (self.READ, self.PODS)
