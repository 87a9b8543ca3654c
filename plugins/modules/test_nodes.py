#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: test_nodes
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
short_description: Make machines to try a cluster on
description:
  - Makes, starts and removes a set of podman containers that behave like freshly installed Debian machines, with
    systemd, SSH and a user who may use sudo, and writes the inventory that leads to them.
  - Their image is made with debootstrap the first time, which takes about a minute, and kept by podman.
  - Runs as root on the machine that holds the nodes, which needs podman, runc, netavark, aardvark-dns, debootstrap and
    iproute2.
  - Limits that all containers of the machine share, those of inotify, are raised to what several clusters need, until
    the next boot.
options:
  name:
    description:
      - Name of the set.
      - Its nodes are called C(NAME-server-1), C(NAME-agent-1) and so on.
    type: str
    required: true
  state:
    description:
      - V(present) makes what is missing, starts what is stopped and removes what is too much.
      - V(absent) removes the nodes, their network and O(directory).
    type: str
    choices: [present, absent]
    default: present
  servers:
    description: Number of nodes in the group C(server).
    type: int
    default: 1
  agents:
    description: Number of nodes in the group C(agent).
    type: int
    default: 2
  directory:
    description: Where the inventory C(hosts), the SSH key and C(known_hosts) are written.
    type: path
    required: true
  mirror:
    description:
      - URL of the Debian archive that the image is made from.
      - By default the one in apt's own configuration.
    type: str
  timeout:
    description: Seconds after which nodes that are not running and reachable are an error.
    type: int
    default: 180
extends_documentation_fragment:
  - k3a.cluster.attributes
"""

EXAMPLES = r"""
- name: Make one server and two agents
  k3a.cluster.test_nodes:
    name: k3a
    servers: 1
    agents: 2
    directory: build/k3a

- name: Remove them and all that they left
  k3a.cluster.test_nodes:
    name: k3a
    state: absent
    directory: build/k3a
"""

RETURN = r"""
nodes:
  description: The nodes of the set.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container and of the host in it.
      type: str
    group:
      description: Its group in the inventory.
      type: str
    address:
      description: Its address; empty in check mode as long as the set has no network.
      type: str
  sample:
    - name: k3a-server-1
      group: server
      address: 10.89.0.11
inventory:
  description: Path of the inventory.
  returned: success
  type: str
  sample: /home/me/k3a/build/k3a/hosts
