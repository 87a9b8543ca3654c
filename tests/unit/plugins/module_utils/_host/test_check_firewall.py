# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_firewall, packet_filter
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_firewall import Firewall, Need, Opened

SAMPLES = json.loads((Path(__file__).parents[3] / "nft_samples.json").read_text())
NEED = Need(
    ports=(("tcp", 6443), ("tcp", 10250), ("udp", 8472)),
    ports_of_api=(("tcp", 6443),),
    cluster_cidr=("10.42.0.0/16",),
    node_ips=("10.89.0.11",),
    interface="eth0",
    has_flannel=True,
    is_node=False,
)
PUBLIC = """<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <description>For use in public areas.</description>
  <service name="ssh"/>
  <service name="kube-api"/>
  <port port="10250-10255" protocol="tcp"/>
  <forward/>
</zone>
"""
TRUSTED = '<zone target="ACCEPT"><short>Trusted</short><source address="10.42.0.0/16"/></zone>'
KUBE_API = '<service><short>Kubernetes Api Server</short><port port="6443" protocol="tcp"/></service>'
# Of ufw 0.36.1.
USER_RULES = """*filter
:ufw-user-input - [0:0]
### RULES ###

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT

### tuple ### allow tcp 6443,10250 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp -m multiport --dports 6443,10250 -j ACCEPT

### tuple ### deny udp 8472 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow any 30000:32767 0.0.0.0/0 any 0.0.0.0/0 in_eth0
### tuple ### allow any any 0.0.0.0/0 any 10.42.0.0/16 in
### tuple ### allow tcp 25 0.0.0.0/0 any 0.0.0.0/0 out
### END RULES ###
"""


def filter_of(name):
    shown = json.dumps(SAMPLES[name])
    return packet_filter.read_filter(shown, [shown], ())


def told(firewall, need=NEED):
    return [(f.level, f"{f.message}; {f.remedy}") for f in check_firewall.findings(firewall, need)]


class TestFirewalld:
    def test_zones_in_use_are_read_with_their_services(self):
        zones = {"public": PUBLIC, "trusted": TRUSTED, "dmz": '<zone><port port="1" protocol="tcp"/></zone>'}
        opened = check_firewall.parse_zones(zones, {"kube-api": KUBE_API}, "public")
        assert set(opened.ports) == {("tcp", 6443, 6443), ("tcp", 10250, 10255)}
        assert opened.sources == ("10.42.0.0/16",)
        assert not opened.is_open

    def test_what_the_commands_of_the_remedy_did_is_seen(self):
        opened = check_firewall.parse_zones({"public": PUBLIC, "trusted": TRUSTED}, {"kube-api": KUBE_API}, "public")
        assert told(Firewall(firewalld=opened)) == [
            (
                "fail",
                "firewalld drops packets to UDP 8472; run firewall-cmd --permanent --add-port=8472/udp && "
                "firewall-cmd --reload, or switch firewalld off",
            )
        ]

    def test_peers_of_a_trusted_network_reach_everything(self):
        trusted = TRUSTED.replace("/></zone>", '/><source address="10.89.0.0/24"/></zone>')
        opened = check_firewall.parse_zones({"public": PUBLIC, "trusted": trusted}, {}, "public")
        assert told(Firewall(firewalld=opened)) == []

    def test_a_default_zone_that_accepts_everything(self):
        assert told(Firewall(firewalld=check_firewall.parse_zones({"trusted": TRUSTED}, {}, "trusted"))) == []

    def test_the_bridge_of_pods_may_be_in_a_zone_instead(self):
        zone = '<zone target="ACCEPT"><interface name="cni0"/></zone>'
        opened = check_firewall.parse_zones({"trusted": zone, "public": PUBLIC}, {}, "public")
        assert opened.trusts("10.42.0.0/16")

    def test_a_file_of_the_host_hides_that_of_the_package(self, tmp_path):
        for place, zone in (("usr", PUBLIC), ("etc", "<zone/>")):
            (tmp_path / place / "zones").mkdir(parents=True)
            (tmp_path / place / "zones/public.xml").write_text(zone)
        (tmp_path / "etc/firewalld.conf").write_text("# comment\nDefaultZone=public\n")
        both = [str(tmp_path / "usr"), str(tmp_path / "etc")]
        assert check_firewall.read_firewalld(both).ports == ()
        assert check_firewall.read_firewalld(both[:1]).ports == (("tcp", 10250, 10255),)

    @pytest.mark.parametrize("text", ["", "<zone", "not xml"])
    def test_a_file_that_cannot_be_read_opens_nothing(self, text):
        assert check_firewall.parse_zones({"public": text}, {}, "public") == Opened()


