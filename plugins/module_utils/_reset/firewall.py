# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a node's components leave in the packet filter, and the one transaction that takes it out again.

kube-proxy, flannel and the CNI plugins have tables of their own. The kubelet (always, where there is an C(iptables)
command) and kube-proxy in iptables mode have chains in the tables that they share with the host's own rules.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import registry

TABLES = registry.remains().tables
CHAINS = registry.remains().chains

Table = tuple[str, str]


def of_kind(listing: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """The objects of a kind in what C(nft --json) lists."""
    return [item[kind] for item in listing["nftables"] if kind in item]


def own_tables(chains: Mapping[str, Any], tables: Mapping[str, Any]) -> list[Table]:
    """The tables that belong to our components alone."""
    found = [(table["family"], table["name"]) for listing in (tables, chains) for table in of_kind(listing, "table")]
    return sorted({table for table in found if table[1] in TABLES})


def shared_tables(chains: Mapping[str, Any]) -> list[Table]:
    """The tables of others in which our components have chains."""
    return sorted(
        {
            (chain["family"], chain["table"])
            for chain in of_kind(chains, "chain")
            if chain["table"] not in TABLES and chain["name"].startswith(CHAINS)
        }
    )


def withdrawal(table: Table, listing: Mapping[str, Any]) -> list[str]:
    """The commands that take our chains, and the rules that lead to them, out of a table.

    A table in which nothing else is left goes as a whole: it was made for our chains.
    """
    name = " ".join(table)
    chains, rules = of_kind(listing, "chain"), of_kind(listing, "rule")
    ours = [chain["name"] for chain in chains if chain["name"].startswith(CHAINS)]
    if not ours:
        return []
    leading = [rule for rule in rules if rule["chain"] not in ours and _target(rule) in ours]
    others = [rule for rule in rules if rule["chain"] not in ours and rule not in leading]
    kept = [chain for chain in chains if chain["name"] not in ours]
    if not others and all(chain.get("policy") == "accept" for chain in kept):
        return [f"delete table {name}"]
    commands = [f"delete rule {name} {rule['chain']} handle {rule['handle']}" for rule in leading]
    commands += [f"flush chain {name} {chain}" for chain in ours]
    return [*commands, *(f"delete chain {name} {chain}" for chain in ours)]


def _target(rule: Mapping[str, Any]) -> str | None:
    for expression in rule["expr"]:
        for verb in ("jump", "goto"):
            if verb in expression:
                return str(expression[verb]["target"])
    return None


def legacy_withdrawal(saved: str) -> str:
    """The same for C(iptables-legacy-save)'s text, as input of C(iptables-legacy-restore --noflush), or nothing."""
    commands: list[str] = []
    table: list[str] = []
    for line in [*saved.splitlines(), "COMMIT"]:
        if line.startswith("*"):
            table = [line]
        elif line == "COMMIT":
            commands += _legacy_table(table)
            table = []
        else:
            table.append(line)
    return "".join(f"{command}\n" for command in commands)


def _legacy_table(lines: Sequence[str]) -> list[str]:
    ours = [line[1:].split()[0] for line in lines if line.startswith(tuple(f":{prefix}" for prefix in CHAINS))]
    if not ours:
        return []
    # Declaring a chain empties it, so that only the rules in the chains of others have to be deleted one by one.
    leading = [f"-D{line[2:]}" for line in lines if _appends(line) not in (None, *ours) and _jumps_to(line) in ours]
    return [lines[0], *(f":{chain} - [0:0]" for chain in ours), *leading, *(f"-X {chain}" for chain in ours), "COMMIT"]


def _appends(line: str) -> str | None:
    return line.split()[1] if line.startswith("-A ") else None


def _jumps_to(line: str) -> str | None:
    words = shlex.split(line)
    return next((target for verb, target in zip(words, words[1:]) if verb in ("-j", "-g")), None)
