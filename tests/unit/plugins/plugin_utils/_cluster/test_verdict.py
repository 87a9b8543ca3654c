# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import fields, replace

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.modules import check_cluster, node
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import verdict
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostFacts,
    HostReport,
    NodeReport,
    ServerReport,
)
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.verdict import Verdict, Ways
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.components import WITH_ENVIRONMENT

SETTINGS = {name.removeprefix(spec.PREFIX): value for name, value in spec.defaults().items()}
SETTINGS |= {"https_listen_port": 7443, "lb_server_port": 7444, "node_label": ["a=b"], "node_annotation": ["own=1"]}
DOCUMENTED = yaml.safe_load(check_cluster.RETURN)


def looked(name, **more):
    """What is known of server-1 (s1, 10.0.0.1) or agent-1 (a1, 10.0.0.101)."""
    server, number = name.startswith("server"), name[-1]
    ip = f"10.0.0.{number}" if server else f"10.0.0.10{number}"
    facts = HostFacts(f"{name[0]}{number}", (ip,), **more.pop("facts", {}))
    settings = {**SETTINGS, **more.pop("settings", {})}
    api = f"{ip}:7443" if server else ""
    return HostReport(name, server=server, api=api, settings=settings, facts=facts, annotations=("made=1",), **more)


SERVERS = [looked(f"server-{number}") for number in (1, 2, 3)]
AGENT = looked("agent-1")
PLAN = Verdict(
    server="server-1",
    servers=tuple(server.api for server in SERVERS),
    urls=("https://192.0.2.1:7443", "https://10.0.0.2:7443"),
    etcd_endpoints=("https://10.0.0.1:2379",),
    etcd_leader="s2",
)


class TestWithoutProxy:
    """What a node reaches without the proxy that is for registries."""

    ALWAYS = ["localhost", "127.0.0.0/8", "::1", "10.42.0.0/16", "10.43.0.0/16", ".svc", ".cluster.local", "10.0.0.101"]

    def without_proxy(self, **settings):
        ways = Ways(PLAN.servers, "https://[fd00::1]:7443")
        return verdict.node_record(looked("agent-1", settings=settings), ways)["no_proxy"]

    def test_it_is_loopback_the_cluster_and_the_node_itself(self):
        assert self.without_proxy() == [*self.ALWAYS, "127.0.0.1"]

    def test_it_is_what_is_asked_for_besides(self):
        assert self.without_proxy(no_proxy=["::1", "reg.example.org"]) == [*self.ALWAYS, "127.0.0.1", "reg.example.org"]

    def test_it_is_the_api_wherever_that_is(self):
        assert self.without_proxy(disable_apiserver_lb=True) == [*self.ALWAYS, "fd00::1"]
        url = "https://api.example.org"
        assert self.without_proxy(disable_apiserver_lb=True, server_url=url) == [*self.ALWAYS, "api.example.org"]


def test_every_component_has_an_environment_of_its_own():
    report = looked("agent-1", settings={"environment": {"kubelet": {"GODEBUG": "netdns=go"}}})
    found = verdict.node_record(report, Ways(PLAN.servers, PLAN.urls[0]))["environment"]
    assert {name: given for name, given in found.items() if given} == {"kubelet": {"GODEBUG": "netdns=go"}}
    assert found.keys() == set(WITH_ENVIRONMENT) > {"etcd", "containerd", "kube-proxy", "controller-manager"}


