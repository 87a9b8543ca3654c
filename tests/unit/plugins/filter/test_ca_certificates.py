# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.filter.ca_certificates import FilterModule

ca_certificates = FilterModule().filters()["ca_certificates"]
VERDICT = {"server": "s1", "ca_certificates": {"server": "old"}}


def test_those_that_this_run_has_made_count():
    assert ca_certificates({"_k3a_bootstrap": {"ca_certificates": {"server": "new"}}}, VERDICT) == {"server": "new"}


def test_where_the_server_did_nothing_the_verdict_knows_them():
    assert ca_certificates({}, VERDICT) == {"server": "old"}


def test_check_mode_has_none_of_a_new_cluster():
    verdict = {**VERDICT, "ca_certificates": {}}
    assert ca_certificates({"_k3a_bootstrap": {"ca_certificates": {}}}, verdict) == {} == ca_certificates({}, verdict)
