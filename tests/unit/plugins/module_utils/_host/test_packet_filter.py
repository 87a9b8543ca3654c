# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.module_utils._host import packet_filter
from ansible_collections.k3a.cluster.plugins.module_utils._host.packet_filter import Packet

# As nft 1.0.6 listed them: of somebody who closes everything but a few ports; the FORWARD chain that Docker makes by
# iptables; the same with what iptables-services of RHEL and Oracle's cloud images reject.
SAMPLES = json.loads((Path(__file__).parents[3] / "nft_samples.json").read_text())
OWN = (*registry.remains().tables, *registry.remains().chains)
FROM_POD = Packet(4, iifname="cni0", oifname="eth0", saddr="10.42.0.0/16")
TO_POD = Packet(4, iifname="flannel.1", oifname="cni0", saddr="10.42.0.0/16", daddr="10.42.0.0/16")


def filter_of(name):
    shown = json.dumps(SAMPLES[name])
    return packet_filter.read_filter(shown, [shown], OWN)


def fate(known, hook, packet, appends=False):
    return {chain.title: fate for chain, fate in packet_filter.fates(known, hook, packet, appends).items()}


def in_chain(*rules, policy="drop"):
    """A chain for what is forwarded, with the conditions and verdicts of its rules."""
    chain = {"family": "inet", "table": "mine", "name": "forward", "hook": "forward", "policy": policy}
    items = [{"rule": {"family": "inet", "table": "mine", "chain": "forward", "expr": list(rule)}} for rule in rules]
    shown = json.dumps({"nftables": [{"chain": chain}, *items]})
    return packet_filter.read_filter(shown, [shown], OWN)


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


ACCEPT, REJECT = {"accept": None}, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
SADDR, DADDR = ({"payload": {"protocol": "ip", "field": field}} for field in ("saddr", "daddr"))
IIF = {"meta": {"key": "iifname"}}
TEN = {"prefix": {"addr": "10.0.0.0", "len": 8}}


class TestDocker:
    @pytest.mark.parametrize("packet", [FROM_POD, TO_POD], ids=["from a pod", "to a pod"])
    def test_drops_pods_packets_until_flannel_appends_its_rules(self, packet):
        assert fate(filter_of("docker"), "forward", packet) == {"ip filter FORWARD": {"drop"}}
        assert fate(filter_of("docker"), "forward", packet, appends=True) == {}

    def test_rules_after_one_that_rejects_are_never_reached(self):
        assert fate(filter_of("rejecting"), "forward", FROM_POD, appends=True) == {"ip filter FORWARD": {"drop"}}

    def test_nothing_is_said_of_ipv6_where_docker_has_no_rules_for_it(self):
        packet = Packet(6, iifname="cni0", oifname="eth0", saddr="fd42::/56")
        assert fate(filter_of("docker"), "forward", packet) == {}


class TestOwnRules:
    @pytest.mark.parametrize(
        "protocol, port, interface, expected",
        [
            ("tcp", 22, "eth0", None),
            ("tcp", 2380, "eth0", None),
            ("tcp", 10250, "eth0", {"drop"}),
            ("udp", 22, "eth0", {"drop"}),
            ("tcp", 10250, "lo", None),
            # From whom is not known here, and of whom a set is, neither.
            ("tcp", 6443, "eth0", {"accept", "drop"}),
            ("udp", 8472, "eth0", {"accept", "drop"}),
            ("tcp", 6443, "cni0", None),
        ],
    )
    def test_ports(self, protocol, port, interface, expected):
        found = fate(filter_of("own"), "input", Packet(4, interface, protocol=protocol, dport=port))
        assert found == ({"inet filter input": expected} if expected else {})

    def test_what_is_forwarded_is_dropped(self):
        assert fate(filter_of("own"), "forward", FROM_POD) == {"inet filter forward": {"drop"}}
        # flannel appends to the chain of iptables only.
        assert fate(filter_of("own"), "forward", FROM_POD, appends=True) == {"inet filter forward": {"drop"}}

    def test_the_ports_that_iptables_rejects(self):
        found = fate(filter_of("rejecting"), "input", Packet(4, "eth0", protocol="tcp", dport=6443))
        assert found == {"ip filter INPUT": {"drop"}}
        # By a condition that nft does not show.
        found = fate(filter_of("rejecting"), "input", Packet(4, "eth0", protocol="tcp", dport=22))
        assert found == {"ip filter INPUT": {"accept", "drop"}}


