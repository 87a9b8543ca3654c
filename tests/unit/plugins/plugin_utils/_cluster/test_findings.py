# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import findings as cluster
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostFacts, HostReport
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec


def looked(name, server=False, findings=(), facts=None, **settings):
    number = int(name[-1])
    own = {"machine_id": f"{number:032x}", "node_name": name, "node_ips": (f"10.89.0.{number}",), **(facts or {})}
    return HostReport(name, server, findings=tuple(findings), facts=HostFacts(**own), settings=settings)


SWAP = Finding("swap", WARN, "swap is on (/dev/zram0)", "switch it off")
NFT = Finding("command_nft", FAIL, "the host has no command nft", "install it (package nftables)")


def texts(found):
    return [str(one) for one in found]


class TestLibrary:
    def test_a_controller_that_has_it_is_fine(self):
        assert cluster.library_findings() == []

    def test_a_controller_that_lacks_it_is_told(self):
        found = texts(cluster.library_findings(find=lambda name: None))
        assert len(found) == 1
        assert found[0].startswith("localhost: its Python has no package cryptography; install it for /")


class TestClock:
    @pytest.mark.parametrize(
        "on_host, offset",
        [(100.0, 0.0), (100.4, 0.0), (101.0, 0.0), (95.0, -5.0), (161.0, 60.0), (60.0, -40.0)],
    )
    def test_only_what_is_certain_counts(self, on_host, offset):
        assert cluster.clock_offset(100.0, on_host, 101.0) == offset

    @pytest.mark.parametrize("offset", [0.0, 29.9, -30.0])
    def test_half_a_minute_is_tolerated(self, offset):
        assert cluster.clock_findings(offset) == []

    def test_more_is_not(self):
        assert [f.message for f in cluster.clock_findings(95.2)] == ["the clock is 95 s ahead of the controller's"]
        assert [f.message for f in cluster.clock_findings(-40.0)] == ["the clock is 40 s behind the controller's"]


class TestGroups:
    def test_a_plain_inventory_is_fine(self):
        assert cluster.group_findings({"all": ["a", "b"], "server": ["a"], "agent": ["b"]}) == []
        assert cluster.group_findings({"all": ["a"], "server": ["a"]}) == []

    @pytest.mark.parametrize(
        "groups, text",
        [
            (
                {"all": []},
                "inventory: the group server is missing; put the host that is to run the control plane into it",
            ),
            (
                {"all": ["b"], "server": [], "agent": ["b"]},
                "inventory: the group server has no host; put the host that is to run the control plane into it",
            ),
            ({"all": ["a"], "servers": ["a"]}, "inventory: the group server is missing; rename the group servers"),
            (
                {"all": ["a"], "server": ["a"], "agent": ["a"]},
                "a: is in both groups, server and agent; leave it in server alone, since a server runs a node too",
            ),
        ],
    )
    def test_what_is_wrong(self, groups, text):
        found = cluster.group_findings(groups)
        assert texts(found) == [text]
        assert found[0].finding.level == FAIL

    @pytest.mark.parametrize("count", [1, 3, 5])
    def test_an_odd_number_of_servers_is_fine(self, count):
        servers = [f"s{number}" for number in range(count)]
        assert cluster.group_findings({"all": servers, "server": servers}) == []

    @pytest.mark.parametrize(
        "count, text",
        [
            (2, "2 servers survive the loss of 0, no more than 1 do; use 1 or 3 of them"),
            (4, "4 servers survive the loss of 1, no more than 3 do; use 3 or 5 of them"),
        ],
    )
    def test_an_even_number_gains_nothing_and_warns(self, count, text):
        servers = [f"s{number}" for number in range(count)]
        (found,) = cluster.group_findings({"all": servers, "server": servers})
        assert (str(found), found.finding.level) == (f"inventory: {text}", WARN)

    def test_a_host_outside_may_be_meant(self):
        (found,) = cluster.group_findings({"all": ["a", "proxy"], "server": ["a"], "agent": []})
        assert (found.hosts, found.finding.level) == (("proxy",), WARN)


