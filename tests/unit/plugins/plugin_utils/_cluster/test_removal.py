# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import Identity
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import removal
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import (
    HostFacts,
    HostReport,
    MemberReport,
    NodeReport,
    ServerReport,
)

ADDRESSES = {"s1": "10.0.0.1", "s2": "10.0.0.2", "s3": "10.0.0.3", "a1": "10.0.0.11", "a2": "10.0.0.12"}


def answer(host: str, members: str = "s1 s2 s3", ill: str = "", **more: Any) -> ServerReport:
    """What a healthy server tells of a cluster of up to three servers and two agents."""
    told = tuple(
        MemberReport(
            str(number),
            name,
            peer_urls=(f"https://{ADDRESSES[name]}:2380",),
            client_urls=(f"https://{ADDRESSES[name]}:2379",),
            healthy=name not in ill.split(),
        )
        for number, name in enumerate(members.split(), 100)
    )
    nodes = tuple(NodeReport(name, machine_id=name, addresses=(address,)) for name, address in ADDRESSES.items())
    url, ca_certificates = f"https://{ADDRESSES.get(host, host)}:6443", {"server": "PEM"}
    whole = ServerReport(host, url, ca_certificates, healthy=True, etcd_members=told, nodes=nodes)
    return replace(whole, **more)


def machine(host: str, **more: Any) -> removal.Machine:
    defaults = {"server": host.startswith("s"), "reached": True, "node": host, "addresses": (ADDRESSES.get(host, host),)}
    return removal.Machine(host, **{**defaults, **more})


ALL = [machine(host) for host in ADDRESSES]
THREE = [answer(host) for host in ("s1", "s2", "s3")]


def dead(host: str, **more: Any) -> removal.Machine:
    return machine(host, **{"reached": False, "node": "", **more})


# --- what is meant -------------------------------------------------------------------------------------------------


def test_a_host_tells_its_nodes_name() -> None:
    report = HostReport("h", facts=HostFacts("node-7", ("10.0.0.7",)))
    found = removal.machine("h", True, report, {"k3a_node_name": "old", "ansible_host": "192.0.2.7"})
    assert found == removal.Machine("h", True, True, "node-7", ("10.0.0.7", "192.0.2.7"))


def test_a_host_is_bound_to_its_node_by_the_machines_id() -> None:
    """Else a host that says it is another node has that one removed, and a reinstalled one would be reset for its name."""
    web = machine("web", node="a1", machine_id="m1")
    others = [each for each in ALL if each.host != "a1"]
    with pytest.raises(removal.RemovalError, match="web says that its node is a1, which in the cluster is another machine"):
        removal.plan(["web"], [*others, web], THREE)
    found = removal.plan(["a1"], [*others, web], THREE)
    assert (found.nodes, found.hosts) == (("a1",), ())
    assert found.todo == ("web is another machine than the node a1 was; nothing is removed from it.",)
    mine = removal.plan(["web"], [*others, replace(web, machine_id="a1")], THREE)
    assert (mine.nodes, mine.hosts) == (("a1",), ("web",))


def test_a_name_that_was_removed_can_be_set_free_later() -> None:
    gone = [answer(host, removed_nodes=("old",)) for host in ("s1", "s2", "s3")]
    assert removal.plan(["old"], ALL, gone).nodes == ("old",)


def test_a_host_that_was_renamed_is_still_its_node_and_its_member() -> None:
    """Else the last server would be taken for one without a member, and reset with all data of the cluster."""
    renamed = HostFacts("new", ("10.0.0.1",), "s1", identity=Identity(machine_id="s1", node_name="s1"))
    found = removal.machine("h1", True, HostReport("h1", server=True, facts=renamed), {})
    assert found.node == "s1"
    only = answer("h1", members="s1")
    assert removal.target("h1", [found], only).member == removal.members_of(only)[0]
    with pytest.raises(removal.RemovalError, match="no server would be left, and the cluster is lost"):
        removal.plan(["h1"], [found], [only])


