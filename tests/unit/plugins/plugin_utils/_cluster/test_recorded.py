# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way in which a host or a cluster would become another one ends in one sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity, Identity
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import recorded
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostFacts,
    HostReport,
    NodeReport,
    ServerReport,
)

AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OTHER = AUTHORITY.replace("AAAA", "BBBB")
SETTINGS = {
    "data_dir": "/var/lib/k3a",
    "cluster_cidr": ["10.42.0.0/16"],
    "service_cidr": ["10.43.0.0/16"],
    "cluster_domain": "cluster.local",
}
MADE = {name: SETTINGS[name] for name in recorded.IMMUTABLE}
CLUSTER = ServerReport(
    "server-1",
    healthy=True,
    ca_certificates={"server": AUTHORITY},
    cluster_id="u1",
    config=MADE,
    nodes=(NodeReport("s1", "m1"), NodeReport("a1", "m2")),
)
SILENT = ServerReport("server-1", ca_certificates={"server": AUTHORITY})
NAMES = "put the host's name, k3a_node_name and k3a_with_node_id back as they were"
ONE, THREE = ("server-1",), ("server-1", "server-2", "server-3")


def host(name="server-1", replaced=False, settings=None, identity=None, **facts):
    """A host that runs as it is recorded: server-1 is s1 with the machine id m1, agent-1 is a1 with m2."""
    node, machine = ("s1", "m1") if name.startswith("server") else ("a1", "m2")
    known = Identity(
        machine_id=machine,
        cluster_id="u1",
        server_ca=tokens.ca_hash(AUTHORITY),
        node_name=node,
        node_ips=("10.0.0.1",),
        data_dir="/var/lib/k3a",
        cluster_cidr=("10.42.0.0/16",),
        service_cidr=("10.43.0.0/16",),
        cluster_domain="cluster.local",
    )
    seen = {
        "node_name": node,
        "machine_id": machine,
        "identity": replace(known, **(identity or {})),
        "recorded": True,
        "installed": ("kubelet",),
        "state": True,
        **facts,
    }
    about = {**SETTINGS, **(settings or {})}
    return HostReport(name, server=name.startswith("server"), replace=replaced, settings=about, facts=HostFacts(**seen))


def told(report, answer=CLUSTER, servers=THREE):
    found = recorded.record_findings([report], answer, servers)
    assert all(each.finding.level == FAIL for each in found)
    return [str(each) for each in found]


@pytest.mark.parametrize("name", ["server-1", "agent-1"])
@pytest.mark.parametrize("answer", [CLUSTER, SILENT, ServerReport()], ids=["cluster", "silent", "nobody"])
class TestSame:
    def test_a_host_that_stays_who_it_is_has_no_finding(self, name, answer):
        assert told(host(name), answer) == []

    def test_nor_has_one_that_has_nothing_yet(self, name, answer):
        fresh = host(name, identity=dict.fromkeys(("cluster_id", "node_name", "data_dir"), ""), recorded=False)
        facts = replace(fresh.facts, identity=Identity(), installed=(), state=False, machine_id="m9", node_name="n9")
        assert told(replace(fresh, facts=facts), answer) == []

    @pytest.mark.parametrize("state", [True, False], ids=["with a certificate", "with nothing"])
    def test_nor_one_whose_first_run_was_killed_before_anything_ran(self, name, answer, state):
        """What it recorded then binds nobody: a name that was wrong may be mended."""
        early = host(name, installed=(), state=state, machine_id="m8", identity={"machine_id": "m8", "node_name": "slip", "data_dir": "/slip"})
        assert told(early, answer) == []