class TestUfw:
    def test_rules_are_read_from_its_comments(self):
        opened = check_firewall.parse_ufw(USER_RULES, 'DEFAULT_INPUT_POLICY="DROP"\n')
        assert opened.lets_in("tcp", 6443, ()) and opened.lets_in("udp", 30001, ())
        assert not opened.lets_in("udp", 8472, ()) and not opened.lets_in("tcp", 25, ())
        assert opened.trusts("10.42.0.0/16") and not opened.trusts("10.43.0.0/16")

    def test_what_is_closed_comes_with_the_commands(self):
        assert told(Firewall(ufw=Opened())) == [
            (
                "fail",
                "ufw drops packets of pods (10.42.0.0/16); run ufw allow from 10.42.0.0/16, or switch ufw off",
            ),
            (
                "fail",
                "ufw drops packets to TCP 6443, 10250 and UDP 8472; run ufw allow 6443,10250/tcp && ufw allow 8472/udp, "
                "or switch ufw off",
            ),
        ]
        assert told(Firewall(ufw=Opened()), replace(NEED, is_node=True))[0][0] == "warn"

    def test_one_that_lets_in_what_it_does_not_know(self):
        assert told(Firewall(ufw=check_firewall.parse_ufw("", "DEFAULT_INPUT_POLICY=ACCEPT\n"))) == []

    def test_one_that_is_off_says_nothing(self, tmp_path):
        (tmp_path / "ufw.conf").write_text("ENABLED=no\n")
        assert check_firewall.read_ufw(str(tmp_path)) is None
        (tmp_path / "ufw.conf").write_text("ENABLED=yes\n")
        (tmp_path / "user.rules").write_text(USER_RULES)
        assert check_firewall.read_ufw(str(tmp_path), str(tmp_path / "none")).sources == ("10.42.0.0/16",)


def test_the_ports_that_are_closed_are_those_of_the_findings():
    both = Firewall(filter_of("own"), ufw=Opened((("tcp", 6443, 6443),)))
    assert check_firewall.closed_ports(both, NEED) == [("tcp", 10250), ("udp", 8472)]
    assert check_firewall.closed_ports(both, replace(NEED, is_managed=True)) == [("tcp", 10250)]
    assert check_firewall.programs(both) == ["ufw"]


def test_what_the_run_will_open_is_no_finding():
    both = Firewall(filter_of("own"), firewalld=Opened(), ufw=Opened())
    findings = told(both, replace(NEED, is_managed=True))
    assert findings and all(text.startswith("the chain inet filter") for _level, text in findings)


class TestRules:
    def test_docker_is_no_trouble_where_flannel_can_append_its_rules(self):
        assert told(Firewall(filter_of("docker"), has_iptables=True)) == []

    def test_without_iptables_or_flannel_it_is(self):
        rules = (
            "nft insert rule ip filter FORWARD ip saddr 10.42.0.0/16 accept && "
            "nft insert rule ip filter FORWARD ip daddr 10.42.0.0/16 accept"
        )
        said = (
            "fail",
            "the chain ip filter FORWARD drops packets of pods (10.42.0.0/16); accept them there "
            f"({rules}), and in the file from which it is made when the host boots",
        )
        assert told(Firewall(filter_of("docker"))) == [said]
        assert told(Firewall(filter_of("docker"), has_iptables=True), replace(NEED, has_flannel=False)) == [said]

    def test_an_operators_own_rules(self):
        findings = told(Firewall(filter_of("own"), has_iptables=True))
        assert [level for level, _text in findings] == ["fail", "fail"]
        assert findings[0][1].startswith("the chain inet filter forward drops packets of pods (10.42.0.0/16); accept")
        assert findings[1][1] == (
            "the chain inet filter input drops packets to TCP 10250; accept them there (nft insert rule inet filter input "
            "tcp dport { 10250 } accept), and in the file from which it is made when the host boots"
        )

    def test_a_node_that_works_is_not_stopped(self):
        assert {level for level, _text in told(Firewall(filter_of("own")), replace(NEED, is_node=True))} == {"warn"}

    def test_what_ufw_makes_is_for_ufw_to_open(self):
        findings = told(Firewall(filter_of("rejecting"), has_iptables=True, ufw=Opened(is_open=True)))
        assert len(findings) == 1 and "ip filter FORWARD drops" in findings[0][1]

    @pytest.mark.parametrize("policy, level", [("accept", None), ("drop", "warn")])
    def test_a_list_of_hosts_is_told_where_the_rest_is_dropped(self, policy, level):
        """As crowdsec's bouncer has one."""
        chain = {"family": "ip", "table": "crowdsec", "name": "chain-f", "hook": "forward", "policy": policy}
        match = {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@blocked"}
        verdict = {"drop": None} if policy == "accept" else {"accept": None}
        rule = {"family": "ip", "table": "crowdsec", "chain": "chain-f", "expr": [{"match": match}, verdict]}
        shown = json.dumps({"nftables": [{"chain": chain}, {"rule": rule}]})
        findings = told(Firewall(packet_filter.read_filter(shown, [shown], ())))
        assert [each for each, _text in findings] == ([level] if level else [])
        assert all("may drop packets of pods" in text for _level, text in findings)
