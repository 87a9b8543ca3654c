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
    assert (first["pending_fingerprint"], first["bootstrap_record"], first["has_other_records"]) == ("", "current", False)
    Path(rotation.pending_path(layout)).write_text("new-word\n")
    etcd.put("/bootstrap/0123456789ab", b"salt:y")
    etcd.put("/k3a/bootstrap/0123456789ab", b"{}")
    second = rotation.observation(layout, etcd)
    assert second == {**first, "pending_fingerprint": second["pending_fingerprint"], "has_other_records": True}
    assert second["pending_fingerprint"] == rotation.fingerprint(layout, "new-word") != first["fingerprint"]
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
