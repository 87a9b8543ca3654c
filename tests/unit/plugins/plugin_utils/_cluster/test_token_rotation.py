# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import token_rotation as rotation
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.reports import ReportError

NAMES = ["s1", "s2", "s3"]


def seen(name, token="old", pending="", record="current", others=False):
    return rotation.Observation(name, token, pending, record, others)


@pytest.mark.parametrize(
    ("found", "holder", "reason"),
    [
        # Nothing has happened yet.
        ([seen("s1"), seen("s2"), seen("s3")], "s1", "a new token"),
        # Killed after one server, or all, had prepared the new token.
        ([seen("s1"), seen("s2", pending="new"), seen("s3")], "s2", "an unfinished rotation"),
        ([seen(name, pending="new") for name in NAMES], "s1", "an unfinished rotation"),
        # After the new record was written.
        ([seen(name, pending="new", others=True) for name in NAMES], "s1", "an unfinished rotation"),
        # After some had adopted it.
        ([seen("s1", "new", others=True), seen("s2", "old", "new", others=True), seen("s3", "old", "new", others=True)], "s2", "an unfinished rotation"),
        # After all had: only the old record is left.
        ([seen(name, "new", others=True) for name in NAMES], "", "the records of other tokens, which remain to be removed"),
        # A second rotation that was begun before the first was finished: the adopted token wins.
        ([seen("s1", "old", "newer"), seen("s2", "old", "new"), seen("s3", "new", "newer", others=True)], "s2", "an unfinished rotation"),
        # A server that joined in the middle.
        ([seen("s1", "new", others=True), seen("s2", "old", "new", others=True), seen("s3", "old", others=True)], "s2", "an unfinished rotation"),
    ],
)
def test_a_rotation_goes_on_from_wherever_it_was_left(found, holder, reason):
    receivers = tuple(name for name in NAMES if holder and name != holder)
    assert rotation.plan(found, NAMES, False) == rotation.Plan(holder, receivers, reason)


@pytest.mark.parametrize(
    "found",
    [
        [seen("s1"), seen("s2", pending="new"), seen("s3", "newer", others=True)],
        [seen("s1", "a"), seen("s2", "b"), seen("s3", "c")],
        [seen(name, others=True) for name in NAMES],
    ],
)
def test_a_given_token_is_the_aim_whatever_the_servers_have(found):
    assert rotation.plan(found, NAMES, True) == rotation.Plan("", tuple(NAMES), "the given token")


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([seen("s1")], "s2, s3 did not answer or is left out of this run"),
        ([seen("s1"), seen("s2", record="other token"), seen("s3")], "the server token of s2 is not that of the bootstrap record"),
        ([seen("s1"), seen("s2"), seen("s3", record="stale")], "for s3 the bootstrap record is stale.*run k3a.cluster.site"),
        ([seen(name, record="absent") for name in NAMES], "for s1 the bootstrap record is absent"),
    ],
)
def test_what_cannot_be_finished_is_not_begun(found, reason, given):
    with pytest.raises(rotation.RotationError, match=reason):
        rotation.plan(found, NAMES, given)


def test_different_tokens_of_which_none_is_pending_need_a_decision():
    with pytest.raises(rotation.RotationError, match="different tokens.*say which is right with k3a_new_token"):
        rotation.plan([seen("s1"), seen("s2", "new"), seen("s3")], NAMES, False)


def test_what_servers_say_is_read_by_its_names_and_types():
    told = {"host": "s1", "fingerprint": "a", "pending_fingerprint": "", "bootstrap_record": "current", "has_other_records": False}
    assert rotation.observations([{**told, "changed": False}]) == [seen("s1", "a")]
    with pytest.raises(ReportError, match="has_other_records is 2"):
        rotation.observations([{**told, "has_other_records": 2}])
    with pytest.raises(ReportError, match="it has no host"):
        rotation.observations([{"failed": True}])
