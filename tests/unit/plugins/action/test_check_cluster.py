# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib
import json

import pytest
import yaml
from ansible.playbook.task import Task
from ansible_collections.k3a.cluster.plugins.action import check_cluster
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import canonical
from ansible_collections.k3a.cluster.plugins.modules import check_cluster as check_cluster_module
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import Authority, Cluster, serving

GROUPS = {"all": ["node-1", "node-2"], "server": ["node-1"], "agent": ["node-2"]}
NFT = {"name": "command_nft", "level": "fail", "message": "the host has no command nft", "remedy": "install it"}
SWAP = {"name": "swap", "level": "warn", "message": "swap is on", "remedy": "switch it off"}
AUTHORITY, _KEY = pki.new_authority("k3a-server")
SETTINGS = {name.removeprefix(spec.PREFIX): value for name, value in spec.defaults().items()}
NOTHING_PLANNED = {
    "first_server": "node-1",
    "server": "node-1",
    "server_hosts": ("node-1",),
    "server_data_dir": "/var/lib/k3a",
    "https_listen_port": 6443,
    "ca_certificates": {},
    "cluster_id": "",
    "bootstrap_record": "absent",
    "etcd_endpoints": ("https://10.0.0.1:2379",),
    "etcd_leader": "",
    "servers": ("10.0.0.1:6443",),
    "urls": ("https://10.0.0.1:6443",),
    "replaced_nodes": (),
    "hosts_without_password": ("node-1", "node-2"),
    "returning_nodes": (),
    "not_ready_nodes": (),
    "excluded_hosts": {},
    "max_unavailable": 1,
    "tls_san": (),
    "versions": {},
    "coredns_image": "",
}


def looked(name, *findings, bundle="", server=None, replace=False, settings=None, **facts):
    number = name[-1]
    server = name == "node-1" if server is None else server
    host = {"name": name, "server": server, "bundle": bundle, "replace": replace, "settings": {**SETTINGS, **(settings or {})}}
    if server:
        host |= {"url": f"https://10.0.0.{number}:6443", "api": f"10.0.0.{number}:6443"}
    known = {"machine_id": f"id-{name}", "node_name": name, "node_ips": [f"10.0.0.{number}"], **facts}
    # A bridge of a container engine is no node address, and the same on all.
    known["addresses"] = {"docker0": ["172.17.0.1"]}
    return {"host": host, "findings": list(findings), "facts": known}


class Action(check_cluster.ActionModule):
    """The action without the task and connection around it."""

    def __init__(self, **options):
        self.options = options
        self._task = Task()

    def validate_argument_spec(self, argument_spec):
        assert argument_spec.keys() == self.options.keys()
        return None, self.options


@pytest.fixture
def judge(monkeypatch, tmp_path):
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})
    monkeypatch.setenv("K3A_CACHE", str(tmp_path / "cache"))

    def judge(*results, groups=None, asked=(), tried=(), joined=None, in_play=None, **variables):
        groups = groups or GROUPS
        task_vars = {
            "groups": groups,
            "hostvars": {host: variables.get(host.replace("-", "_"), {}) for host in groups["all"]},
            "ansible_play_hosts_all": in_play or groups["all"],
        }
        options = {"host_reports": list(results), "server_reports": list(asked), "port_checks": list(tried), "join_info": joined or {}}
        return Action(**options).run(task_vars=task_vars)

    return judge


def test_all_is_well(judge):
    result = judge(looked("node-1"), looked("node-2"))
    assert {key: value for key, value in result.items() if key not in ("hosts", "nodes", "config")} == {
        "changed": False,
        "failed": False,
        "warnings": [],
        "msg": "2 hosts are ready for Kubernetes.",
        **NOTHING_PLANNED,
    }
    assert [node["host"] for node in result["nodes"]] == ["node-1", "node-2"]
    assert result["hosts"].keys() == {"node-1", "node-2"}
    assert result["config"]["servers"] == ["10.0.0.1:6443"]


