# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.k3a.cluster.plugins.filter.cluster_dns import FilterModule

cluster_dns = FilterModule().filters()["cluster_dns"]


def test_what_is_set_counts_and_otherwise_the_tenth_address() -> None:
    assert cluster_dns(["10.43.0.53"], ["10.43.0.0/16"]) == ["10.43.0.53"]
    assert cluster_dns([], ["10.43.0.0/16", "fd00:43::/112"]) == ["10.43.0.10", "fd00:43::a"]


def test_a_network_that_is_none() -> None:
    with pytest.raises(AnsibleFilterError, match=r"10\.43"):
        cluster_dns([], ["10.43.0.0/99"])
