# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity, Identity
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import reports
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import HostFacts, MemberReport, NodeReport

NFT = {"name": "command_nft", "level": "fail", "message": "the host has no command nft", "remedy": "install it"}
LOOKED = {
    "host": {
        "name": "node-1",
        "server": True,
        "node": True,
        "replace": False,
        "url": "https://10.0.0.1:6443",
        "api": "10.0.0.1:6443",
        "fixed": "",
        "bundle": "/bundle",
        "versions": {"kubernetes": "v1.37.2"},
        "images": ["registry.k8s.io/pause:3.10"],
        "annotations": ["k3a.io/node-args=[]"],
        "settings": {"cluster_domain": "cluster.local"},
    },
    "findings": [NFT],
    "facts": {
        "node_name": "n1",
        "node_ips": ["10.0.0.1"],
        "machine_id": "1",
        "clock": 1.5,
        "addresses": {"docker0": []},
    },
    "changed": False,
}
MEMBER = {"id": "1", "name": "n1", "peer_urls": ["https://10.0.0.1:2380"], "client_urls": [], "healthy": True}
ANSWER = {
    "host": "node-1",
    "url": "https://10.0.0.1:6443",
    "ca_certificates": {"server": "PEM"},
    "healthy": True,
    "reason": "",
    "etcd_members": [MEMBER],
    "nodes": [{"name": "n1", "machine_id": "1", "addresses": ["10.0.0.1"], "ready": True}],
    "node_passwords": ["n1"],
    "bootstrap_record": "current",
}


