# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on which nothing is wrong, and what the checks find on one that differs from it."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import Address, Route
from ansible_collections.k3a.cluster.plugins.module_utils._host import check
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import (
    Observed,
    Space,
    Wanted,
    components_in,
)
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_kernel import Kernel, wanted_features
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_proc import Mount, Socket

OURS = components_in(
    [
        {
            "name": name,
            "unit": f"k3a-{name}.service",
            "routes": routes,
            "ports": [{"number": n, "protocol": p, "reach": r, "program": name} for n, p, r in ports],
            "users": [name] if name in ("etcd", "flannel") else [],
        }
        for name, routes, ports in (
            ("etcd", False, [(2379, "tcp", "servers")]),
            ("apiserver", False, [(6443, "tcp", "anywhere")]),
            ("scheduler", False, [(10259, "tcp", "loopback")]),
            ("kubelet", False, [(10250, "tcp", "nodes"), (10248, "tcp", "loopback")]),
            ("flannel", True, [(8472, "udp", "nodes")]),
        )
    ]
)
WANTED = Wanted(
    data_dir="/var/lib/k3a",
    server=True,
    agent=True,
    node_name="",
    node_ip=(),
    cluster_cidr=("10.42.0.0/16",),
    service_cidr=("10.43.0.0/16",),
    flannel_backend="vxlan",
    flannel_iface="",
    proxy_mode="nftables",
    snapshotter="overlayfs",
    resolv_conf="",
    allow_cgroup_v1=False,
    swap="warn",
    bundle_id="a1b2",
    bundle_size=380 * check.MIB,
    components=OURS,
)
AGENT = replace(WANTED, server=False)
BUILT_IN = {feature.symbol: "y" for feature in wanted_features(1, [4, 6], "nftables", "vxlan", "overlayfs")}
# A fresh Debian 12 with all that is needed and nothing that collides.
FRESH = Observed(
    hostname="Node-1",
    machine_id="3d1219c7c4c5404aaa1f6d2a48adfda4",
    systemd=252,
    cgroup=2,
    controllers=frozenset({"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}),
    memory=4096 * check.MIB,
    swap=(),
    kernel=Kernel("6.1.0-44-amd64", BUILT_IN, frozenset(), frozenset()),
    commands=frozenset(check.COMMANDS),
    nft="1.0.6",
    lacking_python="",
    active_units=frozenset(),
    selinux="",
    mount=Mount("/", "ext4", frozenset({"rw", "relatime"})),
    space=Space(20_000 * check.MIB, 1_000_000),
    record_space=Space(1_000 * check.MIB, 100_000),
    bundles=frozenset(),
    dns_servers=("10.89.0.1",),
    addresses=(Address("lo", "127.0.0.1", 8, False), Address("eth0", "10.89.0.11", 24, True)),
    routes=(Route("eth0", "0.0.0.0/0", 100, "10.89.0.1"), Route("eth0", "10.89.0.0/24", 0)),
    sockets=(Socket("tcp", "0.0.0.0", 22, 100),),
    holders={},
)


def found(seen=FRESH, wanted=WANTED, **changes):
    """The findings on a host that differs from a fresh one in this, by level and name."""
    return {(f.level, f.name): f"{f.message}; {f.remedy}" for f in check.judge(replace(seen, **changes), wanted)}


def the_only(findings):
    assert len(findings) == 1, findings
    return next(iter(findings.items()))
