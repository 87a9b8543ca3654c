# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.modules import token_rotation_info as module
from ansible_collections.k3a.cluster.tests.unit.record_samples import Store, server

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)


@pytest.fixture
def etcd(monkeypatch):
    store = Store()
    monkeypatch.setattr(module, "Etcd", store)
    return store


@pytest.fixture
def ask(run_module, tmp_path, etcd):
    layout = server(tmp_path / "s1")
    made = records.digest(b"salt:x", records.material(layout), "s3cr3t-word")
    records.write(layout, etcd, "s3cr3t-word", b"salt:x", made)
    return lambda **given: run_module(module, **{"data_dir": layout.data_dir, "host": "s1", **given})


@pytest.mark.parametrize("check", [False, True])
def test_a_server_says_what_it_has_and_changes_nothing(ask, check):
    found = ask(check=check)
    assert (found["changed"], found["host"], found["bootstrap_record"]) == (False, "s1", "current")
    assert found["fingerprint"] and not found["pending_fingerprint"] and not found["has_other_records"]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("K10abc::server:new-word", "k3a_new_token: invalid token CA hash length"),
        (f"K10{'0' * 64}::server:new-word", "k3a_new_token pins the CA of another cluster"),
        ("abcdef.0123456789abcdef", "k3a_new_token is a bootstrap token"),
    ],
)
def test_a_new_token_that_cannot_be_one_is_refused_by_the_first_look(ask, token, reason):
    failed = ask(new_token=token)
    assert failed["failed"] and reason in failed["msg"] and "new-word" not in failed["msg"]


def test_a_host_that_is_no_server_and_a_datastore_that_does_not_answer_are_refused(ask, etcd, tmp_path):
    for token in ("", "new-word"):
        failed = ask(data_dir=str(tmp_path / "none"), new_token=token)
        assert failed["failed"] and "is no server yet" in failed["msg"]
    etcd.answers = False
    failed = ask()
    assert failed["failed"] and failed["msg"] == "Server token: no member of etcd answers"