class TestHost:
    def test_what_was_found_is_a_record(self):
        report = reports.host_report(LOOKED)
        assert (report.name, report.server, report.url) == ("node-1", True, "https://10.0.0.1:6443")
        assert report.images == ("registry.k8s.io/pause:3.10",)
        assert report.settings == {"cluster_domain": "cluster.local"}
        assert report.findings == (Finding("command_nft", FAIL, "the host has no command nft", "install it"),)
        assert report.seen == HostFacts(node_name="n1", node_ips=("10.0.0.1",), machine_id="1", clock=1.5)

    @pytest.mark.parametrize("facts", [None, {}, {"node_name": ""}])
    def test_a_host_on_which_no_module_could_run_has_no_facts(self, facts):
        report = reports.host_report({**LOOKED, "facts": facts})
        assert report.facts is None
        assert report.seen == HostFacts()
        assert not report.is_known

    def test_one_that_could_not_be_looked_at_has_no_report(self):
        (report,) = reports.host_reports([{"unreachable": True, "msg": "no route"}, LOOKED])
        assert report.name == "node-1"

    @pytest.mark.parametrize(
        "facts, known", [({}, False), ({"node_password": True}, True), ({"authority": "abc"}, True)]
    )
    def test_a_host_with_a_part_in_a_cluster_is_known(self, facts, known):
        assert reports.host_report({**LOOKED, "facts": {**LOOKED["facts"], **facts}}).is_known is known

    @pytest.mark.parametrize(
        "facts, told",
        [
            ({"node_ips": "10.0.0.1"}, "its node_ips is '10.0.0.1', which is no tuple[str, ...]"),
            ({"node_ips": [1]}, "its node_ips is [1], which is no tuple[str, ...]"),
            ({"node_ips": ["10.0.0.1; rm -rf /"]}, "its node_ips name '10.0.0.1; rm -rf /', which is no address"),
            ({"node_ips": ["{{ lookup('pipe', 'id') }}"]}, "which is no address"),
            ({"node_ips": ["fe80::1%\n10.0.0.9 kubernetes.default.svc"]}, "which is no address"),
            (
                {"node_name": "../../secrets/x"},
                "its node_name is '../../secrets/x', which cannot be the name of a node",
            ),
            ({"node_name": "n1\n"}, "which cannot be the name of a node"),
            ({"clock": "soon"}, "its clock is 'soon', which is no float"),
            ({"clock": float("nan")}, "its clock is nan, which is no float"),
            ({"node_name": ["n1"]}, "its node_name is ['n1'], which is no str"),
            ({"machine_id": None}, "its machine_id is None, which is no str"),
            ({"etcd_data": "no"}, "its etcd_data is 'no', which is no bool"),
            ({"bundle_present": 1}, "its bundle_present is 1, which is no bool"),
            ({"identity": "n1"}, "its identity is 'n1', which is no mapping"),
            ({"identity": {"node_name": "../x"}}, "its node_name is '../x', which cannot be the name of a node"),
            ({"identity": {"node_ips": ["10.0.0.1;"]}}, "its node_ips name '10.0.0.1;', which is no address"),
            ({"identity": {"epoch": "1"}}, "its epoch is '1', which is no int"),
            ({"etcd_recorded": {"member_id": 1}}, "its member_id is 1, which is no str"),
            ({"etcd_recorded": {"member_id": "x"}}, "its etcd has the id 'x', which is no number"),
            ({"etcd_kept": {"cluster_id": "1\n"}}, "its etcd has the id '1\\n', which is no number"),
            ({"etcd_cluster": "1\n"}, "which is no number"),
            # The controller's own findings repeat these.
            ({"machine_id": "1\x1b[2J"}, "its machine_id is '1\\x1b[2J', which is no text of one line"),
            ({"identity": {"data_dir": "/a\nnode-2: b"}}, "its data_dir is '/a\\nnode-2: b', which is no text"),
            ({"identity": {"cluster_domain": "a\u202eb"}}, "its cluster_domain is 'a\\u202eb', which is no text"),
            ({"installed": ["kubelet", "\x9b31m"]}, "its installed is '\\x9b31m', which is no text of one line"),
        ],
    )
    def test_facts_of_another_form_are_refused_by_name(self, facts, told):
        with pytest.raises(reports.ReportError) as error:
            reports.host_facts({**LOOKED["facts"], **facts})
        assert told in str(error.value)

    def test_who_a_host_is_are_records_too(self):
        identity = {"node_name": "n1", "node_ips": ["10.0.0.1"], "cluster_id": "u"}
        recorded = {"cluster_id": "1", "member_id": "2"}
        facts = reports.host_facts({**LOOKED["facts"], "identity": identity, "etcd_recorded": recorded})
        assert facts.identity == Identity(node_name="n1", node_ips=("10.0.0.1",), cluster_id="u")
        assert facts.etcd_recorded == EtcdIdentity("1", "2")

    def test_what_is_refused_is_told_in_a_line(self):
        with pytest.raises(reports.ReportError) as error:
            reports.host_facts({"node_name": ["n"] * 1000})
        assert len(str(error.value)) < 200

    @pytest.mark.parametrize(
        "said, told",
        [
            ({"machine_id": "x" * 257}, "its machine_id has more than 256 characters"),
            ({"authority": "x" * 257}, "its authority has more than 256 characters"),
            ({"node_ips": ["10.0.0.1", "fd00::1", "10.0.0.2"]}, "its node_ips are 3, and a node has one of each"),
        ],
    )
    def test_more_than_a_host_can_have_is_refused(self, said, told):
        with pytest.raises(reports.ReportError, match=told):
            reports.host_facts({**LOOKED["facts"], **said})

    @pytest.mark.parametrize(
        "about, told",
        [
            ({"settings": []}, "its settings is []"),
            ({"images": "pause"}, "its images is"),
            ({"name": 1}, "its name is 1"),
        ],
    )
    def test_so_is_the_controllers_own_half(self, about, told):
        with pytest.raises(reports.ReportError) as error:
            reports.host_report({**LOOKED, "host": {**LOOKED["host"], **about}})
        assert told in str(error.value)

    @pytest.mark.parametrize("findings", [[{"name": "x"}], [{**NFT, "level": 1}], ["text"], "text", 1])
    def test_findings_of_another_form_are_refused(self, findings):
        with pytest.raises(reports.ReportError):
            reports.host_report({**LOOKED, "findings": findings})

    def test_findings_without_end_are_refused(self):
        with pytest.raises(reports.ReportError, match="more than 100000 characters"):
            reports.host_claims({**LOOKED, "findings": [{**NFT, "message": "x" * reports.LONGEST}]})

    def test_those_that_a_host_may_have_are_no_error_of_all_hosts_once_the_controller_adds_its_own(self):
        own = {**NFT, "message": "x" * (reports.LONGEST - len(NFT["remedy"]))}
        assert reports.host_claims({**LOOKED, "findings": [own]})[0]
        assert len(reports.host_report({**LOOKED, "findings": [own, NFT]}).findings) == 2

    def test_a_finding_is_one_line_that_steers_no_terminal(self):
        said = {"message": "broken\nhost-2 is left out\x1b[2J of\x9b31m this run", "remedy": "a\r\tb\u2028c\u202e"}
        (finding,) = reports.host_report({**LOOKED, "findings": [{**NFT, **said}]}).findings
        assert (finding.message, finding.remedy) == (
            "broken host-2 is left out\ufffd[2J of\ufffd31m this run",
            "a b c\ufffd",
        )

    def test_a_host_that_knows_its_name_for_unusable_is_told_so_once(self):
        finding = {"name": "hostname", "level": FAIL, "message": "'a_b' cannot be the name of a node", "remedy": "x"}
        report = reports.host_report({**LOOKED, "facts": {"node_name": "a_b"}, "findings": [finding]})
        assert (report.facts, [each.name for each in report.findings]) == (None, ["hostname"])

    def test_what_else_a_finding_has_is_dropped(self):
        (finding,) = reports.host_report({**LOOKED, "findings": [{**NFT, "host": "other"}]}).findings
        assert finding == Finding("command_nft", FAIL, "the host has no command nft", "install it")