def test_a_report_of_another_form_ends_the_run_by_name(judge):
    result = judge(looked("node-1", node_ips=["x"]))
    assert result["failed"] and "what node-1 says cannot be used: its node_ips name 'x', which is no address" in result["msg"]
    result = judge(looked("node-1"), asked=[{"host": "node-1", "healthy": 1}])
    assert result["failed"] and "cannot be used: its healthy is 1, which is no bool" in result["msg"]


class TestPorts:
    READ = {"name": "firewall_ports", "level": "fail", "message": "ufw drops packets to TCP 6443", "remedy": "open it"}
    FACTS = {"firewalls": ["ufw"], "closed_ports": ["tcp/6443"]}

    def tried(self, outcome):
        tries = [{"host": "node-1", "ip": "10.0.0.1", "protocol": "tcp", "port": 6443, "outcome": outcome}]
        return [{"host": "node-2", "outcomes": tries, "heard": [], "opened": []}]

    def test_a_firewall_that_lets_the_hosts_through_is_fine_whatever_was_read_of_it(self, judge):
        hosts = [looked("node-1", self.READ, **self.FACTS), looked("node-2")]
        assert "ufw drops" in judge(*hosts)["msg"]
        assert not judge(*hosts, tried=self.tried("reached"))["failed"]

    def test_a_port_that_is_closed_ends_the_run(self, judge):
        result = judge(looked("node-1"), looked("node-2"), tried=[*self.tried("closed"), {"unreachable": True}])
        assert result["failed"] and "node-1: node-2 cannot reach its port TCP 6443; open it" in result["msg"]


class TestExcluded:
    """What is in the way of an agent takes it out of the run, unless it is in the way of more than that."""

    @pytest.mark.parametrize(
        "claim",
        [
            {"node_name": "kubernetes.default.svc"},
            {"node_ips": ["10.0.0.2", "10.43.0.1"]},
            {"node_name": "node-3"},
        ],
    )
    def test_an_agent_that_claims_what_is_somebody_elses_gets_no_certificate_for_it(self, judge, claim):
        groups = {"all": ["node-1", "node-2", "node-3"], "server": ["node-1"], "agent": ["node-2", "node-3"]}
        result = judge(looked("node-1"), looked("node-2", **claim), groups=groups, in_play=["node-1", "node-2"])
        assert not result["failed"]
        assert result["excluded_hosts"].keys() == {"node-2"} and result["hosts"].keys() == {"node-1"}

    def test_the_run_goes_on_without_an_agent(self, judge):
        result = judge(looked("node-1"), looked("node-2", NFT))
        assert result["failed"] is False
        assert result["excluded_hosts"] == {"node-2": ["the host has no command nft; install it"]}
        assert result["msg"].splitlines() == [
            "1 host is ready for Kubernetes.",
            "node-2 is left out of this run: the host has no command nft; install it",
        ]
        assert result["hosts"].keys() == {"node-1"}
        assert [node["host"] for node in result["nodes"]] == ["node-1"]
        assert result["hosts_without_password"] == ("node-1",)

    def test_one_on_which_nothing_can_run_is_one_of_them(self, judge):
        root = {"name": "root", "level": "fail", "message": "no root", "remedy": "allow it"}
        result = judge(looked("node-1"), {**looked("node-2", root), "facts": {}})
        assert result["excluded_hosts"].keys() == result["hosts"].keys() ^ {"node-1", "node-2"} == {"node-2"}

    @pytest.mark.parametrize("strict", ["node-1", "node-2"])
    def test_unless_the_operator_is_strict(self, judge, strict):
        settings = {"strict": True}
        result = judge(looked("node-1", settings=settings), looked("node-2", NFT, settings=settings))
        assert result["failed"] is True
        assert result["msg"].splitlines()[1:] == ["node-2: the host has no command nft; install it"]
        assert "hosts" not in result

    def test_what_is_in_the_way_of_a_server_ends_the_run_for_all_with_everything_told(self, judge):
        result = judge(looked("node-1", NFT), looked("node-2", {**NFT, "name": "x", "message": "no mount"}))
        assert result["failed"] is True
        assert result["msg"].splitlines()[1:] == [
            "node-1: the host has no command nft; install it",
            "node-2: no mount; install it",
        ]
        assert "hosts" not in result

    def test_so_does_what_is_in_the_way_of_the_inventory(self, judge):
        other = looked("node-2", NFT, settings={"cluster_domain": "other.local"})
        result = judge(looked("node-1"), other)
        assert result["failed"] is True
        assert len(result["msg"].splitlines()) == 3

    def test_agents_alone_are_not_all_left_out(self, judge):
        asked = {**TestServers.ASKED, "etcd_members": [TestServers.MEMBERS[0]], "host": "node-1"}
        result = judge(looked("node-2", NFT), asked=[asked], in_play=["node-2"])
        assert result["failed"] is True

    def test_how_many_may_be_away_counts_the_nodes_of_the_run(self, judge):
        settings = {"max_unavailable": "50%"}
        groups = {"all": [f"node-{number}" for number in range(1, 7)], "server": ["node-1"]}
        groups["agent"] = groups["all"][1:]
        hosts = [looked(name, *([NFT] if name in ("node-2", "node-3") else []), settings=settings) for name in groups["all"]]
        assert judge(*hosts, groups=groups)["max_unavailable"] == 2


