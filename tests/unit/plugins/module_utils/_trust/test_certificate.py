# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate
from ansible_collections.k3a.cluster.tests.unit import leaf_samples


def params(**given):
    return {**{name: option.get("default") for name, option in certificate.OPTIONS.items()}, **given}


def test_a_servers_names_are_all_by_which_it_is_reached():
    wanted = certificate.leaves_of(
        params(
            profile="server",
            declared=leaf_samples.declared("server"),
            node_name="a",
            node_ip=["10.0.0.1", "fd00::1"],
            node_external_ip=["192.0.2.1"],
            advertise_address="10.0.0.9",
            tls_san=["lb.example", "192.0.2.9"],
            service_cidr=["10.43.0.0/16", "fd00:43::/112"],
        )
    )
    (serving,) = (leaf for leaf in wanted if leaf.name == "serving-kube-apiserver")
    assert serving.dns[-3:] == ("localhost", "a", "lb.example")
    assert serving.ips == (
        *("127.0.0.1", "::1", "10.0.0.1", "fd00::1", "192.0.2.1", "10.0.0.9", "192.0.2.9"),
        *("10.43.0.1", "fd00:43::1"),
    )


def test_an_agents_certificate_has_its_external_address_too():
    wanted = certificate.leaves_of(
        params(profile="agent", declared=leaf_samples.declared("agent"), node_name="w1", node_ip=["10.0.0.2"], node_external_ip=["192.0.2.2"])
    )
    (serving,) = (leaf for leaf in wanted if leaf.name == "serving-kubelet")
    assert serving.ips == ("127.0.0.1", "10.0.0.2", "192.0.2.2")
