# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._host.finding import FAIL, WARN, Finding


def test_a_finding_travels_as_a_mapping_and_is_the_same_again():
    finding = Finding("swap", WARN, "swap is on", "switch it off")
    assert Finding(**vars(finding)) == finding
    assert vars(finding)["level"] == "warn" != FAIL