def test_its_options_are_documented_as_they_are():
    documented = yaml.safe_load(check_cluster_module.DOCUMENTATION)["options"]
    assert documented.keys() == check_cluster.OPTIONS.keys()
    for name, option in check_cluster.OPTIONS.items():
        assert {key: value for key, value in documented[name].items() if key != "description"} == option


def test_what_is_planned_is_what_is_documented(judge):
    documented = yaml.safe_load(check_cluster_module.RETURN).keys()
    assert judge(looked("node-1"), looked("node-2")).keys() == documented | {"changed", "failed", "warnings"}


def test_without_results_the_groups_alone_are_judged(judge):
    result = judge()
    assert result["msg"] == "The groups are in order."
    assert "first_server" not in result
    assert judge(groups={"all": [], "ungrouped": []})["failed"] is True


def test_one_message_names_all_hosts(judge):
    result = judge(looked("node-1", SWAP), looked("node-2", NFT, node_name="node-1"))
    assert result["failed"] is True
    assert result["msg"].splitlines() == [
        "2 things are in the way, and nothing has been changed.",
        "node-1, node-2: have one node name (node-1); set k3a_node_name on one",
        "node-2: the host has no command nft; install it",
    ]
    assert result["warnings"] == ["node-1: swap is on; switch it off"]


def test_a_host_that_cannot_be_reached_has_no_findings_of_its_own(judge):
    result = judge(looked("node-1"), {"unreachable": True, "msg": "no route"})
    assert result["msg"] == "1 host is ready for Kubernetes."
    assert result["warnings"] == [
        "node-2: cannot be reached, and stays as it is; run again when it is back, or remove it with remove_node.yml"
    ]