def test_a_copy_of_a_host_is_not_that_hosts_node() -> None:
    copy = HostFacts("new", ("10.0.0.9",), "m9", identity=Identity(machine_id="m1", node_name="s1"))
    assert removal.machine("h9", False, HostReport("h9", facts=copy), {}).node == "new"


def test_of_a_dead_host_there_are_only_its_variables() -> None:
    assert removal.machine("h", False, None, {"k3a_node_name": "n", "k3a_node_ip": ["10.0.0.7"]}) == removal.Machine(
        "h", False, False, "n", ("10.0.0.7", "h")
    )
    # However they were given.
    given = {"k3a_node_name": "n", "k3a_node_ip": "10.0.0.7,fd00::7"}
    assert removal.machine("h", False, None, given).addresses == ("10.0.0.7", "fd00::7", "h")
    # One on which no module could run is no better.
    assert removal.machine("10.0.0.9", False, HostReport("10.0.0.9"), {}) == removal.Machine(
        "10.0.0.9", False, False, "", ("10.0.0.9",)
    )


def test_an_agent_that_says_that_its_node_is_a_servers_has_no_server_removed() -> None:
    liar = machine("a1", node="s2")
    with pytest.raises(removal.RemovalError, match="a1 is an agent and says that its node is s2, which is a server; see"):
        removal.plan(["a1"], [machine("s1"), machine("s3"), liar, machine("a2")], THREE)


@pytest.mark.parametrize("claimed", ["s2", "a2"])
def test_an_agent_that_says_that_its_node_is_another_hosts_has_nobody_removed(claimed: str) -> None:
    liar = machine("a1", node=claimed)
    with pytest.raises(removal.RemovalError, match=rf"{claimed} and a1 have one node name|a1 and {claimed} have one"):
        removal.plan(["a1"], [machine(host) if host != "a1" else liar for host in ADDRESSES], THREE)


@pytest.mark.parametrize("claimed, known_by", [("nobody", ""), ("edge", "id-e")])
def test_an_agent_that_is_to_go_does_not_stay_by_another_name(claimed: str, known_by: str) -> None:
    edge = NodeReport("edge", "id-e", ("10.0.0.99",))
    asked = [replace(each, nodes=(*each.nodes, edge), joined_nodes=("edge",)) for each in THREE]
    liar = machine("a1", node=claimed, machine_id=known_by)
    machines = [machine(host) if host != "a1" else liar for host in ADDRESSES]
    with pytest.raises(removal.RemovalError, match=f"a1 says that its node is {claimed}, .*; see what answers in its place"):
        removal.plan(["a1"], machines, asked)
    # Out of the inventory it says nothing.
    found = removal.plan(["a1"], [each for each in machines if each is not liar], asked)
    assert (found.nodes, found.hosts) == (("a1",), ())


def test_a_host_is_bound_to_its_node_by_what_runs_have_recorded() -> None:
    there = (NodeReport("ip-1", "id-1"), NodeReport("ip-2", "id-2"))
    asked = [replace(each, nodes=(*each.nodes, *there), config={"hosts": {"web": "ip-1", "db": "ip-2"}}) for each in THREE]
    # The other one cannot be reached, and its name is nobody's to guess.
    liar, other = machine("web", node="ip-2", machine_id="id-2"), dead("db")
    with pytest.raises(removal.RemovalError, match="web says that its node is ip-2, and in the cluster it is ip-1; see"):
        removal.plan(["web"], [*ALL, liar, other], asked)
    mine = removal.plan(["web"], [*ALL, replace(liar, node="ip-1", machine_id="id-1"), other], asked)
    assert (mine.nodes, mine.hosts) == (("ip-1",), ("web",))


def test_a_server_whose_line_has_gone_to_the_agents_goes_by_its_name() -> None:
    moved = [machine(host, server=host in ("s1", "s3")) for host in ADDRESSES]
    assert removal.plan(["s2"], moved, THREE).members == ("s2",)