class TestApiUrl:
    """Where a node's components reach the API."""

    ONE, THREE = ("10.0.0.1:7443",), PLAN.servers

    @pytest.mark.parametrize(
        "host, servers, without, server_url, expected",
        [
            # A node beside others has the load balancer, but for a server that is the only one.
            ("agent-1", ONE, False, "", "https://127.0.0.1:7444"),
            ("agent-1", THREE, False, "", "https://127.0.0.1:7444"),
            ("server-1", THREE, False, "", "https://127.0.0.1:7444"),
            ("server-1", ONE, False, "", "https://127.0.0.1:7443"),
            # Without it a server has its own API, and an agent the address in front of all, or where it was found.
            ("server-1", THREE, True, "", "https://127.0.0.1:7443"),
            ("server-1", ONE, True, "", "https://127.0.0.1:7443"),
            ("agent-1", THREE, True, "", "https://192.0.2.1:7443"),
            ("agent-1", THREE, True, "https://api.example.org", "https://api.example.org"),
            # The address in front of the servers replaces neither the load balancer nor a server's own API.
            ("agent-1", THREE, False, "https://api.example.org", "https://127.0.0.1:7444"),
            ("server-1", THREE, False, "https://api.example.org", "https://127.0.0.1:7444"),
            ("server-1", THREE, True, "https://api.example.org", "https://127.0.0.1:7443"),
            ("server-1", ONE, False, "https://api.example.org", "https://127.0.0.1:7443"),
        ],
    )
    @pytest.mark.parametrize("joining", [False, True])
    def test_each_combination(self, host, servers, without, server_url, expected, joining):
        report = looked(host, settings={"disable_apiserver_lb": without, "server_url": server_url})
        record = verdict.node_record(report, Ways(servers, PLAN.urls[0], joining))
        assert record["api_url"] == expected
        assert record["load_balanced"] is (expected == "https://127.0.0.1:7444")
        assert ("load-balancer" in record["wait_for"]["flannel"]) is record["load_balanced"]
        assert {"kubelet", "kube-proxy"} <= set(record["wait_for"]["flannel"])
        assert record["api_servers"] == list(servers)


class TestRecords:
    def test_a_record_has_all_variables_that_are_no_secrets_and_what_follows(self):
        record = verdict.host_records([*SERVERS, AGENT], PLAN)["agent-1"]
        assert SETTINGS.keys() <= record.keys()
        assert (record["node_name"], record["is_server"], record["is_node"]) == ("a1", False, True)
        assert record["annotations"] == ["made=1", "own=1"]
        assert record["registration_labels"] == []
        assert record["api_own"] == ""

    def test_a_firewall_opens_the_ports_that_somebody_comes_to(self):
        agent, server = looked("agent-1"), looked("server-1", settings={"https_listen_port": 7443})
        assert set(verdict.firewall_ports(agent)) == {"10250/tcp", "8472/udp"}
        all_of_it = {"7443/tcp", "10250/tcp", "8472/udp", "2379/tcp", "2380/tcp"}
        assert set(verdict.firewall_ports(server)) == all_of_it
        for without, ports in (("servers",), all_of_it - {"2379/tcp", "2380/tcp"}), (("servers", "nodes"), {"7443/tcp"}):
            assert set(verdict.firewall_ports(replace(server, without_peers=without))) == ports

    def test_nodes_that_joined_by_a_token_come_to_a_server_that_is_alone_in_the_inventory(self):
        alone = replace(SERVERS[0], without_peers=("servers", "nodes"))
        for nodes, without in ((["s1"], ("servers", "nodes")), (["s1", "joined"], ("servers",)), ([], ("servers", "nodes"))):
            answer = ServerReport(nodes=tuple(NodeReport(name) for name in nodes))
            assert verdict.with_joined_peers([alone], answer) == [replace(alone, without_peers=without)]

    def test_hosts_of_a_run_differ_where_they_must(self):
        records = verdict.host_records([*SERVERS, AGENT], PLAN)
        assert [name for name, record in records.items() if record["may_create"]] == ["server-1"]
        assert [name for name, record in records.items() if record["etcd_leads"]] == ["server-2"]
        assert all(record["leader_elect"] for record in records.values())
        assert records["server-3"]["api_before"] == ["10.0.0.1:7443", "10.0.0.2:7443"]
        assert records["server-1"]["api_before"] == records["agent-1"]["api_before"] == []

    def test_a_server_alone_elects_nobody(self):
        assert not verdict.host_records(SERVERS[:1], replace(PLAN, servers=("10.0.0.1:7443",)))["server-1"][
            "leader_elect"
        ]

    def test_before_there_is_an_etcd_nobody_leads(self):
        assert not any(record["etcd_leads"] for record in verdict.host_records(SERVERS, Verdict()).values())

    def test_who_is_replaced_or_has_no_password(self):
        plan = replace(PLAN, replaced_nodes=("a1",), hosts_without_password=("server-1",))
        records = verdict.host_records([SERVERS[0], AGENT], plan)
        assert [records[host]["is_replaced"] for host in ("server-1", "agent-1")] == [False, True]
        assert [records[host]["lacks_password"] for host in ("server-1", "agent-1")] == [True, False]

    def test_a_host_on_which_no_module_could_run_has_no_record(self):
        assert verdict.host_records([*SERVERS, HostReport("agent-1", settings=SETTINGS)], PLAN).keys() == {
            report.name for report in SERVERS
        }

    def test_a_server_without_an_address_is_in_nobodys_turn(self):
        records = verdict.host_records([SERVERS[0], replace(SERVERS[1], api=""), SERVERS[2]], PLAN)
        assert records["server-2"]["api_before"] == []
        assert records["server-3"]["api_before"] == ["10.0.0.1:7443"]

    def test_the_address_in_front_of_the_servers_is_the_last_resort(self):
        record = verdict.node_record(replace(AGENT, fixed="api.example.org:443"), Ways(PLAN.servers, PLAN.urls[0]))
        assert record["api_fallback"] == ["api.example.org:443"]
        assert verdict.node_record(AGENT, Ways(PLAN.servers, PLAN.urls[0]))["api_fallback"] == []

    def test_a_machine_that_joins_gives_itself_its_labels(self):
        record = verdict.node_record(AGENT, Ways(PLAN.servers, "https://192.0.2.1:7443", joining=True))
        assert record["registration_labels"] == ["a=b"]
        # It showed its password when it asked for its certificate.
        assert record["lacks_password"] is False

    def test_a_machine_that_joined_by_a_token_renews_itself_until_a_run_takes_that_over(self):
        joined = replace(AGENT, facts=replace(AGENT.facts, installed=("certificate-renewal", "kubelet")))
        records = [verdict.node_record(report, Ways(PLAN.servers, PLAN.urls[0])) for report in (joined, AGENT)]
        assert [record["renews_itself"] for record in records] == [True, False]

    def test_no_value_of_ours_is_hidden_by_a_variable(self):
        """A record is one mapping of variables and what follows from the verdict."""
        own = verdict.host_records(SERVERS, PLAN)["server-1"].keys() - SETTINGS.keys()
        assert {"node_ip", "replace", "wait_timeout"} <= SETTINGS.keys()
        assert own.isdisjoint(SETTINGS)