class TestJoin:
    """Machines that join by a token are no cluster by themselves."""

    GROUPS = {"all": ["localhost"], "ungrouped": ["localhost"]}
    JOINED = {"url": "https://192.0.2.10:6443", "servers": ["10.0.0.1:6443", "10.0.0.2:6443"], "ca_certificates": {}}

    def test_neither_groups_nor_servers_are_asked_of_them(self, judge):
        machine = {**looked("node-2"), "host": {**looked("node-2")["host"], "name": "localhost"}}
        result = judge(machine, groups=self.GROUPS, joined=self.JOINED)
        assert (result["failed"], result["warnings"]) == (False, [])
        assert result["msg"] == "1 host is ready for Kubernetes."
        assert "servers" not in result
        record = result["hosts"]["localhost"]
        assert (record["node_name"], record["api_servers"]) == ("node-2", self.JOINED["servers"])

    def test_what_is_wrong_with_them_is_told(self, judge):
        result = judge(looked("node-2", NFT), groups=self.GROUPS, joined=self.JOINED)
        assert result["failed"] and "no command nft" in result["msg"]

    def test_labels_are_judged_that_a_node_may_not_give_itself(self, judge):
        own = looked("node-2", settings={"node_label": ["example.com/disk=ssd", "topology.kubernetes.io/zone=a"]})
        assert not judge(own, groups=self.GROUPS, joined=self.JOINED)["failed"]
        others = looked("node-2", settings={"node_label": ["node-role.kubernetes.io/worker="]})
        assert judge(others, groups=self.GROUPS, joined=self.JOINED)["msg"].splitlines()[1:] == [
            "node-2: k3a_node_label: a node may not give itself node-role.kubernetes.io/worker=;"
            " take it out, and have it set with kubectl label, or add the machine to the inventory"
        ]
        result = judge(looked("node-1"), others)
        assert not result["failed"] and result["excluded_hosts"] == {}


