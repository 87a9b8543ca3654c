# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity, Identity


def test_of_a_host_without_a_part_in_a_cluster_nothing_is_known():
    assert (Identity().cluster_id, Identity().node_name, Identity().epoch) == ("", "", 1)
    assert EtcdIdentity() == EtcdIdentity("", "")
