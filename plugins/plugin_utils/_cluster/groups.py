# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The groups of the inventory that say who does what, by short names and, for shared inventories, long ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import NODES, SERVERS

SERVER = ("server", "k3a_server")
AGENT = ("agent", "k3a_agent")

Groups = Mapping[str, Sequence[str]]


def servers(groups: Groups) -> list[str]:
    """The hosts that run the control plane, in the inventory's order."""
    return members(groups, SERVER)


def agents(groups: Groups) -> list[str]:
    """The hosts that run a node and nothing else."""
    return members(groups, AGENT)


def without_peers(groups: Groups) -> list[str]:
    """From where nobody comes to a host: in a cluster of one server no other server, in one of one host no node."""
    alone = [SERVERS] if len(servers(groups)) == 1 else []
    return [*alone, NODES] if alone and not agents(groups) else alone


def members(groups: Groups, names: Sequence[str]) -> list[str]:
    """The hosts of several groups, each once."""
    return list(dict.fromkeys(host for name in names for host in groups.get(name, ())))


def existing(groups: Groups, names: Sequence[str]) -> list[str]:
    """Which of several groups there are."""
    return [name for name in names if name in groups]