class TestServers:
    """Three of them, of which one was asked about the cluster."""

    GROUPS = {"all": ["node-1", "node-2", "node-3"], "server": ["node-1", "node-2", "node-3"]}
    RESULTS = [looked(name, server=True, etcd_data=True) for name in GROUPS["server"]]
    MEMBERS = [
        {
            "id": number,
            "name": f"node-{number}",
            "peer_urls": [f"https://10.0.0.{number}:2380"],
            "client_urls": [f"https://10.0.0.{number}:2379"],
            "learner": False,
            "leader": number == "3",
            "healthy": True,
        }
        for number in "123"
    ]
    ASKED = {
        "host": "node-2",
        "ca_certificates": {"server": AUTHORITY, "kubelet-serving": AUTHORITY},
        "healthy": True,
        "url": "https://10.0.0.2:6443",
        "etcd_members": MEMBERS,
        "bootstrap_record": "stale",
        "node_passwords": ["node-1"],
        "nodes": [{"name": "node-3", "machine_id": "id-node-3", "addresses": [], "ready": False}],
    }

    def test_the_one_that_answers_speaks_for_the_cluster(self, judge):
        result = judge(*self.RESULTS, groups=self.GROUPS, asked=[self.ASKED])
        assert {name: result[name] for name in NOTHING_PLANNED} == {
            **NOTHING_PLANNED,
            "first_server": "",
            "server": "node-2",
            "ca_certificates": self.ASKED["ca_certificates"],
            "bootstrap_record": "stale",
            "etcd_endpoints": tuple(f"https://10.0.0.{number}:2379" for number in (1, 2, 3)),
            "etcd_leader": "node-3",
            "server_hosts": ("node-1", "node-2", "node-3"),
            "servers": tuple(f"10.0.0.{number}:6443" for number in (1, 2, 3)),
            "urls": tuple(f"https://10.0.0.{number}:6443" for number in (2, 1, 3)),
            "hosts_without_password": ("node-1", "node-2", "node-3"),
            "not_ready_nodes": ("node-3",),
        }
        assert result["failed"] is False

    def test_the_first_to_be_made_is_named_as_a_node_and_as_a_host(self, judge):
        results = [looked(name, server=True, node_name=f"n{name[-1]}") for name in self.GROUPS["server"]]
        result = judge(*results, groups=self.GROUPS)
        assert (result["first_server"], result["server"]) == ("n1", "node-1")

    def test_a_node_made_anew_is_among_what_is_replaced(self, judge):
        anew = looked("node-3", server=True, replace=True, machine_id="new", etcd_data=True)
        result = judge(*self.RESULTS[:2], anew, groups=self.GROUPS, asked=[self.ASKED])
        assert result["replaced_nodes"] == ("node-3",)
        assert result["hosts"]["node-3"]["is_replaced"] is True

    def test_everything_that_is_wrong_is_told_at_once(self, judge):
        stranger = {**self.MEMBERS[0], "name": "gone", "peer_urls": ["https://10.0.0.9:2380"]}
        asked = {**self.ASKED, "etcd_members": [*self.MEMBERS, stranger]}
        other = looked("node-3", server=True, machine_id="other", authority="b", etcd_data=True)
        first = looked("node-1", server=True, authority="a", etcd_data=True)
        result = judge(first, self.RESULTS[1], other, groups=self.GROUPS, asked=[asked], node_1={"k3a_token": "K10"})
        first, *lines = result["msg"].splitlines()
        assert first == "4 things are in the way, and nothing has been changed."
        assert [line.split(" ")[0] for line in lines] == ["inventory:", "inventory:", "node-1:", "node-3:"]
        for part in ("different clusters", "member gone", "invalid token format", "another machine id"):
            assert part in result["msg"]

    def test_two_of_three_that_are_away_stop_everything(self, judge):
        result = judge(self.RESULTS[0], groups=self.GROUPS, asked=[self.ASKED])
        assert result["failed"]
        assert "node-2, node-3: cannot be reached, and with 2 of 3 servers away nothing is changed" in result["msg"]

    def test_one_of_three_that_is_away_has_to_come_back_where_the_cluster_gets_a_new_ca(self, judge):
        asked = {**self.ASKED, "ca_certificates": {"server": AUTHORITY}}
        result = judge(*self.RESULTS[:2], groups=self.GROUPS, asked=[asked])
        assert result["failed"]
        assert "node-3: the cluster gets a new CA (kubelet-serving), and all servers have to get it" in result["msg"]
        assert not judge(*self.RESULTS, groups=self.GROUPS, asked=[asked])["failed"]

    def test_one_of_three_that_is_away_is_a_warning(self, judge):
        result = judge(*self.RESULTS[:2], groups=self.GROUPS, asked=[self.ASKED])
        assert not result["failed"]
        assert result["warnings"][0].startswith("node-3: cannot be reached, and stays as it is")
        # It is going to be back where it was.
        assert "10.0.0.3:6443" in result["servers"]

    def test_a_run_on_one_host_alone_leaves_the_others_be(self, judge):
        result = judge(self.RESULTS[0], groups=self.GROUPS, asked=[self.ASKED], in_play=["node-1"])
        assert (result["failed"], result["warnings"]) == (False, [])

    def test_but_it_must_agree_with_them(self, judge):
        """Servers that are not in this run are known by their variables."""
        values = {"k3a_cluster_domain": "other.local", "k3a_https_listen_port": "soon"}
        result = judge(
            looked("node-1", server=True, etcd_data=True),
            groups=self.GROUPS,
            asked=[self.ASKED],
            in_play=["node-1"],
            node_2=values,
        )
        (line,) = result["msg"].splitlines()[1:]
        assert line.startswith(
            'inventory: k3a_cluster_domain differs between hosts: "cluster.local" on node-1 and node-3, '
            '"other.local" on node-2;'
        )

    def test_a_secret_is_in_nothing_that_comes_out(self, judge):
        tokens = {"node_1": {"k3a_token": "s3cr3t-1"}, "node_2": {"k3a_token": "s3cr3t-2"}}
        result = judge(*self.RESULTS, groups=self.GROUPS, asked=[self.ASKED], **tokens)
        assert "k3a_token differs between node-1 and node-2" in result["msg"]
        assert "s3cr3t" not in json.dumps(result)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"), "server")