class TestNodes:
    def test_roles_and_addresses_are_for_others_to_give(self):
        server, agent = verdict.described_nodes([SERVERS[0], AGENT])
        assert server["labels"] == [*verdict.SERVER_LABELS, "a=b"]
        assert agent["labels"] == ["a=b"]
        assert (agent["host"], agent["name"], agent["internal_ips"]) == ("agent-1", "a1", ["10.0.0.101"])
        assert agent["annotations"] == ["made=1", "own=1"]

    def test_who_runs_no_node_has_none(self):
        assert verdict.described_nodes([replace(SERVERS[0], node=False), HostReport("agent-1")]) == []

    def test_they_are_as_the_module_takes_them(self):
        for described in verdict.described_nodes([*SERVERS, AGENT]):
            assert described.keys() - {"host"} <= node.OPTIONS["nodes"]["options"].keys()
            assert described.keys() == DOCUMENTED["nodes"]["sample"][0].keys()


class TestPasswords:
    KNOWN = looked("agent-1", facts={"node_password": True})

    def test_a_node_needs_its_password_on_both_sides(self):
        assert verdict.without_password([self.KNOWN], ["a1"], []) == []
        assert verdict.without_password([self.KNOWN], [], []) == ["agent-1"]
        assert verdict.without_password([AGENT], ["a1"], []) == ["agent-1"]

    def test_that_of_a_machine_made_anew_goes_with_its_node(self):
        assert verdict.without_password([self.KNOWN], ["a1"], ["a1"]) == ["agent-1"]

    def test_who_runs_no_node_needs_none(self):
        assert verdict.without_password([replace(AGENT, node=False), HostReport("agent-2")], [], []) == []