class TestName:
    def test_units_that_were_removed_make_a_server_no_new_one(self):
        (text,) = told(host(installed=(), etcd_data=True, node_name="new"), SILENT)
        assert "it is the node s1 of the cluster" in text

    @pytest.mark.parametrize("answer", [CLUSTER, SILENT])
    @pytest.mark.parametrize("known", [True, False], ids=["recorded", "by what runs"])
    def test_a_server_that_was_renamed(self, answer, known):
        assert told(host(node_name="new", recorded=known), answer) == [
            f"server-1: it is the node s1 of the cluster, and its name is new now; {NAMES}, or remove it with"
            " remove_node.yml -e k3a_remove_node=s1 and have site.yml make it anew"
        ]

    def test_the_only_server_cannot_leave(self):
        (text,) = told(host(node_name="new"), servers=ONE)
        assert text == f"server-1: it is the node s1 of the cluster, and its name is new now; {NAMES}"

    @pytest.mark.parametrize("servers", [ONE, THREE])
    def test_an_agent_can(self, servers):
        (text,) = told(host("agent-1", node_name="new"), servers=servers)
        assert text.startswith("agent-1: it is the node a1 of the cluster, and its name is new now;")
        assert "k3a_remove_node=a1" in text

    def test_without_a_record_the_cluster_knows_the_machine(self):
        lost = host("agent-1", node_name="new", identity={"node_name": ""}, recorded=False)
        (text,) = told(lost)
        assert "it is the node a1 of the cluster" in text

    def test_no_variable_answers_it(self):
        assert told(host(node_name="new", replaced=True)) == told(host(node_name="new"))

    def test_an_old_node_of_a_machine_that_has_its_new_one_is_nobody(self):
        answer = replace(CLUSTER, nodes=(*CLUSTER.nodes, NodeReport("old", "m2")))
        assert told(host("agent-1"), answer) == []

    def test_a_machine_that_joined_by_a_token_leaves_in_two_places(self):
        (text,) = told(host("agent-1", node_name="new"), servers=())
        assert text.endswith(
            f"; {NAMES}, or take it out with remove_node.yml -e k3a_remove_node=a1 -e k3a_release_names=true in the cluster and reset.yml -e"
            " join_hosts=agent-1, and have it join anew"
        )


class TestAddress:
    """The default route gives a host its address when it begins, and nobody another one afterwards."""

    ELSEWHERE = {"node_ips": ("192.168.77.7",), "kept_ips": ("10.0.0.1",)}

    @pytest.mark.parametrize("name", ["server-1", "agent-1"])
    def test_a_default_route_that_leads_elsewhere_moves_nobody(self, name):
        node = {"server-1": "s1", "agent-1": "a1"}[name]
        assert told(host(name, **self.ELSEWHERE)) == [
            f"{name}: it is the node {node} with the address 10.0.0.1, which it still has, and its default route leads "
            "to 192.168.77.7 now; set k3a_node_ip to 10.0.0.1 for it to stay what it is, or to 192.168.77.7 to move it"
        ]

    @pytest.mark.parametrize("settings", [{"node_ip": ["192.168.77.7"]}, {"flannel_iface": "eth1"}])
    def test_one_that_is_told_to_moves(self, settings):
        assert told(host(settings=settings, **self.ELSEWHERE)) == []

    def test_so_does_one_that_has_lost_its_address(self):
        assert told(host(node_ips=("10.0.0.2",))) == []

    def test_one_that_gets_a_second_address_has_its_first(self):
        assert told(host(node_ips=("10.0.0.1", "fd00::1"), kept_ips=("10.0.0.1",))) == []

    AWAY = (
        ", or take it out with remove_node.yml -e k3a_remove_node=a1 -e k3a_release_names=true in the cluster and reset.yml -e join_hosts=agent-1, "
        "and have it join anew"
    )

    STAY = "set k3a_node_ip to 10.0.0.1 for it to stay what it is"

    @pytest.mark.parametrize(
        "facts, settings, now, back",
        [
            (ELSEWHERE, {}, ", which it still has, and its default route leads to 192.168.77.7 now", STAY),
            (ELSEWHERE, {"node_ip": ["192.168.77.7"]}, ", and its address is 192.168.77.7 now", STAY),
            ({"node_ips": ("10.0.0.2",)}, {}, ", and its address is 10.0.0.2 now", "give it that address back"),
        ],
    )
    def test_a_machine_that_joined_by_a_token_cannot_move(self, facts, settings, now, back):
        """It may have certificates for the addresses of its node only, which its kubelet tells with them."""
        assert told(host("agent-1", settings=settings, **facts), servers=()) == [
            f"agent-1: it is the node a1 with the address 10.0.0.1{now}; {back}{self.AWAY}"
        ]

    def test_one_that_is_still_to_begin_takes_what_it_is_given(self):
        assert told(host(installed=(), state=False, **self.ELSEWHERE)) == []


