# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Which features of the kernel a node needs, and whether its kernel has them."""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import text_of


class Feature(NamedTuple):
    """A feature by its configuration symbol; without a module it is built in or not there at all."""

    symbol: str
    module: str = ""


@dataclass(frozen=True)
class Kernel:
    """What the running kernel says about itself."""

    release: str
    # Symbol → y, m or a value; None where the kernel does not publish its configuration.
    config: dict[str, str] | None
    # Modules that are loaded or built in, and modules that lie ready to be loaded (None: the host cannot tell).
    present: frozenset[str]
    loadable: frozenset[str] | None


NAMESPACES = ("NAMESPACES", "NET_NS", "PID_NS", "IPC_NS", "UTS_NS")
CGROUPS = ("CGROUPS", "CGROUP_PIDS", "CGROUP_SCHED", "CPUSETS", "MEMCG")
CGROUP_V1 = ("CGROUP_CPUACCT", "CGROUP_DEVICE", "CGROUP_FREEZER")
ALWAYS = (
    *(Feature(symbol) for symbol in (*NAMESPACES, *CGROUPS, "SECCOMP", "KEYS", "POSIX_MQUEUE")),
    Feature("VETH", "veth"),
    Feature("NF_CONNTRACK", "nf_conntrack"),
    Feature("NF_NAT", "nf_nat"),
)
NFTABLES = (
    Feature("NF_TABLES", "nf_tables"),
    Feature("NFT_CT", "nft_ct"),
    Feature("NFT_NAT", "nft_chain_nat"),
    Feature("NFT_MASQ", "nft_masq"),
    Feature("NFT_NUMGEN", "nft_numgen"),
    Feature("NFT_REJECT", "nft_reject"),
)
IPTABLES = tuple(
    Feature(f"NETFILTER_XT_MATCH_{match.upper()}", f"xt_{match}")
    for match in ("addrtype", "comment", "conntrack", "statistic")
)
BRIDGE = (Feature("BRIDGE", "bridge"), Feature("BRIDGE_NETFILTER", "br_netfilter"))
BACKENDS = {"vxlan": Feature("VXLAN", "vxlan"), "wireguard-native": Feature("WIREGUARD", "wireguard")}
OVERLAY = Feature("OVERLAY_FS", "overlay")

# kube-proxy refuses an older kernel in this mode. An older command nft, it and flannel refuse.
NFTABLES_KERNEL, NFTABLES_COMMAND = "5.13", "1.0.1"


def too_old(release: str, nft: str, proxy_mode: str) -> list[tuple[str, str, str]]:
    """What this proxy mode needs newer, with its version and the oldest that does; what tells no version is let be."""
    if proxy_mode != "nftables":
        return []
    wanted = (("kernel", release, NFTABLES_KERNEL), ("nft", nft, NFTABLES_COMMAND))
    return [each for each in wanted if () < _numbers(each[1]) < _numbers(each[2])]


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, match[1].split("."))) if match else ()


def nft_version(shown: str) -> str:
    """The version in what C(nft --version) prints: nftables v0.9.8 (E.D.S.)."""
    match = re.match(r"nftables v(\d+(?:\.\d+)*)", shown)
    return match[1] if match else ""


def wanted_features(
    cgroup: int, families: list[int], proxy_mode: str, flannel_backend: str, snapshotter: str
) -> dict[Feature, str]:
    """The features that a node with these options needs, each with what it is needed for."""
    wanted = dict.fromkeys(ALWAYS, "containers need")
    if cgroup == 1:
        wanted.update((Feature(symbol), "containers need") for symbol in CGROUP_V1)
    if proxy_mode == "nftables":
        fib = tuple(Feature(f"NFT_FIB_IPV{family}", f"nft_fib_ipv{family}") for family in families)
        wanted.update(dict.fromkeys((*NFTABLES, *fib), "kube-proxy needs in k3a_proxy_mode nftables"))
    else:
        wanted.update(dict.fromkeys(IPTABLES, "kube-proxy needs in k3a_proxy_mode iptables"))
    if flannel_backend != "none":
        wanted.update(dict.fromkeys(BRIDGE, "the pod network needs"))
    if flannel_backend in BACKENDS:
        wanted[BACKENDS[flannel_backend]] = f"k3a_flannel_backend {flannel_backend} needs"
    if snapshotter == "overlayfs":
        wanted[OVERLAY] = "k3a_snapshotter overlayfs needs"
    return wanted


def state(kernel: Kernel, feature: Feature) -> str:
    """Whether a feature is V(there), V(missing), V(uninstalled) as a module, or V(unknown)."""
    if feature.module in kernel.present:
        return "there"
    configured = "unknown" if kernel.config is None else kernel.config.get(feature.symbol, "")
    if configured == "y" or (feature.module and feature.module in (kernel.loadable or ())):
        return "there"
    if not configured:
        return "missing"
    if not feature.module or kernel.loadable is None:
        return "unknown"
    # A module of which there is no file, on a host that has the files of other modules.
    return "uninstalled"


def parse_config(text: str) -> dict[str, str]:
    """The symbols that a kernel configuration sets."""
    return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.M))


def module_names(text: str) -> frozenset[str]:
    """The modules named in modules.dep or modules.builtin, as the kernel writes them."""
    return frozenset(name.replace("-", "_") for name in re.findall(r"^[^:\s]*?([^/:\s]+)\.ko", text, re.M))


def read_kernel() -> Kernel:
    """Ask the running kernel and the module directory that belongs to it."""
    release = os.uname().release
    directory = f"/lib/modules/{release}"
    present = frozenset(os.listdir("/sys/module")) | _filesystems()
    loadable = None
    if os.path.exists(f"{directory}/modules.dep"):
        loadable = module_names(text_of(f"{directory}/modules.dep"))
        present |= module_names(text_of(f"{directory}/modules.builtin"))
    return Kernel(release, _config(release), present, loadable)


def _config(release: str) -> dict[str, str] | None:
    if os.path.exists("/proc/config.gz"):
        with gzip.open("/proc/config.gz", "rt", encoding="utf-8", errors="replace") as stream:
            return parse_config(stream.read())
    for path in (f"/boot/config-{release}", f"/lib/modules/{release}/config", f"/usr/lib/modules/{release}/config"):
        if os.path.exists(path):
            return parse_config(text_of(path))
    return None


def _filesystems() -> frozenset[str]:
    return frozenset(line.split()[-1] for line in text_of("/proc/filesystems").splitlines())