"""

import json
import os
import resource
import shutil
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import image
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import nodes as sets
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.image import NodesError

# Stands in for the network's own subnet in check mode, before there is one.
NO_SUBNET = "0.0.0.0/24"


class NodeSet:
    """The containers, network and files of one set."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.name = module.params["name"]
        self.directory = os.path.abspath(module.params["directory"])
        self.network = sets.network_name(self.name)
        self.before: list[str] = []
        self.after: list[str] = []

    def run(self, argv: list[str], data: str | None = None) -> str:
        rc, out, err = self.module.run_command(argv, data=data, handle_exceptions=False)
        if rc != 0:
            raise NodesError(f"'{' '.join(argv[:3])}' failed with status {rc}: {(err or out).strip()[-2000:]}")
        return out

    def containers(self, what: str) -> dict[str, str]:
        """A property of each container of the set, as podman reports it."""
        command = ["podman", "ps", "--all", "--filter", f"label={sets.LABEL}={self.name}", "--format", "json"]
        return {item["Names"][0]: item[what] for item in json.loads(self.run(command))}

    def inspected(self) -> dict | None:
        """The network as podman describes it; None as long as there is none."""
        rc, out, unused = self.module.run_command(["podman", "network", "inspect", self.network])
        return json.loads(out)[0] if rc == 0 else None

    def subnet(self) -> str | None:
        network = self.inspected()
        return network["subnets"][0]["subnet"] if network else None

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def announce(self, what: str, before: str, after: str) -> None:
        if before != after:
            self.before.append(f"{what}: {before}\n")
            self.after.append(f"{what}: {after}\n")

    def result(self, nodes: list[sets.Node]) -> dict:
        return {
            "changed": self.before != self.after,
            "diff": {"before": "".join(self.before), "after": "".join(self.after)},
            "inventory": self.path("hosts"),
            "nodes": [
                {"name": n.name, "group": n.group, "address": "" if n.address.startswith("0.") else n.address}
                for n in nodes
            ],
        }

    def present(self, servers: int, agents: int) -> dict:
        sets.check_request(self.name, servers, agents)
        dry = self.module.check_mode
        subnet, states = self.subnet(), self.containers("State")
        nodes = sets.wanted_nodes(self.name, servers, agents, subnet or NO_SUBNET)
        plan = sets.plan_nodes(nodes, states)
        for name, made_from in self.containers("Image").items():
            if made_from != image.image_name() and name not in plan.remove:
                self.module.warn(f"node {name} is kept as it is, made from an older image")
        for name in plan.remove:
            self.announce(name, states[name], "absent")
        for node in plan.create:
            self.announce(node.name, "absent", "running")
        for name in plan.start:
            self.announce(name, states[name], "running")
        self.announce("network", "present" if subnet else "absent", "present")
        self.raise_limits()
        if not image.image_exists(self.run):
            self.announce("image", "absent", image.image_name())
            if not dry:
                image.ensure_image(self.run, self.module.params["mirror"])
        if not dry:
            if not subnet:
                self.run(["podman", "network", "create", "--label", f"{sets.LABEL}={self.name}", self.network])
                nodes = sets.wanted_nodes(self.name, servers, agents, self.subnet() or "")
                plan = sets.plan_nodes(nodes, states)
            self.apply(plan)
        self.fix_bridge()
        created = {node.name for node in plan.create}
        self.reach(nodes, missing=created | set(plan.start) if dry else set(), created=created)
        return self.result(nodes)

    def fix_bridge(self) -> None:
        """Give the bridge an address of its own: podman makes it with the first node, and again after the last."""
        network = self.inspected()
        bridge = network["network_interface"] if network else ""
        if sets.has_own_address(bridge):
            return
        self.announce("bridge", "the address of a node", "an address of its own")
        if network and not self.module.check_mode:
            gateway = network["subnets"][0]["gateway"]
            self.run(["ip", "link", "set", "dev", bridge, "address", sets.mac_address(gateway)])

    def raise_limits(self) -> None:
        for path, needed in sets.SHARED_LIMITS.items():
            limit = int(sets.read_file(path) or needed)
            if limit < needed:
                self.announce(path, str(limit), str(needed))
                if not self.module.check_mode:
                    with open(path, "w") as handle:
                        handle.write(str(needed))

    def apply(self, plan: sets.Plan) -> None:
        self.remove(plan.remove)
        for name, verb in plan.start.items():
            self.run(["podman", verb, name])
        limits = sets.limits(
            resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1]
        )
        for node in plan.create:
            try:
                self.run(sets.run_arguments(self.name, node, limits, os.path.isdir("/lib/modules")))
            except NodesError:
                # What podman made but could not start would only be found, and fail again, by the next run.
                self.module.run_command(["podman", "rm", "--force", "--volumes", node.name])
                raise

    def reach(self, nodes: list[sets.Node], missing: set[str], created: set[str]) -> None:
        """Wait for the nodes, let our key in, and write the inventory; check mode looks at what is there already."""
        public_key = self.key_pair()
        deadline = time.monotonic() + self.module.params["timeout"]
        # A unit that fails in a node that has been used is not our business; in a new one nothing may.
        fine = {node: ("running",) if node.name in created else ("running", "degraded") for node in nodes}
        probes = {node: self.wait_for(node, fine[node], deadline) for node in nodes if node.name not in missing}
        for node, probe in probes.items():
            if probe["authorized_key"] != public_key:
                self.announce(f"{node.name} authorized_keys", "another key", "the key of this set")
                if not self.module.check_mode:
                    command = ["install", "-m", "0600", "-o", image.USER, "-g", image.USER, "/dev/stdin"]
                    command += [f"/home/{image.USER}/.ssh/authorized_keys"]
                    self.run(["podman", "exec", "--interactive", node.name, *command], data=public_key + "\n")
        if missing:
            self.announce("hosts", "present" if os.path.exists(self.path("hosts")) else "absent", "written")
            return
        variables = sets.accommodations(
            os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
            sets.effective_capabilities(sets.read_file("/proc/self/status")),
            all("conntrack" in probe for probe in probes.values()),
        )
        self.write("known_hosts", sets.known_hosts({n.address: p["host_key"] for n, p in probes.items()}))
        self.write("hosts", sets.inventory(nodes, variables, self.directory))

    def wait_for(self, node: sets.Node, fine: tuple[str, ...], deadline: float) -> dict[str, str]:
        while True:
            rc, out, err = self.module.run_command(["podman", "exec", node.name, "sh", "-c", sets.PROBE])
            probe = sets.parse_probe(out)
            reachable = rc == 0 and sets.answers_ssh(node.address)
            if reachable and probe["state"] in fine:
                return probe
            if time.monotonic() > deadline or (probe.get("state") == "degraded" and "degraded" not in fine):
                raise NodesError(self.why_not(node, probe, reachable, err))
            time.sleep(0.2)

    def why_not(self, node: sets.Node, probe: dict[str, str], reachable: bool, error: str) -> str:
        ask = ["podman", "exec", node.name, "systemctl", "--no-pager", "--plain", "--no-legend"]
        failed = self.module.run_command([*ask, "--failed", "list-units"])[1]
        waiting = self.module.run_command([*ask, "list-jobs"])[1]
        console = self.module.run_command(["podman", "logs", "--tail", "5", node.name])[1]
        facts = {
            "its systemd": probe.get("state") or error.strip() or "no answer",
            "SSH": "answers" if reachable else f"no answer from {node.address}:22",
            "failed units": failed.strip(),
            "waiting jobs": waiting.strip(),
            "last words": console.strip(),
        }
        return f"node {node.name} did not come up: " + "; ".join(f"{k}: {v}" for k, v in facts.items() if v)

    def key_pair(self) -> str:
        """The set's SSH key; a new one if there is none."""
        key = self.path("id_ed25519")
        if not (os.path.exists(key) and os.path.exists(key + ".pub")):
            self.announce("id_ed25519", "absent", "present")
            if self.module.check_mode:
                return "a key that is not there yet"
            os.makedirs(self.directory, exist_ok=True)
            self.run(["rm", "-f", key, key + ".pub"])
            self.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"test nodes {self.name}", "-f", key])
        return sets.read_file(key + ".pub").strip()

    def write(self, name: str, text: str) -> None:
        before = sets.read_file(self.path(name))
        if before == text:
            return
        self.announce(name, before, text)
        if not self.module.check_mode:
            temporary = self.path(f".{name}.new")
            image.write_file(temporary, text, 0o644)
            os.replace(temporary, self.path(name))

    def remove(self, names: list[str]) -> None:
        if names:
            self.run(["podman", "rm", "--force", "--time", "0", "--volumes", *names])

    def absent(self) -> dict:
        dry = self.module.check_mode
        if os.path.isdir(self.directory):
            if not sets.is_ours(self.directory):
                raise NodesError(f"{self.directory} holds no inventory of test nodes: if it can go, remove it by hand")
            self.announce(self.directory, "present", "absent")
        states = self.containers("State")
        for name, state in states.items():
            self.announce(name, state, "absent")
        if self.subnet():
            self.announce("network", "present", "absent")
        if not dry:
            self.remove(sorted(states))
            if self.subnet():
                self.run(["podman", "network", "rm", self.network])
            shutil.rmtree(self.directory, ignore_errors=not os.path.isdir(self.directory))
        return self.result([])


OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "servers": {"type": "int", "default": 1},
    "agents": {"type": "int", "default": 2},
    "directory": {"type": "path", "required": True},
    "mirror": {"type": "str"},
    "timeout": {"type": "int", "default": 180},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    node_set = NodeSet(module)
    if os.geteuid() != 0:
        raise NodesError("test nodes are privileged containers: run as root")
    for command in ("podman", "runc", "debootstrap", "ssh-keygen", "ip"):
        module.get_bin_path(command, required=True)
    if module.params["state"] == "absent":
        module.exit_json(**node_set.absent())
    module.exit_json(**node_set.present(module.params["servers"], module.params["agents"]))


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