@pytest.mark.parametrize(
    "host, expected",
    [
        (dead("s1"), "s1"),
        (dead("web", node="a2"), "a2"),
        (dead("web", addresses=("192.0.2.1", "10.0.0.12")), "a2"),
        (dead("web", addresses=("192.0.2.1",)), "web"),
        (dead("web", addresses=("10.0.0.11", "10.0.0.12")), "web"),
    ],
)
def test_the_node_of_a_dead_host_is_found(host: removal.Machine, expected: str) -> None:
    assert removal.node_of(host, answer("s1")) == expected


def test_a_host_is_found_by_either_name() -> None:
    machines = [machine("web", server=False, node="a1"), *ALL[:3]]
    for text in ("web", "a1"):
        found = removal.target(text, machines, answer("s1"))
        assert (found.node, found.machine, found.member, found.server) == ("a1", machines[0], None, False)


def test_a_server_has_a_member_even_when_the_inventory_does_not_know_it() -> None:
    found = removal.target("s3", ALL[:2], answer("s1"))
    assert found.machine is None and found.member and found.member.name == "s3" and found.server


def test_a_member_that_never_started_is_found_by_id_or_by_its_hosts_address() -> None:
    told = answer("s1")
    *others, last = told.etcd_members
    announced = replace(last, name="", learner=True, client_urls=())
    told = replace(told, etcd_members=(*others, announced), nodes=told.nodes[:2])
    for text in ("102", "s3"):
        found = removal.target(text, ALL, told)
        assert found.member and found.member.id == "102"
    assert removal.target("102", [], told).node == "102"


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(removal.RemovalError) as error:
        removal.target("s9", ALL[:3], answer("s1"))
    assert str(error.value) == "there is no node s9, or none any more; the nodes are a1, a2, s1, s2, s3"


def test_what_is_left_of_a_killed_run_is_still_known() -> None:
    told = answer("s1", nodes=())
    assert removal.target("a1", ALL, told).node == "a1"
    assert removal.target("ghost", [], replace(told, node_passwords=("ghost",))).node == "ghost"


def test_a_name_that_means_two_machines_is_refused() -> None:
    machines = [machine("a1", node="a2"), machine("a2", node="a1")]
    with pytest.raises(removal.RemovalError, match="a1 is the host of the node a2, and also the node of the host a2"):
        removal.target("a1", machines, answer("s1"))


# --- whether it can go ---------------------------------------------------------------------------------------------


def test_a_server_that_lives_goes_and_another_acts() -> None:
    found = removal.plan(["s1"], ALL, THREE)
    assert (found.nodes, found.hosts, found.members) == (("s1",), ("s1",), ("s1",))
    assert found.server == "s2"
    assert found.urls == ("https://10.0.0.2:6443", "https://10.0.0.3:6443")
    assert found.ca_certificates == {"server": "PEM"}
    assert found.todo == ("Take s1 out of the inventory, or site.yml makes it a node again.",)


def test_an_agent_goes_from_the_only_server() -> None:
    found = removal.plan(["a1", " a1", ""], ALL, [answer("s1", members="s1")])
    assert (found.nodes, found.members, found.server) == (("a1",), (), "s1")


def test_the_load_balancers_that_stay_forget_the_servers_that_go() -> None:
    """A host that could not be reached, and one that has none, are left alone."""
    machines = [replace(each, load_balancer=each.host != "s3") for each in ALL]
    assert removal.plan(["s1"], machines, THREE).load_balancers == ("s2", "a1", "a2")
    assert removal.plan(["s1", "a1"], machines, THREE).load_balancers == ("s2", "a2")
    assert removal.plan(["a1"], machines, THREE).load_balancers == ()
    unseen = removal.machine("a1", False, None, {})
    assert not unseen.load_balancer


def test_a_dead_server_goes_and_its_machine_is_left_to_the_operator() -> None:
    machines = [dead("s1"), *ALL[1:]]
    asked = [answer("s2", ill="s1"), answer("s3", ill="s1")]
    found = removal.plan(["s1"], machines, asked)
    assert (found.nodes, found.hosts, found.members, found.server) == (("s1",), (), ("s1",), "s2")
    assert found.todo[0] == "s1 could not be reached: it must be reset before it is used again."


