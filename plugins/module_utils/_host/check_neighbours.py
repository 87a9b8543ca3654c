# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What else is on a host, and what of a machine is missing in a container: judgements, and the look at it."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import KUBELET_DIRECTORY
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_kernel import text_of
from ansible_collections.k3a.cluster.plugins.module_utils._host.finding import FAIL, WARN, Finding

# Units of other Kubernetes distributions: two kubelets on one host destroy each other's pods.
KUBERNETES_UNITS = (
    "k0scontroller.service",
    "k0sworker.service",
    "k3s.service",
    "k3s-agent.service",
    "kubelet.service",
    "rke2-agent.service",
    "rke2-server.service",
    "snap.kubelet.daemon.service",
    "snap.microk8s.daemon-kubelite.service",
)
# Of NetworkManager: it gives a host routes by its cloud's metadata, which lead the packets of pods elsewhere.
CLOUD_SETUP_UNITS = ("nm-cloud-setup.service", "nm-cloud-setup.timer")
UNITS = (*KUBERNETES_UNITS, *CLOUD_SETUP_UNITS)
# What other distributions keep, where nobody else keeps anything.
LEFTOVERS = (
    "/etc/kubernetes/manifests",
    # As kubeadm has it; an etcd of a distribution's package has directories in there.
    "/var/lib/etcd/member",
    "/var/lib/k0s",
    KUBELET_DIRECTORY,
    "/var/lib/rancher/k3s",
    "/var/lib/rancher/rke2",
)
# The kubelet reads there when the kernel ends a process for want of memory, and does not start without.
KERNEL_MESSAGES = "/dev/kmsg"
CONTAINER = "/run/systemd/container"


@dataclass(frozen=True)
class Neighbours:
    """Other software on the host, and what kind of host it is."""

    # Of others' units those that systemd starts with the host.
    enabled_units: frozenset[str] = frozenset()
    # Directories of LEFTOVERS that hold anything.
    leftovers: tuple[str, ...] = ()
    has_kernel_messages: bool = True
    # The kind of container that the host is, such as lxc.
    container: str = ""


def findings(seen: Neighbours, active_units: Collection[str], is_node: bool, agent: bool) -> Iterable[Finding]:
    """What others do, or have left, that is in the way of a node."""
    running = sorted(set(active_units).intersection(KUBERNETES_UNITS))
    for unit in running:
        message = f"another Kubernetes runs on this host ({unit})"
        yield Finding("other_kubernetes", FAIL, message, "remove it first, or use another host")
    for unit in sorted(seen.enabled_units.intersection(KUBERNETES_UNITS).difference(running)):
        message = f"another Kubernetes is installed, and starts when this host boots ({unit})"
        yield Finding("other_kubernetes", FAIL, message, f"remove it first, or run systemctl disable {unit}")
    if seen.leftovers and not running and not is_node:
        message = f"another Kubernetes has left {', '.join(seen.leftovers)} on this host"
        remedy = "remove it by its own means (k3s-uninstall.sh, kubeadm reset), and restart the host"
        yield Finding("other_kubernetes", WARN, message, remedy)
    cloud_setup = [unit for unit in CLOUD_SETUP_UNITS if unit in active_units or unit in seen.enabled_units]
    if cloud_setup and agent:
        message = f"{' and '.join(cloud_setup)} of NetworkManager change routes, and then pods have no network"
        remedy = f"run systemctl disable --now {' '.join(CLOUD_SETUP_UNITS)}, and restart the host"
        yield Finding("nm_cloud_setup", WARN if is_node else FAIL, message, remedy)
    if agent and not seen.has_kernel_messages:
        message = f"the host has no device {KERNEL_MESSAGES}, without which the kubelet does not start"
        remedy = "give it one"
        if seen.container:
            message = f"{message} (it is a container, {seen.container})"
            remedy = "share that of the machine with it (lxc.mount.entry: /dev/kmsg dev/kmsg none bind,create=file)"
        yield Finding("kernel_messages", FAIL, message, remedy)


def observe() -> Neighbours:
    """Look at what is there, without starting a program."""
    return Neighbours(
        enabled_units=enabled_units("/etc/systemd/system"),
        leftovers=leftovers(LEFTOVERS),
        has_kernel_messages=_is_device(KERNEL_MESSAGES),
        container=text_of(CONTAINER).strip(),
    )


def enabled_units(directory: str) -> frozenset[str]:
    """The units of others that something starts: the links by which systemd does so."""
    links = (os.path.basename(path) for path in glob.glob(f"{directory}/*.wants/*"))
    return frozenset(links) & frozenset(UNITS)


def leftovers(directories: Iterable[str]) -> tuple[str, ...]:
    """Those of the directories that hold anything."""
    return tuple(path for path in directories if _holds_anything(path))


def _holds_anything(directory: str) -> bool:
    # A disk of its own has a directory for what a repair finds.
    return os.path.isdir(directory) and bool(set(os.listdir(directory)) - {"lost+found"})


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        return False