class TestCross:
    def test_hosts_that_differ_where_they_must(self):
        assert cluster.cross_findings([looked("node-1", server=True), looked("node-2")]) == []

    def test_a_cloned_machine_id(self):
        clone = {"machine_id": f"{1:032x}"}
        found = cluster.cross_findings([looked("node-1", server=True), looked("node-2", facts=clone), looked("node-3")])
        assert [one.hosts for one in found] == [("node-1", "node-2")]
        assert found[0].finding.message == "have one machine id (00000000000000000000000000000001)"

    def test_one_node_name_twice(self):
        twin = {"node_name": "node-1"}
        found = cluster.cross_findings([looked("node-1", server=True), looked("node-2", facts=twin)])
        assert texts(found) == ["node-1, node-2: have one node name (node-1); set k3a_node_name on one"]

    def test_one_address_twice_however_it_is_written(self):
        one, other = {"node_ips": ("fd00::2",)}, {"node_ips": ("fd00:0:0::2",)}
        found = cluster.cross_findings([looked("node-1", True, facts=one), looked("node-2", facts=other)])
        assert [o.finding.message for o in found] == ["have one address (fd00::2)"]

    def test_one_machine_under_two_names_is_told_once(self):
        same = vars(looked("node-1").facts)
        found = cluster.cross_findings([looked("node-1", server=True), looked("node-2", facts=same)])
        assert [one.finding.name for one in found] == ["machine_id"]

    def test_a_host_on_which_nothing_could_run_is_not_compared(self):
        broken = HostReport("node-2"), HostReport("node-3")
        assert cluster.cross_findings([looked("node-1", server=True), *broken]) == []

    def test_variables_of_the_cluster_must_agree(self):
        one = looked("node-1", True, cluster_domain="cluster.local")
        other = looked("node-2", cluster_domain="other.local")
        assert texts(cluster.cross_findings([one, other])) == [
            'inventory: k3a_cluster_domain differs between hosts: "cluster.local" on node-1, "other.local" on node-2; '
            "set it once for all, for instance in group_vars/all.yml"
        ]

    def test_variables_of_servers_do_not_bother_agents(self):
        one = looked("node-1", True, secrets_encryption=True)
        assert cluster.cross_findings([one, looked("node-2", secrets_encryption=False)]) == []
        other = looked("node-2", True, secrets_encryption=False)
        assert len(cluster.cross_findings([one, other])) == 1

    @pytest.mark.parametrize("name", cluster.SERVER_WIDE)
    def test_each_critical_value_of_servers_is_compared(self, name):
        one, other = looked("node-1", True, **{name: "a"}), looked("node-2", True, **{name: "b"})
        (text,) = texts(cluster.cross_findings([one, other]))
        assert text.startswith(f'inventory: k3a_{name} differs between hosts: "a" on node-1, "b" on node-2; set it once')

    def test_what_must_agree_is_specified(self):
        assert {spec.PREFIX + name for name in cluster.CLUSTER_WIDE + cluster.SERVER_WIDE} <= spec.specification().keys()

    def test_a_host_whose_value_cannot_be_used_has_a_finding_of_its_own(self):
        one = looked("node-1", True, cluster_domain="cluster.local")
        assert cluster.cross_findings([one, looked("node-2")]) == []

    def test_many_hosts_that_differ_are_counted(self):
        hosts = [looked(f"node-{number}", cluster_domain="a") for number in range(1, 10)]
        (found,) = cluster.cross_findings([*hosts, looked("b-9", facts={"node_ips": ()}, cluster_domain="b")])[1:]
        assert '"a" on node-1 and node-2 and node-3 and node-4 and 5 more, "b" on b-9;' in str(found)


class TestHost:
    @pytest.mark.parametrize(
        "values, ips, url, api",
        [
            ({}, ("10.0.0.1", "fd00::1"), "https://10.0.0.1:6443", "10.0.0.1:6443"),
            ({"https_listen_port": 443}, ("fd00::1",), "https://[fd00::1]:443", "[fd00::1]:443"),
            ({"advertise_address": "192.0.2.1"}, ("10.0.0.1",), "https://192.0.2.1:6443", "10.0.0.1:6443"),
        ],
    )
    def test_where_a_servers_api_is(self, values, ips, url, api):
        settings = {"https_listen_port": 6443, "advertise_address": "", **values}
        assert cluster.api_addresses(settings, HostFacts(node_ips=ips)) == {"url": url, "api": api}

    @pytest.mark.parametrize(
        "url, address",
        [
            ("", ""),
            ("https://192.0.2.10:6443", "192.0.2.10:6443"),
            ("https://api.example.org:7443/", "api.example.org:7443"),
            # The port of a URL without one is HTTPS's, not the API's.
            ("https://api.example.org", "api.example.org:443"),
            ("https://api.example.org/", "api.example.org:443"),
            ("https://[fd00::1]", "[fd00::1]:443"),
            ("https://[fd00::1]:6443", "[fd00::1]:6443"),
            # No URLs of an API, which is told of the variable; here they are only no address.
            *((bad, "") for bad in ("api.example.org:6443", "https://", "https://[fd00::1", "https://a:http")),
        ],
    )
    def test_where_the_address_in_front_of_the_servers_is(self, url, address):
        assert cluster.fixed_address(url) == address


