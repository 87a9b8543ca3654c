# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to servers, and what clients may notice of it."""

from __future__ import annotations

import subprocess

import pytest

LIMIT = 20
TABLE = "inet k3a-test-cut"
CUT = """
table inet k3a-test-cut {{
  chain incoming {{ type filter hook prerouting priority raw; {incoming} }}
  chain outgoing {{ type filter hook output priority raw; {outgoing} }}
}}
"""


@pytest.fixture
def victim(cluster, servers, writing):
    """The server that the clients use, leading etcd."""
    name = servers.behind(cluster.agents[0])
    servers.lead(name)
    return name


@pytest.fixture
def podman():
    """What is done to nodes from outside."""

    def podman(*arguments: str) -> None:
        subprocess.run(["podman", *arguments], check=True, capture_output=True)

    return podman


@pytest.fixture
def check(writing):
    """What the clients saw. They may notice 10 s; twice that is allowed, the machine under the nodes may be busy."""

    def check() -> None:
        writing.go_on()
        writing.stop()
        assert {node: found.gap for node, found in writing.result.items() if found.gap > LIMIT} == {}

    return check


class Network:
    """Takes the way to other nodes from a server, and gives it back; the controller still reaches it."""

    def __init__(self, cluster, server: str) -> None:
        self.cluster = cluster
        self.server = server

    def cut(self, ways: str, nodes: list[str]) -> None:
        addresses = ", ".join(self.cluster.addresses[node] for node in nodes if node != self.server)
        incoming = f"ip saddr {{ {addresses} }} drop;" if "in" in ways else ""
        outgoing = f"ip daddr {{ {addresses} }} drop;" if "out" in ways else ""
        self.cluster.feed(self.server, CUT.format(incoming=incoming, outgoing=outgoing), "nft", "-f", "-")

    def mend(self) -> None:
        self.cluster.feed(self.server, f"table {TABLE} {{}}\ndelete table {TABLE}\n", "nft", "-f", "-")


@pytest.fixture
def network(cluster, victim):
    found = Network(cluster, victim)
    yield found
    found.mend()
