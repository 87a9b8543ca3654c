# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""Nodes that are podman containers: quick, and on the kernel and the cgroups of this machine."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Mapping

from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import image
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import NodesError
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.nodes import Node, mac_address, read_file

LABEL = "k3a.nodes"
CAP_SYS_RESOURCE = 24

# The kernel counts these by user, and root is the same user in all nodes of all sets: what is plenty for one host is
# soon used up by several, and a node that puts its own value back would take it from the others.
SHARED_LIMITS = {
    "/proc/sys/fs/inotify/max_user_instances": 8192,
    "/proc/sys/fs/inotify/max_user_watches": 524288,
}


class Containers:
    """The containers of a set, and their network."""

    TOOLS: tuple[str, ...] = ("podman", "runc", "debootstrap", "ip")
    TIMEOUT = 180

    def __init__(self, host: Host, set_name: str) -> None:
        self._host = host
        self._set = set_name
        self._network = network_name(set_name)

    def _listed(self, what: str) -> dict[str, str]:
        """A property of each container of the set, as podman reports it."""
        command = ["podman", "ps", "--all", "--filter", f"label={LABEL}={self._set}", "--format", "json"]
        return {item["Names"][0]: item[what] for item in json.loads(self._host.run(command))}

    def _inspected(self) -> dict | None:
        """The network as podman describes it; None as long as there is none."""
        rc, out, _err = self._host.attempt(["podman", "network", "inspect", self._network])
        return json.loads(out)[0] if rc == 0 else None

    def states(self) -> dict[str, str]:
        return self._listed("State")

    def check(self, public_key: str) -> None:
        """Nothing can be in the way."""

    def older(self, wanted: list[Node], public_key: str) -> list[str]:
        names = {node.name for node in wanted}
        return [name for name, made in self._listed("Image").items() if made != self.image() and name in names]

    def network(self) -> str:
        return "present" if self._inspected() else "absent"

    def subnet(self) -> str | None:
        network = self._inspected()
        return network["subnets"][0]["subnet"] if network else None

    def make_network(self) -> None:
        self._host.run(["podman", "network", "create", "--label", f"{LABEL}={self._set}", self._network])

    def remove_network(self) -> None:
        self._host.run(["podman", "network", "rm", self._network])

    def image(self) -> str:
        return image.image_name()

    def has_image(self) -> bool:
        return image.image_exists(self._host.run)

    def make_image(self, mirror: str | None) -> None:
        image.ensure_image(self._host.run, mirror)

    def create(self, node: Node, public_key: str) -> None:
        ulimits = limits(resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1])
        try:
            self._host.run(run_arguments(self._set, node, ulimits, os.path.isdir("/lib/modules")))
        except NodesError:
            # What podman made but could not start would only be found, and fail again, by the next run.
            self._host.attempt(["podman", "rm", "--force", "--volumes", node.name])
            raise

    def start(self, name: str, verb: str) -> None:
        self._host.run(["podman", verb, name])

    def remove(self, names: list[str]) -> None:
        if names:
            self._host.run(["podman", "rm", "--force", "--time", "0", "--volumes", *names])

    def settle(self) -> None:
        self._raise_limits()
        self._fix_bridge()

    def _raise_limits(self) -> None:
        for path, needed in SHARED_LIMITS.items():
            limit = int(read_file(path) or needed)
            if limit < needed:
                self._host.announce(path, str(limit), str(needed))
                if not self._host.dry:
                    with open(path, "w") as handle:
                        handle.write(str(needed))

    def _fix_bridge(self) -> None:
        """Give the bridge an address of its own: podman makes it with the first node, and again after the last."""
        network = self._inspected()
        bridge = network["network_interface"] if network else ""
        if has_own_address(bridge):
            return
        self._host.announce("bridge", "the address of a node", "an address of its own")
        if network and not self._host.dry:
            gateway = network["subnets"][0]["gateway"]
            self._host.run(["ip", "link", "set", "dev", bridge, "address", mac_address(gateway)])

    def execute(self, node: Node, command: list[str], data: str | None = None) -> tuple[int, str, str]:
        return self._host.attempt(["podman", "exec", *(["--interactive"] if data else []), node.name, *command], data)

    def console(self, name: str) -> str:
        return self._host.attempt(["podman", "logs", "--tail", "5", name])[1]

    def variables(self, probes: list[dict[str, str]]) -> Mapping[str, object]:
        return accommodations(
            os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
            effective_capabilities(read_file("/proc/self/status")),
            all("conntrack" in probe for probe in probes),
        )


def network_name(set_name: str) -> str:
    return f"k3a-nodes-{set_name}"


def limits(files: int, processes: int) -> dict[str, int]:
    """Limits of a node, from the caller's hard ones: without CAP_SYS_RESOURCE podman's defaults cannot be set."""
    infinity = -1
    return {
        "nofile": min(1048576 if files == infinity else files, 1048576),
        "nproc": min(32768 if processes == infinity else processes, 32768),
    }


def run_arguments(set_name: str, node: Node, ulimits: dict[str, int], modules: bool) -> list[str]:
    """The command that starts a node.

    runc, because crun refuses the hybrid cgroups of a v1 host. The container's file system is an overlay, on which
    containerd cannot stack its own: where k3a keeps its files is a volume.
    """
    command = ["podman", "--runtime", "runc", "run", "--detach", "--name", node.name, "--hostname", node.name]
    command += ["--label", f"{LABEL}={set_name}", "--network", network_name(set_name)]
    command += ["--ip", node.address, "--mac-address", mac_address(node.address)]
    command += ["--privileged", "--systemd=always", "--cgroupns=private", "--stop-signal", "SIGRTMIN+3"]
    # As on a machine of its own; a container would have what podman has set for its host.
    command += ["--sysctl", "net.ipv4.ip_forward=0"]
    for limit, value in sorted(ulimits.items()):
        command += ["--ulimit", f"{limit}={value}:{value}"]
    for path in (options.DATA_DIR["default"], "/var/lib/kubelet"):
        command += ["--mount", f"type=volume,destination={path},dev,suid,exec"]
    if modules:
        command += ["--volume", "/lib/modules:/lib/modules:ro"]
    return command + [image.image_name(), image.INIT]


def has_own_address(interface: str) -> bool:
    """Whether a bridge keeps its address, as the kernel says (NET_ADDR_SET of its if_link.h).

    Without one of its own it has the lowest of its ports, and another one when that port goes: a node that loses its
    power takes the way from all others to this machine with it, until their ARP entries expire.
    """
    return read_file(f"/sys/class/net/{interface}/addr_assign_type").strip() == "3"


def accommodations(cgroup_v2: bool, capabilities: int, conntrack_writable: bool) -> dict[str, bool]:
    """What this machine cannot do for its nodes, as the variables that tell the roles so."""
    needed = {}
    if not cgroup_v2:
        needed["k3a_allow_cgroup_v1"] = True
    if not capabilities >> CAP_SYS_RESOURCE & 1:
        needed["k3a_restrict_oom_score_adj"] = True
    if not conntrack_writable:
        needed["k3a_manage_conntrack"] = False
    return needed


def effective_capabilities(status: str) -> int:
    """CapEff of a /proc/PID/status."""
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