class TestMachine:
    def test_a_copy_is_told_once_and_nothing_else_is_its_own(self):
        copy = host(machine_id="m7", node_name="other", settings={"data_dir": "/other"})
        assert told(copy) == [
            "server-1: /etc/k3a/identity.json is of a machine with the id m1, and here it is m7: this host is a copy of "
            "that one, or its machine id was changed; put the machine id back, or take k3a off the copy with reset.yml "
            "--limit server-1"
        ]

    def test_a_machine_without_an_id_is_no_copy(self):
        """It has a finding of its own."""
        finding = Finding("machine_id", "fail", "/etc/machine-id holds no machine id", "")
        assert told(replace(host(machine_id=""), findings=(finding,))) == []

    def test_the_name_of_the_original_is_not_that_of_the_copy(self):
        assert host(machine_id="m7", node_name="new").known_name == "new"
        assert host(node_name="new").known_name == "s1"


class TestCluster:
    def test_another_one(self):
        other = {"cluster_id": "u2", "server_ca": tokens.ca_hash(OTHER)}
        assert told(host("agent-1", identity=other)) == [
            "agent-1: it belongs to another cluster (u2, and this one is u1); leave it out of this run, or take k3a off"
            " it with reset.yml --limit agent-1"
        ]

    @pytest.mark.parametrize("name", ["server-1", "agent-1"])
    def test_a_server_whose_etcd_has_begun_anew_is_not_what_hosts_go_by(self, name):
        """To take k3a off a host that still has its data would be the worst advice."""
        assert told(host(name), replace(CLUSTER, cluster_id="u9")) == [
            f"{name}: it belongs to the cluster u1, and server-1, which has the same CA, answers for another one (u9): its"
            " data was lost, or is somebody else's; put etcd's data back there, from a backup or the other servers"
        ]

    def test_an_api_server_that_looks_elsewhere_in_the_same_etcd_is_no_loss_of_data(self):
        """A wrong etcd-prefix in its unit, for instance."""
        same = {"etcd_cluster": "7", "etcd_recorded": EtcdIdentity("7", "1")}
        assert told(host(**same), replace(CLUSTER, cluster_id="u9")) == [
            "server-1: it belongs to the cluster u1, and server-1 answers for another one (u9), although etcd is the one that"
            " it was; see that k3a-apiserver has no --etcd-prefix and no --etcd-servers but its own (systemctl cat"
            " k3a-apiserver); if so, put etcd's data back from a backup"
        ]
        (text,) = told(host(**{**same, "etcd_cluster": "8"}), replace(CLUSTER, cluster_id="u9"))
        assert "its data was lost" in text

    def test_by_its_ca_where_no_id_is_known(self):
        (text,) = told(host("agent-1", identity={"cluster_id": "", "server_ca": tokens.ca_hash(OTHER)}))
        assert text.startswith("agent-1: it belongs to another cluster; leave it out of this run")

    def test_a_restored_cluster_with_new_cas_keeps_its_id(self):
        assert told(host("agent-1", identity={"server_ca": tokens.ca_hash(OTHER)})) == []


class TestPlace:
    def test_another_data_directory(self):
        assert told(host(settings={"data_dir": "/data/k3a"})) == [
            "server-1: k3a_data_dir is /data/k3a, and this host has all that it keeps in /var/lib/k3a; set k3a_data_dir"
            " to /var/lib/k3a, or remove it with remove_node.yml -e k3a_remove_node=s1 and have site.yml make it anew"
        ]
        (text,) = told(host(settings={"data_dir": "/data/k3a"}), servers=ONE)
        assert text.endswith("; set k3a_data_dir to /var/lib/k3a")

    def test_the_same_one_written_otherwise(self):
        assert told(host(settings={"data_dir": "/var/lib/k3a/"})) == []

    def test_one_that_is_not_mounted_or_was_emptied(self):
        empty = "server-1: /var/lib/k3a holds nothing of k3a any more: it is not mounted, or was emptied"
        mount = "mount it, or put it back from a backup"
        assert told(host(state=False), servers=ONE) == [f"{empty}; {mount}"]
        assert told(host(state=False)) == [
            f"{empty}; {mount}, or set k3a_replace=true for the host when that is lost, to have it made anew"
        ]
        assert told(host(state=False, replaced=True)) == []

    def test_before_there_were_records(self):
        (text,) = told(host(state=False, recorded=False, identity={"cluster_id": ""}), servers=ONE)
        assert "it is not mounted, or was emptied" in text