def test_what_is_no_host_is_left_to_the_operator() -> None:
    found = removal.plan(["a2"], ALL[:4], THREE)
    assert found.hosts == ()
    assert found.todo == ("a2 is no host of the inventory: its machine must be reset before it is used again.",)


def test_a_dead_server_and_one_that_lives_go_together() -> None:
    found = removal.plan(["s2", "s1"], ALL, [answer("s2", ill="s1"), answer("s3", ill="s1")])
    assert found.members == ("s2", "s1") and found.server == "s3"


def test_several_go_one_after_the_other() -> None:
    found = removal.plan(["s1", "a1", "s3"], ALL, THREE)
    assert found.members == ("s1", "s3") and found.server == "s2"


@pytest.mark.parametrize(
    "names, asked, told",
    [
        ([], THREE, "say which nodes are to go"),
        (["s1"], [], "no server is healthy; bring a majority"),
        (
            ["s1"],
            [ServerReport("s1", reason="etcd has no leader"), ServerReport("s2", reason="timed out")],
            "no server is healthy (s1: etcd has no leader; s2: timed out); bring a majority of them back first",
        ),
        (["s1"], [answer("s1", members="s1")], "s1: no server would be left, and the cluster is lost; use reset.yml"),
        (["s1", "s2", "s3"], THREE, "s1 and s2 and s3: no server would be left"),
        (["s1"], [answer("s1", members="")], "no server that stays is healthy; bring a majority"),
        (
            ["s1"],
            [answer("s1", ill="s2"), answer("s3", ill="s2")],
            "s1 cannot go now: 2 healthy members of etcd must remain, and s2 is not healthy; bring that back first",
        ),
        (["s1", "s3"], [answer("s1", ill="s2"), answer("s3", ill="s2")], "s1 and s3 cannot go now"),
        (
            ["s1"],
            [answer("s1"), ServerReport("s2", reason="its API is starting")],
            "no server that stays is healthy (s2: its API is starting)",
        ),
    ],
)
def test_what_would_break_the_cluster_is_refused(names: list[str], asked: list[ServerReport], told: str) -> None:
    with pytest.raises(removal.RemovalError) as error:
        removal.plan(names, ALL, asked)
    assert told in str(error.value)


def test_without_etcd_the_last_server_of_the_inventory_stays() -> None:
    with pytest.raises(removal.RemovalError, match="no server would be left"):
        removal.plan(["s1"], [ALL[0], ALL[3]], [answer("s1", members="")])


def test_the_servers_that_stay_are_those_that_were_seen_and_those_that_are_members() -> None:
    reports = [
        HostReport(
            host,
            server=host.startswith("s"),
            api=f"{ADDRESSES[host]}:6443",
            facts=HostFacts(host, (ADDRESSES[host],)),
        )
        for host in ("s1", "s2", "a1")
    ]
    assert removal.staying_servers(reports, ["s1"], answer("s2"), 6443) == ["10.0.0.2:6443", "10.0.0.3:6443"]
    assert removal.staying_servers(reports, ["s3"], answer("s2"), 6443) == ["10.0.0.1:6443", "10.0.0.2:6443"]


def test_a_server_that_says_nothing_is_told_as_such() -> None:
    with pytest.raises(removal.RemovalError, match=r"no server is healthy \(s1: no answer\)"):
        removal.plan(["s2"], ALL, [ServerReport("s1")])


def test_the_result_is_the_form_that_tasks_see() -> None:
    assert removal.plan(["a1"], ALL, THREE).as_result() == {
        "nodes": ("a1",),
        "hosts": ("a1",),
        "members": (),
        "load_balancers": (),
        "server": "s1",
        "urls": tuple(f"https://10.0.0.{number}:6443" for number in (1, 2, 3)),
        "ca_certificates": {"server": "PEM"},
        "todo": ("Take a1 out of the inventory, or site.yml makes it a node again.",),
    }
