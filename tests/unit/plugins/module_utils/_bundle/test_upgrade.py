# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import upgrade
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.store import Store

NOW = {"kubernetes": "v1.37.2", "etcd": "v3.7.3", "containerd": "v2.4.2", "coredns": "v1.15.0", "load_balancer": "v0.0.0-2026"}


def told(server=True, **after):
    return [f"{message}; {remedy}" for message, remedy in upgrade.obstacles(NOW, {**NOW, **after}, server)]


@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize(
    "after",
    [
        {},
        {"kubernetes": "v1.37.9"},
        {"kubernetes": "v1.37.0", "etcd": "v3.7.0", "containerd": "v2.4.0"},  # a patch has a way back
        {"kubernetes": "v1.38.0", "etcd": "v3.8.0", "containerd": "v2.9.0"},
        {"containerd": "v3.1.0"},
        {"coredns": "v1.0.0", "load_balancer": "v0.0.0-2020"},
        {"kubernetes": "unknown", "etcd": "", "containerd": "2.4"},
    ],
)
def test_ways_that_upstream_has(server, after):
    assert told(server, **after) == []


def test_nothing_goes_back():
    assert told(kubernetes="v1.36.9", etcd="v3.6.9", containerd="v2.3.9") == [
        "Kubernetes cannot go back from v1.37.2, which the host has, to v1.36.9, which the bundle has; "
        "use a bundle with Kubernetes v1.37.2 or newer",
        "etcd cannot go back from v3.7.3, which the host has, to v3.6.9, which the bundle has; "
        "use a bundle with etcd v3.7.3 or newer",
        "containerd cannot go back from v2.4.2, which the host has, to v2.3.9, which the bundle has; "
        "use a bundle with containerd v2.4.2 or newer",
    ]
    assert len(told(kubernetes="v0.99.0")) == 1


def test_a_server_skips_no_minor_version():
    assert told(kubernetes="v1.39.0", etcd="v3.9.0") == [
        "Kubernetes of a server cannot skip versions from v1.37.2, which the host has, to v1.39.0, which the bundle has; "
        "use a bundle with Kubernetes v1.38 first",
        "etcd of a server cannot skip versions from v3.7.3, which the host has, to v3.9.0, which the bundle has; "
        "use a bundle with etcd v3.8 first",
    ]
    assert len(told(kubernetes="v2.1.0")) == 1 and told(kubernetes="v2.0.0") == []


def test_an_agent_that_was_away_for_long_may_skip_and_has_no_etcd():
    assert told(server=False, kubernetes="v1.40.0", etcd="v3.6.0") == []
    assert len(told(server=False, kubernetes="v1.36.0")) == 1


def test_on_a_new_host_all_is_possible():
    assert list(upgrade.obstacles({}, NOW, server=True)) == []


@pytest.mark.parametrize("units, versions", [({}, {}), ({"kubelet": "text"}, {"etcd": "v3.7.3"})])
def test_a_bundle_that_nothing_runs_of_is_not_installed(monkeypatch, units, versions):
    """A run was killed before it made the first unit."""
    monkeypatch.setattr(upgrade.own_units, "installed", lambda: units)
    monkeypatch.setattr(upgrade.store_of, "versions", lambda _store, name: {"etcd": "v3.7.3"} if name == "current" else {})
    assert upgrade.installed(Store("/var/lib/k3a")) == versions
