# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password, removed

NOW = 1_800_000_000.0
LATER, BEFORE = (node_password.timestamp(NOW + seconds) for seconds in (60.0, -60.0))


@pytest.mark.parametrize("config_map", [None, {}, {"data": None}, {"data": []}])
def test_a_list_that_cannot_be_read_names_nobody(config_map):
    assert node_password.removed_names(config_map) == {}


def test_a_name_is_kept_longer_than_any_certificate_lives():
    found = removed.change({}, ["n1"], [], NOW)
    assert found.keys() == {"n1"}
    assert node_password.moment(str(found["n1"])) - NOW > 365 * 86400


def test_what_is_so_already_changes_nothing():
    assert removed.change({"n1": LATER}, ["n1"], [], NOW) == {}
    assert removed.change({"n1": LATER}, [], ["n2"], NOW) == {}
    # Nor does it for the sake of what is over; the approver sees to that.
    assert removed.change({"n1": LATER, "old": BEFORE}, ["n1"], [], NOW) == {}


def test_those_whose_time_is_over_go_along():
    assert removed.change({"n1": LATER, "old": BEFORE}, [], ["n1"], NOW) == {"n1": None, "old": None}
    assert str(removed.change({"n1": BEFORE}, ["n1"], [], NOW)["n1"]) > LATER


def test_there_is_an_end_to_what_can_be_kept():
    full = {f"n{number}": LATER for number in range(removed.MOST)}
    with pytest.raises(ApiError, match=r"has 3000 names .* k3a_release_names=true"):
        removed.change(full, ["more"], [], NOW)
    assert removed.change({**full, "n0": BEFORE}, ["more"], [], NOW)