class TestSettings:
    @pytest.mark.parametrize(
        "name, value, shown",
        [
            ("service_cidr", ["10.99.0.0/16"], "k3a_service_cidr is 10.99.0.0/16, and the cluster was made with 10.43.0.0/16"),
            ("cluster_cidr", ["10.42.0.0/16", "fd00::/56"], "k3a_cluster_cidr is 10.42.0.0/16, fd00::/56, and the cluster"),
            ("cluster_domain", "other.local", "k3a_cluster_domain is other.local, and the cluster was made with cluster.local"),
        ],
    )
    @pytest.mark.parametrize("answer", [CLUSTER, SILENT], ids=["by the cluster", "by the record"])
    def test_what_a_cluster_cannot_change(self, name, value, shown, answer):
        (text,) = told(host(settings={name: value}), answer)
        assert shown in text
        assert text.startswith("inventory: ")
        assert text.endswith(", which no cluster can change; put it back; another value takes a new cluster")

    def test_what_the_api_says_of_it_steers_no_terminal(self):
        (text,) = told(host(), replace(CLUSTER, config={**MADE, "cluster_domain": "a\x1b[2J\nb"}))
        assert "was made with a\ufffd[2J b, which" in text

    def test_it_is_told_once_for_all_hosts(self):
        changed = {"cluster_domain": "other.local"}
        hosts = [host(settings=changed), host("agent-1", settings=changed)]
        assert len(recorded.record_findings(hosts, CLUSTER, ONE)) == 1

    @pytest.mark.parametrize("value", [["10.42.0.0/16"], ["10.42.0.1/16"]])
    def test_a_network_may_be_written_by_any_of_its_addresses(self, value):
        assert told(host(settings={"cluster_cidr": value})) == []

    def test_what_one_agent_says_stops_nobody(self):
        assert told(host("agent-1", identity={"cluster_domain": "other.local"}), SILENT) == []

    def test_what_is_not_known_is_compared_with_nothing(self):
        unknown = {"cluster_domain": "", "cluster_cidr": (), "service_cidr": ()}
        assert told(host("agent-1", settings={"cluster_domain": "other.local"}, identity=unknown), SILENT) == []


class TestIssuer:
    DEFAULT = "https://kubernetes.default.svc.cluster.local"

    def told(self, *arguments, issuer=DEFAULT):
        return told(host(settings={"kube_apiserver_arg": list(arguments)}), replace(CLUSTER, issuer=issuer))

    def test_another_one_would_make_all_tokens_invalid(self):
        assert self.told("service-account-issuer=https://other.example") == [
            "server-1: k3a_kube_apiserver_arg: service-account-issuer is https://other.example, and tokens of the cluster"
            f" name {self.DEFAULT}; add service-account-issuer={self.DEFAULT} after it, and keep that until all tokens are"
            " renewed"
        ]

    def test_servers_that_are_given_the_same_are_told_of_together(self):
        given = {"kube_apiserver_arg": ["service-account-issuer=https://other.example"]}
        reports = [host(name, settings=given) for name in THREE]
        (found,) = recorded.record_findings(reports, replace(CLUSTER, issuer=self.DEFAULT), THREE)
        assert found.hosts == THREE

    def test_a_second_one_beside_the_first_is_how_it_is_changed(self):
        assert self.told("service-account-issuer=https://other.example", f"service-account-issuer={self.DEFAULT}") == []

    @pytest.mark.parametrize(
        "arguments, issuer",
        [((), DEFAULT), (("v=2",), DEFAULT), (("--service-account-issuer=https://other.example",), "https://other.example")],
    )
    def test_what_the_cluster_has_stays(self, arguments, issuer):
        assert self.told(*arguments, issuer=issuer) == []

    def test_going_back_to_the_default_is_another_one_too(self):
        (text,) = self.told(issuer="https://other.example")
        assert f"service-account-issuer is {self.DEFAULT}, and tokens of the cluster name https://other.example" in text

    def test_another_domain_is_told_of_once(self):
        changed = host(settings={"cluster_domain": "other.local"})
        (text,) = told(changed, replace(CLUSTER, issuer=self.DEFAULT))
        assert "k3a_cluster_domain is other.local" in text

    def test_where_the_api_is_away_it_is_not_known(self):
        assert self.told("service-account-issuer=https://other.example", issuer="") == []