class TestCannotRun:
    @pytest.mark.parametrize(
        "message, stderr",
        [
            ("Missing sudo password", ""),
            ("Incorrect sudo password", ""),
            ("Task failed.", "sudo: a password is required\n"),
            ("Module result deserialization failed.", "plain is not in the sudoers file.\n"),
            ("Module result deserialization failed.", "/bin/sh: 1: sudo: not found\n"),
            ("Timeout (12s) waiting for privilege escalation prompt: ", ""),
            ("x", "Sorry, user plain is not allowed to execute '/bin/sh -c' as root on node-1.\n"),
        ],
    )
    def test_no_way_to_root(self, message, stderr):
        finding = cluster.cannot_run(message, stderr, "plain")
        assert finding.name == "root"
        assert finding.message.startswith("the user plain cannot become root (")
        assert "--ask-become-pass" in finding.remedy

    @pytest.mark.parametrize(
        "line",
        [
            "doas: Operation not permitted",
            "doas: Authorization required",
            "/bin/sh: 1: sudo: not found",
            "Task failed: Premature end of stream waiting for become success.",
        ],
    )
    def test_other_ways_than_sudo(self, line):
        assert cluster.cannot_run("", line, "plain").name == "root"

    def test_a_sudo_that_wants_a_terminal(self):
        finding = cluster.cannot_run("", "sudo: sorry, you must have a tty to run sudo", "plain")
        assert finding.message == "sudo on the host wants a terminal (sudo: sorry, you must have a tty to run sudo)"
        assert finding.remedy.startswith("take requiretty from its sudoers")

    def test_nobody_said_which_user(self):
        finding = cluster.cannot_run("Missing sudo password", "", None)
        assert finding.message == "the user of the connection cannot become root (Missing sudo password)"

    @pytest.mark.parametrize(
        "message, stderr",
        [
            ("The module interpreter '/usr/bin/python3' was not found.", "/bin/sh: 1: /usr/bin/python3: not found"),
            ("ansible-core requires a minimum of Python version 3.9. Current version: 3.6.8", ""),
        ],
    )
    def test_no_python(self, message, stderr):
        assert cluster.cannot_run(message, stderr, "k3a").name == "python"

    def test_a_fault_of_ours_is_none_of_the_operators(self):
        assert cluster.cannot_run("MODULE FAILURE", "KeyError: 'x'", "k3a") is None


class TestBundle:
    def test_a_remedy_in_the_error_is_used(self):
        error = "there is no bundle /x on the controller: build one with playbooks/bundle.yml"
        finding = cluster.bundle_finding(ValueError(error))
        assert (finding.message, finding.remedy) == (
            "there is no bundle /x on the controller",
            "build one with playbooks/bundle.yml",
        )

    def test_a_damaged_one_is_built_anew(self):
        finding = cluster.bundle_finding(ValueError("the bundle /x cannot be used: bin/runc is truncated"))
        assert finding.remedy == "build it anew, or set k3a_bundle to another"

    def test_the_lookup_that_finds_none(self):
        error = (
            "The lookup plugin 'k3a.cluster.bundle' failed: the bundle is not in /c: build it with x, or set k3a_bundle"
        )
        finding = cluster.no_value(spec.NoValue("k3a_bundle", error))
        assert (finding.name, finding.message) == ("bundle", "the bundle is not in /c")
        assert finding.remedy == "build it with x, or set k3a_bundle"

    def test_another_template_that_fails(self):
        finding = cluster.no_value(spec.NoValue("k3a_cluster_domain", "'nowhere' is undefined"))
        assert finding.message == "k3a_cluster_domain has no value: 'nowhere' is undefined"

    def test_a_lookup_that_fails(self):
        """Whose error it is says the variable."""
        finding = cluster.no_value(spec.NoValue("k3a_token", "The lookup plugin 'file' failed: there is no such file."))
        assert finding.message == "k3a_token has no value: there is no such file"


