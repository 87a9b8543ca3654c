# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.node_hosts import FilterModule

node_hosts = FilterModule().filters()["node_hosts"]


def node(name, *addresses):
    return {"name": name, "internal_ips": list(addresses)}


def test_each_node_has_an_address_of_each_family_in_the_order_of_names():
    found = node_hosts([node("b", "10.0.0.2", "FD00:0::2"), node("a", "10.0.0.1")], [])
    assert found["hosts"] == "10.0.0.1 a\n10.0.0.2 b\nfd00::2 b\n"
    assert found["addresses"] == {"a": ["10.0.0.1"], "b": ["10.0.0.2", "fd00::2"]}
    assert found["dropped"] == []


@pytest.mark.parametrize(
    "address",
    [
        *("", "10.0.0", "010.0.0.1", "10.0.0.1 evil", "10.0.0.1\n10.0.0.2 x", "10.0.0.1/24", "example.org", "fe80::1%eth0"),
        *("fe80::1%x\n10.0.0.2 y", "\x1b[2J", "10.0.0.1\r", "\u0661\u0660.0.0.1", "x" * 10000),
    ],
)
def test_what_is_no_address_is_named_on_one_line_and_left_out(address):
    found = node_hosts([node("a", address)], [])
    (sentence,) = found["dropped"]
    assert (found["hosts"], found["addresses"]) == ("", {"a": []})
    assert sentence.isprintable() and len(sentence) < 200 and "a" in sentence


def test_a_node_that_tells_thousands_fills_nothing():
    found = node_hosts([node("a", *(f"10.0.{high}.{low}" for high in range(100) for low in range(100)))], [])
    assert found["hosts"] == "10.0.0.0 a\n"
    assert found["dropped"][0].endswith("10.0.0.3 is the second of its family; and 9996 more.")


def test_a_name_with_dots_has_to_be_one_of_the_inventory():
    nodes = [node("github.com", "10.0.0.66"), node("first.example.org", "10.0.0.1")]
    found = node_hosts(nodes, ["first.example.org"])
    assert found["hosts"] == "10.0.0.1 first.example.org\n"
    assert found["addresses"]["github.com"] == ["10.0.0.66"]
    assert found["dropped"] == [
        "CoreDNS leaves out the name github.com: it has dots and is of no host of the inventory."
    ]


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "A", "-a", "a" * 254, "*.example.org"])
def test_what_is_no_name_is_left_out(name):
    found = node_hosts([node(name, "10.0.0.1")], [name])
    assert (found["hosts"], found["addresses"], len(found["dropped"])) == ("", {}, 1)
