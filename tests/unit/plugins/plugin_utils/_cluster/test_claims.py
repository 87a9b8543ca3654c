# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, node_id
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import claims
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostFacts,
    HostReport,
    MemberReport,
    NodeReport,
    ServerReport,
)

NETWORKS = {"cluster_cidr": ["10.42.0.0/16"], "service_cidr": ["10.43.0.0/16", "no network"]}
RESERVED = claims.reserved(NETWORKS, ["10.0.0.1:6443", "[fd00::1]:6443"], ["API.example.org", "192.0.2.9"])
CLUSTER = ServerReport(
    host="server-1",
    healthy=True,
    etcd_members=(MemberReport("1", name="server-1"),),
    nodes=(
        NodeReport("server-1", "id-s", ("10.0.0.1",)),
        NodeReport("agent-1", "id-1", ("10.0.0.101",)),
        NodeReport("agent-2", "id-2", ("10.0.0.102",)),
        NodeReport("edge", "id-e", ("10.0.0.200",)),
    ),
)
AWAY = {name: host for host in ("server-1", "agent-2.example.org") for name in claims.names_of(host)}


def agent(settings=None, server=False, name="agent-1", **facts):
    known = {"node_name": "agent-1", "node_ips": ("10.0.0.101",), "machine_id": "id-1", **facts}
    return HostReport(name, server=server, settings=settings or {}, facts=HostFacts(**known))


def found(*reports, away=AWAY):
    return [str(each) for each in claims.claim_findings(reports, CLUSTER, RESERVED, away)]


def test_an_agent_that_is_itself_and_one_that_is_new():
    assert found(agent()) == []
    assert found(agent(name="agent-3", node_name="agent-3", node_ips=("10.0.0.103", "fd00::103"), machine_id="id-3")) == []


@pytest.mark.parametrize(
    "name, told",
    [
        ("kubernetes.default.svc", "by which clients know the API"),
        ("localhost", "by which clients know the API"),
        ("api.example.org", "by which clients know the API"),
        ("server-1", "which is the name of a server"),
        ("agent-2", "which is the name of the host agent-2.example.org"),
    ],
)
def test_a_name_that_is_somebody_elses_even_with_its_machine_id(name, told):
    text, *_others = found(agent(node_name=name, machine_id={"server-1": "id-s", "agent-2": "id-2"}.get(name, "x")))
    assert text.startswith(f"agent-1: says that its node is {name}, {told}; see what answers in its place")


@pytest.mark.parametrize(
    "address, told",
    [
        ("10.0.0.1", "by which clients know the API"),
        ("::ffff:10.0.0.1", "by which clients know the API"),
        ("fd00::1", "by which clients know the API"),
        ("192.0.2.9", "by which clients know the API"),
        ("10.0.0.200", "which the node edge has (if that is gone, remove it with remove_node.yml)"),
        ("10.43.0.1", "in a network of pods or services"),
        ("10.42.3.4", "in a network of pods or services"),
        ("127.0.0.1", "which is none of a machine"),
        ("169.254.169.254", "which is none of a machine"),
        ("224.0.0.1", "which is none of a machine"),
        ("0.0.0.0", "which is none of a machine"),
    ],
)
def test_an_address_that_is_somebody_elses(address, told):
    (text,) = found(agent(node_ips=("10.0.0.101", address)))
    assert told in text


def test_a_machine_that_is_renamed_keeps_its_address():
    assert found(agent(node_name="agent-9")) == []


def test_the_address_of_a_node_that_is_looked_at_too_is_judged_where_hosts_are_compared():
    other = agent(name="agent-2", node_name="agent-2", node_ips=("10.0.0.109",), machine_id="id-2")
    assert found(agent(node_ips=("10.0.0.102",)), other) == []


def test_what_the_operator_says_holds():
    given = {"node_name": "agent-1", "node_ip": ["10.0.0.101"]}
    assert found(agent(given)) == []
    assert found(agent(given, node_name=f"agent-1-{node_id('id-1')}")) == []
    (name, address) = found(agent(given, node_name="edge", node_ips=("10.0.0.77",)))
    assert "its node is edge, and k3a_node_name is agent-1" in name
    assert "its address is 10.0.0.77, and k3a_node_ip is 10.0.0.101" in address
    # An inventory whose hosts have each other's names is the operator's to make.
    assert found(agent({"node_name": "agent-2"}, node_name="agent-2")) == []


def test_servers_and_hosts_of_which_nothing_is_known_claim_nothing():
    assert found(agent(server=True, node_name="server-1", node_ips=("10.0.0.1",)), HostReport("agent-9")) == []


def test_it_takes_the_agent_out_of_the_run():
    (each,) = claims.claim_findings([agent(node_name="localhost")], CLUSTER, RESERVED, {})
    assert (each.hosts, each.finding.level) == (("agent-1",), FAIL)


