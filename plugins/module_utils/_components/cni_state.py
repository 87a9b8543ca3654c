# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the CNI plugins keep on a node: which sandbox of a pod has which address; and those that nobody reaches.

A Node that was deleted gets another subnet when it registers again. A sandbox that outlived this keeps its address, to
which no node has a route any more, and a container that fails for it is started again in the same sandbox, for ever.
When the sandbox is stopped, the kubelet makes another, with an address of the new subnet, and starts the pod in it.

All that is needed to tell is in files, so a look costs the listing of a directory, and no process. Pods in the network
of their host are not in there.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, process
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import CONTAINERD_SOCKET
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address

STATE = "/var/lib/cni"
# The name of the network, by which the plugins keep their state.
NETWORK = "cbr0"
# A file for each address that was given away, named by it, with whom it was given to: host-local's own form.
ADDRESSES = f"{STATE}/networks/{NETWORK}"
# What each plugin was called with and what it answered: the CNI library's own form.
RESULTS = f"{STATE}/results"
# Seconds for one sandbox: its processes are killed, and the plugins take its network away.
STOP_TIMEOUT = 60


@dataclass(frozen=True)
class Sandbox:
    """The sandbox of a pod, with those of its addresses that are of none of the node's subnets."""

    identifier: str
    pod: str
    addresses: tuple[str, ...]

    def change(self, subnets: Sequence[str]) -> files.Change:
        """What becomes of it, as a diff shows it; subnets that the node does not have yet cannot be named."""
        before = "".join(f"{ip}\n" for ip in self.addresses)
        future = " and ".join(subnets) or "the subnet that the node gets"
        return files.Change(self.pod, before, f"made anew, with an address of {future}\n")


def subnets(conflist: bytes) -> list[str]:
    """The subnets that a CNI configuration gives addresses of; none when it is not as flannel writes it."""
    try:
        bridge = next(plugin for plugin in json.loads(conflist)["plugins"] if plugin["type"] == "bridge")
        return [str(ipaddress.ip_network(each["subnet"])) for group in bridge["ipam"]["ranges"] for each in group]
    except (KeyError, StopIteration, TypeError, ValueError):
        return []


def outside(names: Iterable[str], subnets: Sequence[str]) -> list[str]:
    """The addresses among the names of files that are of none of the subnets."""
    networks = [ipaddress.ip_network(subnet) for subnet in subnets]
    addresses = sorted(name for name in names if address.is_ip(name))
    return [ip for ip in addresses if not any(ipaddress.ip_address(ip) in network for network in networks)]


def sandboxes_outside(subnets: Sequence[str]) -> list[Sandbox]:
    """The sandboxes on this node with an address of none of the subnets: where there is no subnet, all of them."""
    names = os.listdir(ADDRESSES) if os.path.isdir(ADDRESSES) else []
    held: dict[tuple[str, ...], list[str]] = {}
    for ip in outside(names, subnets):
        holder = tuple((files.read_bytes(f"{ADDRESSES}/{ip}") or b"").decode(errors="replace").split())
        # What another program than the runtime has asked for is none of ours.
        if len(holder) == 2 and re.fullmatch("[0-9a-f]{64}", holder[0]):
            held.setdefault(holder, []).append(ip)
    return [Sandbox(holder[0], pod_of(*holder), tuple(ips)) for holder, ips in held.items()]


def pod_of(identifier: str, interface: str) -> str:
    """The pod of a sandbox, or the sandbox itself when nothing says whose it is."""
    try:
        kept = json.loads(files.read_bytes(f"{RESULTS}/{NETWORK}-{identifier}-{interface}") or b"")
        given = dict(kept["cniArgs"])
        return f"pod {given['K8S_POD_NAMESPACE']}/{given['K8S_POD_NAME']}"
    except (KeyError, TypeError, ValueError):
        return f"sandbox {identifier[:13]}"


def stop(crictl: str, sandboxes: Sequence[Sandbox], deadline: float) -> None:
    """Stop sandboxes, and give their addresses back. The kubelet makes them anew when it sees that.

    One that cannot be stopped keeps no other from it.
    """
    command = [crictl, "--runtime-endpoint", f"unix://{CONTAINERD_SOCKET}", f"--timeout={STOP_TIMEOUT}s", "stopp"]
    refused = []
    for sandbox in sandboxes:
        done = process.run([*command, sandbox.identifier], timeout=max(deadline - time.monotonic(), 1))
        if done.code != 0:
            refused.append(f"{sandbox.pod} ({', '.join(sandbox.addresses)}): {done.complaint}")
            continue
        for ip in sandbox.addresses:
            # There only where the runtime does not know the sandbox any more. Nobody gets this address meanwhile.
            files.remove_file(f"{ADDRESSES}/{ip}")
    if refused:
        raise K3aError(
            "containerd does not stop what has an address of a former subnet of this node, by which nobody reaches it; "
            f"see what it says, and run again: {'; '.join(refused)}"
        )
