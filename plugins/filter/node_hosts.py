# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: node_hosts
short_description: The nodes' names and addresses for CoreDNS
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - What nodes say of themselves is judged. An address has to be one, of which a node has one of each family, and a name
    with dots, which could be that of a machine outside of the cluster, has to be that of a node of the inventory.
positional: known
options:
  _input:
    description: RV(k3a.cluster.node#module:nodes).
    type: list
    elements: dict
    required: true
  known:
    description: The names of the nodes of the inventory.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the names that pods can look up
  ansible.builtin.debug:
    msg: "{{ (nodes | k3a.cluster.node_hosts(_k3a_verdict.config.nodes)).hosts }}"
"""

RETURN = r"""
_value:
  description:
    - The text C(hosts), in the form of C(/etc/hosts); the C(addresses) of each node, as far as they are some; and in
      C(dropped) a sentence for each node of which something is not in the text.
  type: dict
"""

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import excerpt
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import valid_node_name

# So many of a node's addresses are repeated.
MOST = 3


def node_hosts(nodes: Iterable[Mapping[str, Any]], known: Collection[str]) -> dict[str, Any]:
    addresses: dict[str, list[str]] = {}
    dropped: list[str] = []
    lines: list[str] = []
    for node in sorted(nodes, key=lambda node: str(node["name"])):
        name = str(node["name"])
        addresses[name], unusable = judged(node["internal_ips"])
        if not valid_node_name(name):
            dropped.append(f"CoreDNS leaves out the name {excerpt(name)!r}: it is no DNS name.")
            del addresses[name]
        elif "." in name and name not in known:
            dropped.append(f"CoreDNS leaves out the name {name}: it has dots and is of no host of the inventory.")
        else:
            lines += [f"{address} {name}\n" for address in addresses[name]]
            if unusable:
                dropped.append(f"CoreDNS leaves out addresses of {name}: {'; '.join(unusable)}.")
    return {"hosts": "".join(lines), "addresses": addresses, "dropped": dropped}


def judged(told: Iterable[Any]) -> tuple[list[str], list[str]]:
    """The first address of each family that a node tells, in the one form that compares, and why not the others."""
    own: dict[int, str] = {}
    unusable = []
    for text in map(str, told):
        address = parsed(text)
        if address is None:
            unusable.append(f"{excerpt(text)!r} is no address")
        elif address.version in own:
            unusable.append(f"{address} is the second of its family")
        else:
            own[address.version] = str(address)
    further = [f"and {len(unusable) - MOST} more"] if len(unusable) > MOST else []
    return list(own.values()), [*unusable[:MOST], *further]


def parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, and None of anything else: what follows a scope's % may be any text."""
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


class FilterModule:
    """The nodes as CoreDNS gets them."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_hosts": node_hosts}