def test_a_new_host_does_not_share_the_name_of_a_machine_that_a_token_let_in():
    """Whoever joined by it is that node still, with a certificate of its own."""
    joined = replace(CLUSTER, joined_nodes=("agent-3",))
    for server in (False, True):
        (told,) = claims.joined_findings([agent(server=server, name="host-3", node_name="agent-3")], joined)
        assert told.finding.level == FAIL
        assert str(told).startswith("host-3: is to be the node agent-3, a name that a machine outside of the inventory")
    # It was let in itself, and is in the inventory by now.
    its_own = {"node_name": "agent-3", "node_password": True}
    for known in (agent(name="agent-3", **its_own), agent({"node_name": "agent-3"}, name="host-3", **its_own)):
        assert claims.joined_findings([known], joined) == []
    named = agent({"node_name": "a"}, name="h", node_name=f"a-{node_id('id-3')}", machine_id="id-3", node_password=True)
    assert claims.joined_findings([named], replace(CLUSTER, joined_nodes=(named.seen.node_name,))) == []
    assert claims.joined_findings([agent()], joined) == []


def test_a_node_that_a_token_let_in_is_not_any_host_that_says_so():
    """Whoever is root on an agent knows the name, the machine id and the address of every node."""
    joined = replace(CLUSTER, joined_nodes=("edge",))
    edge = {"node_name": "edge", "machine_id": "id-e", "node_ips": ("10.0.0.200",), "node_password": True}
    (told,) = claims.joined_findings([agent(**edge)], joined)
    assert str(told).startswith("agent-1: is to be the node edge, a name that a machine outside of the inventory")


RECORDED = replace(
    CLUSTER,
    nodes=(*CLUSTER.nodes, NodeReport("ip-10-0-0-9", "id-9", ("10.0.0.9",))),
    config={"hosts": {"agent-1": "agent-1", "db": "ip-10-0-0-9", "gone": "edge-9"}},
)


@pytest.mark.parametrize(
    "claim, told",
    [
        # Of a host that is away, whose node is named by the machine and not by the inventory.
        (("ip-10-0-0-9", "id-9", "10.0.0.9"), "its node is ip-10-0-0-9, and in the cluster it is agent-1"),
        # Of a machine that joined before tokens were written down, and of nobody, or nobody any more.
        (("edge", "id-e", "10.0.0.200"), "its node is edge, and in the cluster it is agent-1"),
        (("another", "id-x", "10.0.0.77"), "its node is another, and in the cluster it is agent-1"),
    ],
)
def test_whose_a_node_is_was_written_down_in_the_cluster(claim, told):
    name, machine_id, address = claim
    report = agent(node_name=name, machine_id=machine_id, node_ips=(address,))
    (text,) = map(str, claims.claim_findings([report], RECORDED, RESERVED, {"db": "db"}))
    assert told in text


def test_a_new_host_has_not_the_node_of_one_that_is_away():
    report = agent(name="agent-3", node_name="ip-10-0-0-9", machine_id="id-9", node_ips=("10.0.0.9",))
    (text,) = map(str, claims.claim_findings([report], RECORDED, RESERVED, {"db": "db"}))
    assert "its node is ip-10-0-0-9, which in the cluster is that of the host db" in text
    # Its line in the inventory has another name now.
    assert claims.claim_findings([report], RECORDED, RESERVED, {}) == []


def test_what_was_written_down_is_in_nobodys_way():
    names = {"node_name": "edge-9", "machine_id": "id-x", "node_ips": ("10.0.0.77",)}
    for report in (agent(), agent(name="gone", **names), agent({"node_name": "edge-9"}, **names)):
        assert claims.claim_findings([report], RECORDED, RESERVED, {}) == []
    # Told by the machine's own record, or by its id.
    renamed = agent(node_name="new")
    assert claims.claim_findings([renamed], RECORDED, RESERVED, {}) == []
    for broken in (None, [], 7, {"agent-1": {}}):
        assert claims.claim_findings([agent()], replace(RECORDED, config={"hosts": broken}), RESERVED, {}) == []


def test_a_node_that_reports_the_addresses_of_others_keeps_nobody_out():
    """It need not be looked at: a machine that joined by a token, or a host that nobody reaches."""
    evil = NodeReport("evil", "id-z", ("10.0.0.101", "10.0.0.103"))
    config = {"hosts": {"agent-1": "agent-1"}, "addresses": {"agent-1": ["10.0.0.101"], "evil": ["10.0.0.103"]}}
    cluster = replace(CLUSTER, nodes=(*CLUSTER.nodes, evil), config=config)
    assert claims.claim_findings([agent()], cluster, RESERVED, {}) == []
    # Nor does anybody get more by it than was recorded.
    for report in (agent(node_ips=("10.0.0.103",)), agent(name="evil", node_name="evil", machine_id="id-y")):
        (text,) = map(str, claims.claim_findings([report], cluster, RESERVED, {}))
        assert "which the node " in text
    for broken in (None, 7, {"agent-1": 7}, {"agent-1": [{}]}):
        unread = replace(cluster, config={**config, "addresses": broken})
        assert len(claims.claim_findings([agent()], unread, RESERVED, {})) == 1