class TestServer:
    def test_what_a_server_says_is_a_record(self):
        report = reports.server_report({**ANSWER, "item": "node-1", "changed": False, "ansible_loop_var": "item"})
        assert (report.host, report.healthy, report.bootstrap_record) == ("node-1", True, "current")
        assert report.etcd_members == (
            MemberReport("1", "n1", peer_urls=("https://10.0.0.1:2380",), client_urls=(), healthy=True),
        )
        assert report.nodes == (NodeReport("n1", "1", ("10.0.0.1",), True),)
        assert report.node_passwords == ("n1",)

    def test_a_member_that_has_not_started_has_no_name(self):
        said = {**MEMBER, "name": "", "peer_urls": ["https://[fd00::1]:2380"]}
        assert reports.server_report({**ANSWER, "etcd_members": [said]}).etcd_members[0].name == ""

    def test_one_that_fails_says_why(self):
        report = reports.server_report({"host": "node-1", "failed": True, "msg": "set k3a_node_ip"})
        assert (report.healthy, report.host, report.reason) == (False, "node-1", "set k3a_node_ip")

    def test_one_that_cannot_be_reached_is_known_by_the_loops_item(self):
        report = reports.server_report({"item": "node-1", "unreachable": True, "msg": "no route"})
        assert (report.healthy, report.host, report.reason) == (False, "node-1", "no route")

    def test_what_findings_repeat_is_one_line_that_steers_no_terminal(self):
        said = dict.fromkeys(("reason", "cluster_id", "issuer"), "a\x1b[2J\nnode-2: b")
        report = reports.server_report({**ANSWER, **said})
        assert {report.reason, report.cluster_id, report.issuer} == {"a\ufffd[2J node-2: b"}

    @pytest.mark.parametrize(
        "about, told",
        [
            ({"healthy": "yes"}, "its healthy is 'yes', which is no bool"),
            ({"ca_certificates": "PEM"}, "its ca_certificates is 'PEM', which is no Mapping"),
            ({"url": None}, "its url is None, which is no str"),
            ({"node_passwords": [{}]}, "its node_passwords is [{}]"),
            ({"etcd_members": [{**MEMBER, "peer_urls": "https://10.0.0.1"}]}, "its peer_urls is"),
            ({"etcd_members": [{**MEMBER, "id": 1}]}, "its id is 1"),
            ({"nodes": [{"name": "n1", "addresses": [None]}]}, "its addresses is [None]"),
            ({"etcd_members": [{**MEMBER, "id": "one"}]}, "etcd has a member with the id 'one', which is no number"),
            (
                {"etcd_members": [{**MEMBER, "name": "n1\nETCD_FORCE_NEW_CLUSTER=true"}]},
                "etcd has the member 'n1\\nETCD_FORCE_NEW_CLUSTER=true', which cannot be the name of a node",
            ),
            (
                {"etcd_members": [{**MEMBER, "peer_urls": ["https://10.0.0.1:2380,n2=https://10.0.0.2:2380"]}]},
                "etcd has the member 1 at 'https://10.0.0.1:2380,n2=https://10.0.0.2:2380', which is no URL of one",
            ),
            ({"etcd_members": [{**MEMBER, "client_urls": ["a b"]}]}, "etcd has the member 1 at 'a b'"),
        ],
    )
    def test_an_answer_of_another_form_is_refused_by_name(self, about, told):
        with pytest.raises(reports.ReportError) as error:
            reports.server_report({**ANSWER, **about})
        assert told in str(error.value)

    @pytest.mark.parametrize(
        "about",
        [
            {"nodes": ["n1"]},
            {"nodes": 1},
            {"nodes": [{}]},
            {"etcd_members": [{"name": "n1"}]},
            {"etcd_members": [None]},
        ],
    )
    def test_so_is_one_whose_records_are_none(self, about):
        with pytest.raises(reports.ReportError):
            reports.server_report({**ANSWER, **about})

    def test_an_authority_is_a_text(self):
        with pytest.raises(reports.ReportError):
            reports.server_report({**ANSWER, "ca_certificates": {"server": ["PEM"]}})
