# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_rotation as rotation
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import TokenError
from ansible_collections.k3a.cluster.tests.unit.record_samples import Store, server

NAMES = ["s1", "s2", "s3"]


def seen(name, token="old", pending="", record="current", others=0):
    return {"server": name, "token": token, "pending": pending, "record": record, "others": others}


@pytest.mark.parametrize(
    ("found", "holder", "reason"),
    [
        # Nothing has happened yet.
        ([seen("s1"), seen("s2"), seen("s3")], "s1", "a new token"),
        # Killed after one server, or all, had prepared the new token.
        ([seen("s1"), seen("s2", pending="new"), seen("s3")], "s2", "an unfinished rotation"),
        ([seen(name, pending="new") for name in NAMES], "s1", "an unfinished rotation"),
        # After the new record was written.
        ([seen(name, pending="new", others=1) for name in NAMES], "s1", "an unfinished rotation"),
        # After some had adopted it.
        ([seen("s1", "new", others=1), seen("s2", "old", "new", others=1), seen("s3", "old", "new", others=1)], "s2", "an unfinished rotation"),
        # After all had: only the old record is left.
        ([seen(name, "new", others=1) for name in NAMES], "", "the records of other tokens, which remain to be removed"),
        # A second rotation that was begun before the first was finished: the adopted token wins.
        ([seen("s1", "old", "newer"), seen("s2", "old", "new"), seen("s3", "new", "newer", others=1)], "s2", "an unfinished rotation"),
        # A server that joined in the middle.
        ([seen("s1", "new", others=1), seen("s2", "old", "new", others=1), seen("s3", "old", others=1)], "s2", "an unfinished rotation"),
    ],
)
def test_a_rotation_goes_on_from_wherever_it_was_left(found, holder, reason):
    assert rotation.plan(found, NAMES, False) == rotation.Plan(holder, reason)


@pytest.mark.parametrize(
    "found",
    [
        [seen("s1"), seen("s2", pending="new"), seen("s3", "newer", others=1)],
        [seen("s1", "a"), seen("s2", "b"), seen("s3", "c")],
        [seen(name, others=2) for name in NAMES],
    ],
)
def test_a_given_token_is_the_aim_whatever_the_servers_have(found):
    assert rotation.plan(found, NAMES, True) == rotation.Plan("s1", "the given token")


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


@pytest.fixture
def layout(tmp_path):
    return server(tmp_path / "k3a")


@pytest.fixture
def etcd(layout):
    store = Store()
    made = records.digest(b"salt:x", records.material(layout), "s3cr3t-word")
    records.write(layout, store, "s3cr3t-word", b"salt:x", made)
    return store


def test_a_server_says_what_it_has_without_showing_it(layout, etcd):
    first = rotation.observation(layout, etcd)
    assert (first["pending"], first["record"], first["others"]) == ("", "current", 0)
    Path(rotation.pending_path(layout)).write_text("new-word\n")
    etcd.put("/bootstrap/0123456789ab", b"salt:y")
    etcd.put("/k3a/bootstrap/0123456789ab", b"{}")
    second = rotation.observation(layout, etcd)
    assert (second["token"], second["record"], second["others"]) == (first["token"], "current", 2)
    assert second["pending"] == rotation.fingerprint(layout, "new-word") != first["token"]
    assert "word" not in str(second)


def test_the_fingerprint_is_that_of_other_servers_of_the_cluster_and_of_no_other(layout, tmp_path):
    other = server(tmp_path / "other")
    assert rotation.fingerprint(layout, "a") == rotation.fingerprint(other, "a") != rotation.fingerprint(other, "b")
    Path(other.tls("server-ca.key")).write_text("another key")
    assert rotation.fingerprint(layout, "a") != rotation.fingerprint(other, "a")
    assert rotation.fingerprint(layout, "") == ""


def test_a_pending_token_that_is_in_its_place_is_pending_no_more(layout):
    pending = Path(rotation.pending_path(layout))
    assert rotation.pending_password(layout) == ""
    for text, expected in (("", ""), ("\n", ""), ("new-word\n", "new-word"), (Path(layout.token).read_text(), "")):
        pending.write_text(text)
        assert rotation.pending_password(layout) == expected


def test_a_damaged_pending_token_is_named(layout):
    Path(rotation.pending_path(layout)).write_text("K10abc::server:new-word\n")
    with pytest.raises(TokenError, match=r"server/token\.next: invalid token CA hash length"):
        rotation.pending_password(layout)


def test_a_token_is_kept_in_its_secure_form_by_root_alone(layout):
    file = rotation.token_file(layout, rotation.pending_path(layout), "new-word")
    assert (file.path, file.mode, file.owner, file.secret) == (f"{layout.token}.next", 0o600, "root", True)
    own = Path(layout.token).read_text()
    assert file.content.decode() == own.replace("s3cr3t-word", "new-word")
