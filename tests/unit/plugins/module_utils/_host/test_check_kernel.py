# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_kernel as kernel
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_kernel import Feature, Kernel

CONFIG = """\
# Automatically generated file; DO NOT EDIT.
CONFIG_CC_VERSION_TEXT="gcc (Debian 12.2.0-14) 12.2.0"
CONFIG_NAMESPACES=y
CONFIG_VXLAN=m
CONFIG_OVERLAY_FS=m
# CONFIG_WIREGUARD is not set
"""
MODULES_DEP = """\
kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv6/ip6_udp_tunnel.ko.xz kernel/net/ipv4/udp_tunnel.ko.xz
kernel/net/netfilter/nf_tables.ko: kernel/net/netfilter/nfnetlink.ko
updates/dkms/wire-guard.ko.zst:
"""
MODULES_BUILTIN = "kernel/fs/ext4/ext4.ko\nkernel/net/bridge/bridge.ko\n"

VXLAN = Feature("VXLAN", "vxlan")
SECCOMP = Feature("SECCOMP")


def a_kernel(config=None, present=(), loadable=None):
    return Kernel("6.1.0-44-amd64", config, frozenset(present), None if loadable is None else frozenset(loadable))


def test_a_configuration_is_its_set_symbols():
    assert kernel.parse_config(CONFIG) == {
        "CC_VERSION_TEXT": '"gcc (Debian 12.2.0-14) 12.2.0"',
        "NAMESPACES": "y",
        "VXLAN": "m",
        "OVERLAY_FS": "m",
    }


def test_modules_are_named_as_the_kernel_names_them():
    assert kernel.module_names(MODULES_DEP) == {"vxlan", "nf_tables", "wire_guard"}
    assert kernel.module_names(MODULES_BUILTIN) == {"ext4", "bridge"}


@pytest.mark.parametrize(
    "feature, state_of, expected",
    [
        (SECCOMP, a_kernel({"SECCOMP": "y"}), "there"),
        (SECCOMP, a_kernel({}), "missing"),
        (SECCOMP, a_kernel(None), "unknown"),
        (VXLAN, a_kernel({"VXLAN": "y"}), "there"),
        (VXLAN, a_kernel({"VXLAN": "m"}, loadable=["vxlan"]), "there"),
        (VXLAN, a_kernel({"VXLAN": "m"}, loadable=["overlay"]), "uninstalled"),
        (VXLAN, a_kernel({"VXLAN": "m"}, present=["vxlan"], loadable=[]), "there"),
        (VXLAN, a_kernel({"VXLAN": "m"}), "unknown"),
        (VXLAN, a_kernel({}), "missing"),
        # Built outside the kernel's own tree: its configuration does not know, its module directory does.
        (VXLAN, a_kernel({}, loadable=["vxlan"]), "there"),
        (VXLAN, a_kernel(None, present=["vxlan"]), "there"),
        (VXLAN, a_kernel(None, loadable=["overlay"]), "uninstalled"),
        (VXLAN, a_kernel(None), "unknown"),
    ],
)
def test_state_of_a_feature(feature, state_of, expected):
    assert kernel.state(state_of, feature) == expected


def wanted(**options):
    defaults = {
        "cgroup": 2,
        "families": [4],
        "proxy_mode": "nftables",
        "flannel_backend": "vxlan",
        "snapshotter": "overlayfs",
    }
    return {feature.symbol for feature in kernel.wanted_features(**{**defaults, **options})}


def test_options_decide_what_is_wanted():
    assert {"VXLAN", "OVERLAY_FS", "NF_TABLES", "NFT_FIB_IPV4", "BRIDGE", "MEMCG"} <= wanted()
    assert "NFT_FIB_IPV6" in wanted(families=[4, 6])
    assert not {"VXLAN", "BRIDGE", "BRIDGE_NETFILTER"} & wanted(flannel_backend="none")
    assert "WIREGUARD" in wanted(flannel_backend="wireguard-native")
    assert "VXLAN" not in wanted(flannel_backend="host-gw")
    assert "OVERLAY_FS" not in wanted(snapshotter="native")
    iptables = wanted(proxy_mode="iptables")
    assert "NETFILTER_XT_MATCH_COMMENT" in iptables
    assert "NF_TABLES" not in iptables


def test_cgroup_v1_needs_its_own_controllers():
    assert wanted(cgroup=1) - wanted() == {"CGROUP_CPUACCT", "CGROUP_DEVICE", "CGROUP_FREEZER"}


def test_every_feature_says_what_it_is_for():
    features = kernel.wanted_features(2, [4], "nftables", "vxlan", "overlayfs")
    assert features[VXLAN] == "k3a_flannel_backend vxlan needs"
    assert all(purpose.endswith(("need", "needs")) or "needs in" in purpose for purpose in features.values())


def test_the_running_kernel_can_be_read():
    running = kernel.read_kernel()
    assert running.release
    assert "proc" in running.present


@pytest.mark.parametrize(
    "release, nft, old",
    [
        ("6.1.0-44-amd64", "1.0.6", []),
        ("5.13.0", "1.0.1", []),
        ("5.14.0-570.el9.x86_64", "1.1.1", []),
        ("6.12.25+rpt-rpi-v8", "1.1.3", []),
        ("5.10.0-30-amd64", "0.9.8", ["kernel", "nft"]),
        ("4.18.0-553.el8_10.x86_64", "1.0.4", ["kernel"]),
        ("5.15.0-91-generic", "1.0.0", ["nft"]),
        ("5.9", "", ["kernel"]),
        ("of-somebody", "", []),
    ],
)
def test_versions_are_compared_as_numbers_and_one_that_is_not_told_is_let_be(release, nft, old):
    assert [name for name, _version, _least in kernel.too_old(release, nft, "nftables")] == old
    assert kernel.too_old(release, nft, "iptables") == []


@pytest.mark.parametrize(
    "shown, version",
    [
        ("nftables v1.0.6 (Lester Gooch #5)\n", "1.0.6"),
        ("nftables v0.9.8 (E.D.S.)\n", "0.9.8"),
        ("nftables v1.0.1 (Fearless Fosdick #3)\n", "1.0.1"),
        ("sh: nft: not found", ""),
        ("", ""),
    ],
)
def test_nft_tells_its_version(shown, version):
    assert kernel.nft_version(shown) == version
