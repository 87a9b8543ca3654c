# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""The machine that holds the nodes, and what a kind of nodes has to be able to do on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import NodesError
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.nodes import Node

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Host:
    """Runs commands, and notes what becomes different."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self.dry = module.check_mode
        self.warn = module.warn
        self.before: list[str] = []
        self.after: list[str] = []

    def attempt(self, argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        """Status, output and errors of a command, which may fail."""
        return self._module.run_command(argv, data=data, handle_exceptions=False)

    def run(self, argv: list[str], data: str | None = None) -> str:
        rc, out, err = self.attempt(argv, data)
        if rc != 0:
            raise NodesError(f"'{' '.join(argv[:3])}' failed with status {rc}: {(err or out).strip()[-2000:]}")
        return out

    def announce(self, what: str, before: str, after: str) -> None:
        if before != after:
            self.before.append(f"{what}: {before}\n")
            self.after.append(f"{what}: {after}\n")


class Kind(Protocol):
    """What the nodes of a set are made of."""

    TOOLS: tuple[str, ...]
    TIMEOUT: int

    def states(self) -> dict[str, str]:
        """What each node that there is does: C(running), C(paused), or anything else."""

    def check(self, public_key: str) -> None:
        """Refuse what cannot be, before anything is changed; the key is empty when there is none yet."""

    def older(self, wanted: list[Node], public_key: str) -> list[str]:
        """The nodes that there are, and that would be made differently now."""

    def network(self) -> str:
        """State of the set's network: C(present), C(absent), or what else it is."""

    def subnet(self) -> str | None:
        """Subnet of the set's network; None when that is not known before it is made."""

    def make_network(self) -> None: ...

    def remove_network(self) -> None: ...

    def image(self) -> str:
        """What new nodes are made from, by name."""

    def has_image(self) -> bool: ...

    def make_image(self, mirror: str | None) -> None: ...

    def create(self, node: Node, public_key: str) -> None: ...

    def start(self, name: str, verb: str) -> None: ...

    def remove(self, names: list[str]) -> None: ...

    def settle(self) -> None:
        """What else the host has to be like for its nodes; announces it, and does it unless the run is dry."""

    def execute(self, node: Node, command: list[str], data: str | None = None) -> tuple[int, str, str]:
        """Run a command as root on a node: status, output and errors."""

    def console(self, name: str) -> str:
        """The last that a node has said."""

    def variables(self, probes: list[dict[str, str]]) -> Mapping[str, object]:
        """What the roles have to know of such nodes."""