class TestVerdict:
    def test_what_several_hosts_share_is_told_once(self):
        found = cluster.own_findings([looked("node-1", findings=[NFT]), looked("node-2", findings=[NFT, SWAP])])
        assert texts(found) == [
            "node-1, node-2: the host has no command nft; install it (package nftables)",
            "node-2: swap is on (/dev/zram0); switch it off",
        ]

    def test_many_hosts_are_counted(self):
        hosts = tuple(f"node-{number}" for number in range(1, 101))
        assert str(cluster.HostFinding(hosts, SWAP)).startswith("node-1, node-2, node-3, node-4 and 96 more: swap")

    def test_findings_of_a_host_stand_together_and_the_inventorys_first(self):
        both = cluster.HostFinding(("b", "c"), NFT)
        findings = [
            both,
            cluster.HostFinding(("c",), SWAP),
            cluster.HostFinding((), NFT),
            cluster.HostFinding(("a",), NFT),
        ]
        assert [one.hosts for one in cluster.by_host(findings, ["a", "b", "c"])] == [(), ("a",), ("b", "c"), ("c",)]

    def test_warnings_do_not_fail(self):
        found = [cluster.HostFinding(("a",), SWAP)]
        assert cluster.failure(found) == ""
        assert cluster.warnings(found) == ["a: swap is on (/dev/zram0); switch it off"]

    def test_one_message_names_everything(self):
        found = [cluster.HostFinding(("a",), NFT), cluster.HostFinding(("b",), NFT)]
        assert cluster.failure(found).splitlines() == [
            "2 things are in the way, and nothing has been changed.",
            "a: the host has no command nft; install it (package nftables)",
            "b: the host has no command nft; install it (package nftables)",
        ]
        assert cluster.warnings(found) == []
        assert cluster.failure(found[:1]).startswith("One thing is in the way")

    def test_all_is_well(self):
        assert (cluster.failure([]), cluster.warnings([])) == ("", [])
        assert cluster.in_order([], {}) == "The groups are in order."
        assert cluster.in_order([looked("a-1")], {}) == "1 host is ready for Kubernetes."
        assert cluster.in_order([looked("a-1"), looked("b-2")], {}) == "2 hosts are ready for Kubernetes."

    def test_who_is_left_out_is_told_with_the_reasons(self):
        hosts = [looked("a-1"), looked("b-2"), looked("c-3")]
        assert cluster.in_order(hosts, {"b-2": ["no nft; install it"]}).splitlines() == [
            "2 hosts are ready for Kubernetes.",
            "b-2 is left out of this run: no nft; install it",
        ]
        several = ["no nft; install it", "no mount; install it"]
        assert all(reason in cluster.in_order(hosts, {"b-2": several}) for reason in several)


class TestExcluded:
    """What is in the way of agents only takes these out of the run."""

    AGENTS = ("a", "b")
    HOSTS = ("s", *AGENTS)

    def excluded(self, *found, agents=AGENTS, hosts=HOSTS):
        return cluster.excluded_agents([cluster.HostFinding(names, finding) for names, finding in found], agents, hosts)

    def test_an_agent_with_findings_is_left_out_with_all_of_them(self):
        other = Finding("command_mount", FAIL, "the host has no command mount", "install it")
        assert self.excluded((("a",), NFT), (("a",), other), (("b",), SWAP)) == {
            "a": [
                "the host has no command nft; install it (package nftables)",
                "the host has no command mount; install it",
            ]
        }

    def test_what_agents_share_takes_all_of_them_out(self):
        assert self.excluded((("a", "b"), NFT)).keys() == {"a", "b"}

    @pytest.mark.parametrize("hosts", [("s",), ("s", "a"), ("a", "s"), (), ("localhost",)])
    def test_what_is_in_the_way_of_a_server_the_inventory_or_the_controller_is_in_everybodys(self, hosts):
        assert self.excluded((("b",), NFT), (hosts, NFT)) == {}

    def test_where_nobody_is_left_nobody_is_left_out(self):
        assert self.excluded((("a", "b"), NFT), hosts=self.AGENTS) == {}
        assert self.excluded((("a",), NFT), hosts=self.AGENTS).keys() == {"a"}

    def test_a_warning_takes_nobody_out(self):
        assert self.excluded((("a",), SWAP), (("s",), SWAP), ((), SWAP)) == {}


class TestLabels:
    def test_a_machine_has_no_certificates_for_addresses_that_its_node_does_not_have(self):
        hosts = [looked("a-1", node_external_ip=["203.0.113.7"]), looked("b-2", node_external_ip=[])]
        assert [str(found) for found in cluster.external_findings(hosts)] == [
            "a-1: k3a_node_external_ip: a machine that joins by a token has certificates for its Node's addresses alone;"
            " leave it out, or add the machine to the inventory"
        ]
        assert cluster.external_findings(hosts[1:]) == []

    def test_a_node_may_not_give_itself_every_label(self):
        hosts = [
            looked("a-1", node_label=["example.com/disk=ssd", "node-role.kubernetes.io/worker="]),
            looked("b-2"),
        ]
        (found,) = cluster.label_findings(hosts)
        assert found.finding.level == FAIL
        assert str(found) == (
            "a-1: k3a_node_label: a node may not give itself node-role.kubernetes.io/worker=; "
            "take it out, and have it set with kubectl label, or add the machine to the inventory"
        )