class TestWindow:
    @pytest.mark.parametrize(
        "wanted, nodes, count",
        [
            ("1", 100, 1),
            ("3", 100, 3),
            ("200", 100, 200),
            ("0", 100, 1),
            ("10%", 9, 1),
            ("10%", 10, 1),
            ("10%", 19, 1),
            ("10%", 20, 2),
            ("10%", 200, 20),
            ("33%", 3, 1),
            ("67%", 3, 2),
            ("100%", 3, 3),
            ("0%", 3, 1),
            ("10%", 0, 1),
        ],
    )
    def test_a_number_or_a_part_of_the_nodes_and_never_none(self, wanted, nodes, count):
        assert verdict.window(wanted, nodes) == count


class TestCluster:
    def test_what_all_nodes_have_in_common(self):
        settings = {**SETTINGS, "service_cidr": ["10.43.0.0/16"], "cluster_dns": []}
        config = verdict.cluster_config(settings, replace(PLAN, tls_san=("api.example.org",)), (), {"s1": ["10.0.0.1"]})
        assert config["server_nodes"] == {"s1": ["10.0.0.1"]}
        assert config["cluster_dns"] == ["10.43.0.10"]
        assert (config["servers"], config["tls_san"]) == (list(PLAN.servers), ["api.example.org"])
        assert {name: config[name] for name in ("https_listen_port", "service_cidr")} == {
            "https_listen_port": 7443,
            "service_cidr": ["10.43.0.0/16"],
        }

    @pytest.mark.parametrize(
        "away, recorded",
        [
            # A run over all hosts knows all of them: whoever else has joined has no place in the record.
            ((), ["a", "s"]),
            (("c.example.org", "c"), ["a", "b.example.org", "c.example.org", "s"]),
        ],
    )
    def test_the_nodes_of_the_inventory_are_recorded(self, away, recorded):
        there = ("a", "b.example.org", "c.example.org", "joined.example.org")
        config = {"nodes": ["b.example.org", "gone.example.org"]}
        answer = ServerReport(config=config, nodes=tuple(NodeReport(name=name) for name in there))
        assert verdict.recorded_nodes({"server": "s", "agent": "a"}, answer, away) == recorded

    def test_whose_a_node_is_is_recorded_and_kept_as_long_as_it_is_there(self):
        """Also of a host that was dropped from the inventory; one that is called otherwise now has it under its new name."""
        config = {"hosts": {"a": "former", "b": "node-b", "c": "gone", "d": "node-e", "out": "node-out"}}
        there = tuple(NodeReport(name=name) for name in ("former", "node-b", "node-e", "node-out"))
        config["addresses"] = {"former": ["10.0.0.1"], "node-b": ["10.0.0.2"], "node-out": ["10.0.0.3"]}
        answer = ServerReport(config=config, nodes=there)
        described = {"a": ("node-a", "10.0.0.4"), "e": ("node-e", "10.0.0.5")}
        nodes = [{"host": host, "name": name, "internal_ips": [ip]} for host, (name, ip) in described.items()]
        hosts = verdict.recorded_hosts(nodes, answer)
        assert hosts == {"a": "node-a", "b": "node-b", "e": "node-e", "out": "node-out"}
        assert verdict.recorded_nodes(hosts, answer, ()) == ["node-a", "node-b", "node-e", "node-out"]
        addresses = verdict.recorded_addresses(nodes, answer, hosts)
        assert list(addresses) == ["node-a", "node-b", "node-e", "node-out"]
        assert (addresses["node-a"], addresses["node-out"]) == (["10.0.0.4"], ["10.0.0.3"])

    def test_a_record_that_cannot_be_is_written_anew(self):
        for broken in (None, "text", {"a": 1}, 7, [{"a": 1}, None]):
            assert verdict.recorded_nodes({"s": "s"}, ServerReport(config={"nodes": broken}), ["away"]) == ["s"]

    def test_an_image_is_found_by_the_end_of_its_name(self):
        images = ["registry.k8s.io/pause:3.10", "registry.k8s.io/coredns/coredns:v1.15.0"]
        assert verdict.image_of(images, "coredns") == images[1]
        assert verdict.image_of(images[:1], "coredns") == ""

    def test_a_verdict_is_what_is_documented(self):
        assert {each.name for each in fields(Verdict)} == DOCUMENTED.keys() - {"msg", "nodes", "config", "hosts"}
        assert Verdict(excluded_hosts={"a": ["b"]}).as_result()["excluded_hosts"] == {"a": ["b"]}