@pytest.mark.parametrize(
    "rules, expected",
    [
        ([[match(SADDR, TEN), ACCEPT], [match(DADDR, TEN), ACCEPT]], None),
        ([[match(IIF, "cni0"), ACCEPT]], None),
        ([[match(IIF, {"set": ["docker0", "cni0"]}), {"counter": {"packets": 0, "bytes": 0}}, ACCEPT]], None),
        ([[match(IIF, "cni*"), ACCEPT]], None),
        ([[match(SADDR, {"range": ["10.42.0.0", "10.42.255.255"]}), ACCEPT]], None),
        ([[match(IIF, "eth1"), ACCEPT]], {"drop"}),
        ([[match(IIF, "eth1", "!="), ACCEPT]], None),
        ([[match(SADDR, "192.0.2.1"), ACCEPT]], {"drop"}),
        ([[match(SADDR, {"prefix": {"addr": "10.42.7.0", "len": 24}}), ACCEPT]], {"accept", "drop"}),
        ([[match(SADDR, "@trusted"), ACCEPT]], {"accept", "drop"}),
        ([[match({"ct": {"key": "state"}}, ["established", "related"], "in"), ACCEPT]], {"drop"}),
        ([[match({"ct": {"key": "state"}}, ["established", "new"], "in"), ACCEPT]], None),
        ([[{"limit": {"rate": 10, "per": "second"}}, ACCEPT]], {"accept", "drop"}),
        ([[REJECT], [match(IIF, "cni0"), ACCEPT]], {"drop"}),
        ([[{"return": None}], [ACCEPT]], {"drop"}),
        ([[{"jump": {"target": "nowhere"}}], [ACCEPT]], None),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else repr(sorted(value or ())),
)
def test_conditions_and_verdicts(rules, expected):
    found = fate(in_chain(*rules), "forward", FROM_POD)
    assert found == ({"inet mine forward": expected} if expected else {})


def test_a_chain_that_accepts_in_the_end_may_reject_before():
    assert fate(in_chain(policy="accept"), "forward", FROM_POD) == {}
    assert fate(in_chain([match(IIF, "cni0"), REJECT], policy="accept"), "forward", FROM_POD) == {
        "inet mine forward": {"drop"}
    }


def test_a_map_of_verdicts():
    state, new = {"ct": {"key": "state"}}, {"set": [["new", {"accept": None}], ["invalid", {"drop": None}]]}
    assert fate(in_chain([{"vmap": {"key": state, "data": new}}]), "forward", FROM_POD) == {}
    known = fate(in_chain([{"vmap": {"key": IIF, "data": "@of_interfaces"}}]), "forward", FROM_POD)
    assert known == {"inet mine forward": {"accept", "drop"}}


def test_a_circle_of_chains_ends():
    jump = [{"jump": {"target": "forward"}}]
    assert fate(in_chain(jump), "forward", FROM_POD) == {"inet mine forward": {"accept", "drop"}}


@pytest.mark.parametrize("shown", ["", "Error: JSON support not compiled-in"])
def test_what_nft_cannot_tell_says_nothing(shown):
    assert packet_filter.base_chains(shown, OWN) == []


def test_our_own_tables_are_not_looked_at_and_our_chains_let_through():
    chain = {"family": "ip", "table": "kube-proxy", "name": "filter-forward", "hook": "forward", "policy": "drop"}
    assert packet_filter.base_chains(json.dumps({"nftables": [{"chain": chain}]}), OWN) == []
    assert fate(in_chain([{"jump": {"target": "KUBE-FORWARD"}}], policy="accept"), "forward", FROM_POD) == {}
