# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""One set of test nodes: compared with what it should be, made so, and reached."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping

from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import nodes as sets
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import USER, NodesError, write_file
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host, Kind

# Stands in for the network's own subnet in check mode, before it is known.
NO_SUBNET = "0.0.0.0/24"


class NodeSet:
    """The nodes, network and files of one set."""

    def __init__(self, host: Host, name: str, directory: str) -> None:
        self.host = host
        self.name = name
        self.directory = os.path.abspath(directory)

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def result(self, nodes: list[sets.Node]) -> dict:
        return {
            "changed": self.host.before != self.host.after,
            "diff": {"before": "".join(self.host.before), "after": "".join(self.host.after)},
            "inventory": self.path("hosts"),
            "nodes": [
                {"name": n.name, "group": n.group, "address": "" if n.address.startswith("0.") else n.address}
                for n in nodes
            ],
        }

    # ---- there

    def present(
        self, kind: Kind, others: list[Kind], servers: int, agents: int, mirror: str | None, timeout: int | None
    ) -> dict:
        sets.check_request(self.name, servers, agents)
        other = [name for each in others for name in each.states()]
        if other:
            raise NodesError(f"set {self.name} has nodes of another kind, such as {other[0]}: remove it first")
        kind.check(sets.read_file(self.path("id_ed25519.pub")).strip())
        states, subnet = kind.states(), kind.subnet()
        nodes = sets.wanted_nodes(self.name, servers, agents, subnet or NO_SUBNET)
        plan = sets.plan_nodes(nodes, states)
        public_key = self.key_pair()
        for name in kind.older([node for node in nodes if node not in plan.create], public_key):
            self.host.warn(f"node {name} is kept as it is, made from an older image or with other options")
        self.tell(plan, states)
        network, has_image = kind.network(), kind.has_image()
        self.host.announce("network", network, "present")
        self.host.announce("image", kind.image() if has_image else "absent", kind.image())
        if not self.host.dry:
            if not has_image:
                kind.make_image(mirror)
            if network != "present":
                kind.make_network()
                nodes = sets.wanted_nodes(self.name, servers, agents, kind.subnet() or "")
                plan = sets.plan_nodes(nodes, states)
            apply(kind, plan, public_key)
        kind.settle()
        created = {node.name for node in plan.create}
        missing = created | set(plan.start) if self.host.dry else set()
        self.reach(kind, nodes, missing, created, public_key, timeout or kind.TIMEOUT)
        return self.result(nodes)

    def tell(self, plan: sets.Plan, states: Mapping[str, str]) -> None:
        for name in plan.remove:
            self.host.announce(name, states[name], "absent")
        for node in plan.create:
            self.host.announce(node.name, "absent", "running")
        for name in plan.start:
            self.host.announce(name, states[name], "running")

    def key_pair(self) -> str:
        """The set's SSH key; a new one if there is none."""
        key = self.path("id_ed25519")
        if not (os.path.exists(key) and os.path.exists(key + ".pub")):
            self.host.announce("id_ed25519", "absent", "present")
            if self.host.dry:
                return "a key that is not there yet"
            os.makedirs(self.directory, exist_ok=True)
            self.host.run(["rm", "-f", key, key + ".pub"])
            comment = sets.key_comment(self.name)
            self.host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key])
        return sets.read_file(key + ".pub").strip()

    def reach(
        self, kind: Kind, nodes: list[sets.Node], missing: set[str], created: set[str], public_key: str, timeout: int
    ) -> None:
        """Wait for the nodes, let our key in, and write the inventory; check mode looks at what is there already."""
        deadline = time.monotonic() + timeout
        # A unit that fails in a node that has been used is not our business; in a new one nothing may.
        fine = {node: ("running",) if node.name in created else ("running", "degraded") for node in nodes}
        probes = {node: wait_for(kind, node, fine[node], deadline) for node in nodes if node.name not in missing}
        for node, probe in probes.items():
            if probe["authorized_key"] != public_key:
                self.host.announce(f"{node.name} authorized_keys", "another key", "the key of this set")
                if not self.host.dry:
                    authorize(kind, node, public_key)
        if missing:
            self.host.announce("hosts", "present" if os.path.exists(self.path("hosts")) else "absent", "written")
            return
        self.write("known_hosts", sets.known_hosts({n.address: p["host_key"] for n, p in probes.items()}))
        self.write("hosts", sets.inventory(nodes, kind.variables(list(probes.values())), self.directory))

    def write(self, name: str, text: str) -> None:
        before = sets.read_file(self.path(name))
        if before == text:
            return
        self.host.announce(name, before, text)
        if not self.host.dry:
            temporary = self.path(f".{name}.new")
            write_file(temporary, text, 0o644)
            os.replace(temporary, self.path(name))

    # ---- gone

    def absent(self, kinds: list[Kind]) -> dict:
        """Remove the set, whatever its nodes are made of."""
        if os.path.isdir(self.directory):
            if not sets.is_ours(self.directory, self.name):
                raise NodesError(f"{self.directory} holds no inventory of test nodes: if it can go, remove it by hand")
            self.host.announce(self.directory, "present", "absent")
        for kind in kinds:
            states, network = kind.states(), kind.network()
            for name, state in states.items():
                self.host.announce(name, state, "absent")
            self.host.announce("network", network, "absent")
            if not self.host.dry:
                kind.remove(sorted(states))
                if network != "absent":
                    kind.remove_network()
        if not self.host.dry:
            shutil.rmtree(self.directory, ignore_errors=not os.path.isdir(self.directory))
        return self.result([])


def apply(kind: Kind, plan: sets.Plan, public_key: str) -> None:
    kind.remove(plan.remove)
    for name, verb in plan.start.items():
        kind.start(name, verb)
    for node in plan.create:
        kind.create(node, public_key)


def authorize(kind: Kind, node: sets.Node, public_key: str) -> None:
    command = ["install", "-m", "0600", "-o", USER, "-g", USER, "/dev/stdin", f"/home/{USER}/.ssh/authorized_keys"]
    rc, _out, err = kind.execute(node, command, public_key + "\n")
    if rc != 0:
        raise NodesError(f"node {node.name} does not take the key of this set: {err.strip()[-2000:]}")


def wait_for(kind: Kind, node: sets.Node, fine: tuple[str, ...], deadline: float) -> dict[str, str]:
    while True:
        rc, out, err = kind.execute(node, ["sh", "-c", sets.PROBE])
        probe = sets.parse_probe(out)
        reachable = rc == 0 and sets.answers_ssh(node.address)
        if reachable and probe["state"] in fine:
            return probe
        if time.monotonic() > deadline or (probe.get("state") == "degraded" and "degraded" not in fine):
            raise NodesError(why_not(kind, node, probe, reachable, err))
        time.sleep(0.2)


def why_not(kind: Kind, node: sets.Node, probe: Mapping[str, str], reachable: bool, error: str) -> str:
    ask = ["systemctl", "--no-pager", "--plain", "--no-legend"]
    facts = {
        "its systemd": probe.get("state") or error.strip() or "no answer",
        "SSH": "answers" if reachable else f"no answer from {node.address}:22",
        "failed units": kind.execute(node, [*ask, "--failed", "list-units"])[1].strip(),
        "waiting jobs": kind.execute(node, [*ask, "list-jobs"])[1].strip(),
        "last words": kind.console(node.name).strip(),
    }
    return f"node {node.name} did not come up: " + "; ".join(f"{k}: {v}" for k, v in facts.items() if v)