class TestFounding:
    """No server has etcd's data; what shows that there was a cluster is in the way of another one."""

    def found(self, *reports):
        return [str(found) for found in recorded.founding_findings(reports)]

    def fresh(self, name="server-1", **facts):
        report = host(name, installed=(), state=False, recorded=False)
        return replace(report, facts=replace(report.facts, **{"identity": Identity(), **facts}))

    def test_hosts_that_have_nothing_are_in_nobodys_way(self):
        assert self.found(self.fresh(), self.fresh("server-2"), self.fresh("agent-1")) == []

    @pytest.mark.parametrize(
        "facts, sign",
        [
            ({"etcd_running": True}, "its etcd runs"),
            # As one that is started again and again does.
            ({"etcd_running": True, "recorded": True, "identity": Identity(cluster_id="u1")}, "it records that it belongs"),
            ({"recorded": True, "identity": Identity(cluster_id="u1")}, "it records that it belongs to the cluster u1"),
            ({"recorded": True, "etcd_recorded": EtcdIdentity("7", "8")}, "it records that its etcd is a member of the cluster 7"),
            ({"installed": ("etcd", "kubelet"), "state": True}, "it has the services etcd, kubelet of k3a, and no record of a cluster"),
            ({"authority": "abc"}, "it has the CA of a cluster of k3a, and no record of a cluster"),
        ],
    )
    def test_a_server_that_shows_a_cluster_is(self, facts, sign):
        (text,) = self.found(self.fresh("server-2", **facts))
        assert text.startswith(f"server-2: no server has etcd's data, but {sign}")
        assert text.endswith(
            ": an empty cluster must not take that one's place; mount its data directory, or put the data back from a"
            " backup; reset.yml gives the cluster up"
        )

    def test_of_one_that_was_emptied_only_that_is_told(self):
        """Its own finding is in the way, too; and where it could be answered, this one is."""
        emptied = host(state=False, etcd_data=False)
        assert self.found(emptied) == []
        assert len(told(emptied)) == 1
        (text,) = self.found(host(state=False, replaced=True))
        assert "an empty cluster must not take that one's place" in text

    def test_then_nothing_is_said_of_agents(self):
        """The cluster is not new: they are its nodes."""
        (text,) = self.found(self.fresh(etcd_running=True), host("agent-1"))
        assert text.startswith("server-1: ")

    def test_a_founding_that_was_killed_goes_on(self):
        begun = {"recorded": True, "identity": Identity(machine_id="m1"), "installed": ("etcd",), "authority": "abc"}
        assert self.found(self.fresh(**begun)) == []

    def test_an_agent_of_a_founding_that_was_killed_before_etcd_began_goes_on(self):
        begun = {"recorded": True, "identity": Identity(machine_id="m2")}
        assert self.found(self.fresh("agent-1", installed=("certificate-monitor",), **begun)) == []
        (text,) = self.found(self.fresh("agent-1", installed=("certificate-monitor", "containerd"), **begun))
        assert "it is a node of a former one" in text

    def test_a_node_of_a_former_cluster_stays_out_of_the_new_one(self):
        former = self.fresh("agent-1", recorded=True, installed=("kubelet",), identity=Identity(cluster_id="u1"))
        assert self.found(former) == [
            "agent-1: the cluster is new, and it records that it belongs to the cluster u1; take k3a off this host with"
            " reset.yml --limit agent-1"
        ]


def test_with_what_hosts_are_compared_is_a_line_for_each():
    assert recorded.lines([host(), host("agent-1", recorded=False, identity={"cluster_id": ""})]) == [
        "server-1 is the node s1 (10.0.0.1) of the cluster u1 in /var/lib/k3a, by its record.",
        "agent-1 is the node a1 (10.0.0.1) of the cluster ? in /var/lib/k3a, by what runs on it.",
    ]