class TestUrl:
    """A registration address that is set is asked whose it is."""

    @pytest.fixture
    def url(self, authority, tmp_path):
        with serving(Cluster(authority, Authority(tmp_path, "client")), tmp_path) as url:
            yield url

    def found(self, url, authority, names=()):
        return [str(found) for found in check_cluster.url_findings({"node-1": url, "node-2": url}, authority, names)]

    def test_one_of_this_cluster_is_fine_whatever_it_answers(self, url, authority):
        assert self.found(url, authority.text) == []

    def test_one_of_another_cluster_is_refused_for_all_that_use_it(self, url, tmp_path):
        for names in ((), ("127.0.0.1",)):
            assert self.found(url, Authority(tmp_path, "other").text, names) == [
                f"node-1, node-2: k3a_server_url {url} answers with a certificate that is not of this cluster's "
                "CA; correct it"
            ]

    def test_a_name_that_the_certificates_do_not_have_is_to_be_added(self, url, authority):
        other = url.replace("127.0.0.1", "localhost")
        assert self.found(other, authority.text) == [
            "node-1, node-2: the certificates of the servers do not name localhost, which k3a_server_url does; "
            "add it to k3a_tls_san"
        ]

    def test_one_that_they_are_going_to_have_is_fine(self, url, authority):
        """This run makes them anew."""
        assert self.found(url.replace("127.0.0.1", "localhost"), authority.text, ["localhost"]) == []

    @pytest.mark.parametrize("away", ["https://127.0.0.1:1", "https://nowhere.invalid:6443"])
    def test_one_that_cannot_be_reached_is_not_judged(self, away, authority):
        assert self.found(away, authority.text) == []

    def test_before_there_is_a_cluster_nobody_is_asked(self):
        assert self.found("https://127.0.0.1:1", "") == []

    def test_the_hosts_variables_say_which_and_the_servers_which_names_there_are(self, judge, url, tmp_path, authority):
        other = {"host": "node-1", "healthy": True, "url": "https://10.0.0.1:6443", "ca_certificates": {"server": Authority(tmp_path, "other").text}}
        given = {"server_url": url}
        result = judge(looked("node-1", settings=given), looked("node-2", settings=given), asked=[other])
        assert f"node-1, node-2: k3a_server_url {url} answers with a certificate" in result["msg"]
        # That of an agent alone takes the agent out.
        result = judge(looked("node-1"), looked("node-2", settings=given), asked=[other])
        assert f"node-2 is left out of this run: k3a_server_url {url} answers with a certificate" in result["msg"]
        asked = {**other, "ca_certificates": {"server": authority.text}}
        named = {"server_url": url.replace("127.0.0.1", "localhost")}
        nodes = looked("node-1", settings=named), looked("node-2", settings=named)
        assert "node-1, node-2: the certificates" in judge(*nodes, asked=[asked])["msg"]
        result = judge(*nodes, asked=[asked], node_1={"k3a_tls_san": "localhost"})
        assert not result["failed"]
        assert result["tls_san"] == ("localhost",)


class TestBundles:
    @pytest.fixture
    def bundle(self, tmp_path):
        content = b"#!/bin/sh\n"
        sha256 = hashlib.sha256(content).hexdigest()
        manifest = {
            "format": 1,
            "architecture": "amd64",
            "components": {"runc": {"version": "v1.5.2"}},
            "files": [{"path": "bin/runc", "sha256": sha256, "size": len(content), "mode": "0755"}],
            "links": {},
            "images": [],
            "flags": {},
        }
        folder = tmp_path / "bundle"
        (folder / "files").mkdir(parents=True)
        (folder / "manifest.json").write_bytes(canonical(manifest))
        self.packed = folder / "files" / f"{sha256}.gz"
        self.packed.write_bytes(gzip.compress(content))
        return str(folder)

    def test_a_sound_one_passes(self, judge, bundle):
        assert judge(looked("node-1", bundle=bundle), looked("node-2", bundle=bundle))["failed"] is False

    def test_a_tampered_one_is_named_once(self, judge, bundle):
        self.packed.write_bytes(gzip.compress(b"#!/bin/ksh\n"[:10]))
        result = judge(looked("node-1", bundle=bundle), looked("node-2", bundle=bundle))
        first, *lines = result["msg"].splitlines()
        assert first.startswith("One thing")
        assert len(lines) == 1
        assert lines[0].startswith(f"inventory: the bundle {bundle} cannot be used: bin/runc is")
