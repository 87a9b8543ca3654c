# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.modules import bootstrap_record as module
from ansible_collections.k3a.cluster.tests.unit.record_samples import Store, server

RECORD = b"00112233445566aa:c2VhbGVk"
OWN = records.record_key("s3cr3t-word")


@pytest.fixture
def layout(tmp_path):
    return server(tmp_path / "k3a")


@pytest.fixture
def etcd(monkeypatch):
    store = Store()
    monkeypatch.setattr(module, "Etcd", store)
    return store


@pytest.fixture
def run(run_module, layout, etcd):
    def run(**arguments):
        return run_module(module, data_dir=layout.data_dir, **arguments)

    return run


def written(layout, password="s3cr3t-word", record=RECORD):
    """What the controller would give for the record of these contents."""
    return {"record": record.decode(), "digest": records.digest(record, records.material(layout), password)}


def test_a_missing_record_is_wanting_until_the_controller_gives_it(run, layout, etcd):
    first = run()
    assert (first["changed"], first["status"], first["needs_record"]) == (True, "absent", True)
    assert etcd.changes == []
    done = run(**written(layout))
    assert done["changed"] and "needs_record" not in done
    assert etcd.keys[OWN] == RECORD
    again = run()
    assert (again["changed"], again["status"], again["diff"]) == (False, "current", [])
    assert "needs_record" not in again and "files" not in again


def test_what_has_to_be_recorded_is_only_returned_when_it_is_asked_for(run, layout, etcd):
    assert "content of" not in json.dumps(run())
    read = run(export=True)
    assert read["files"] == records.exported_files(layout) and read["password"] == "s3cr3t-word"
    assert etcd.changes == []
    run(**written(layout))
    assert "files" not in run(export=True)


def test_the_diff_names_the_record_and_shows_no_secret(run, layout):
    announced, done = run(check=True), run(**written(layout))
    assert announced["diff"] == done["diff"]
    (diff,) = done["diff"]
    assert diff["after_header"] == "bootstrap record" and diff["before"] == "" and diff["after"] == "(secret, encrypted anew)"


def test_a_changed_file_makes_the_record_stale(run, layout):
    run(**written(layout))
    with open(layout.tls("service.key"), "w") as stream:
        stream.write("another\n")
    stale = run()
    assert (stale["changed"], stale["status"]) == (True, "stale")
    run(**written(layout))
    assert run()["status"] == "current"


def test_a_record_of_another_token_is_refused(run, layout, etcd):
    etcd.keys = {"/bootstrap/0123456789ab": b"salt:x"}
    failed = run()
    assert failed["failed"] and "of another token than" in failed["msg"] and "rotate_token" in failed["msg"]
    assert run(check=True)["failed"]
    assert list(etcd.keys) == ["/bootstrap/0123456789ab"]


def test_a_rotation_adds_the_new_record_and_then_removes_the_old(run, layout, etcd):
    run(**written(layout))
    new = records.record_key("new-word")
    assert run(new_token="new-word")["status"] == "other token"
    done = run(new_token="new-word", **written(layout, "new-word", b"salt:new"))
    assert done["changed"] and {OWN, new} < set(etcd.keys)
    assert run()["status"] == run(new_token="new-word")["status"] == "current"
    etcd.changes.clear()
    announced = run(check=True, new_token="new-word", exclusive=True)
    assert [diff["before_header"] for diff in announced["diff"]] == [OWN, records.digest_key("s3cr3t-word")]
    removed = run(new_token="new-word", exclusive=True)
    assert removed["changed"] and removed["diff"] == announced["diff"]
    assert sorted(etcd.keys) == [new, records.digest_key("new-word")]
    assert not run(new_token="new-word", exclusive=True)["changed"]


def test_no_record_is_removed_before_the_new_one_is_there(run, layout, etcd):
    run(**written(layout))
    etcd.changes.clear()
    assert run(new_token="new-word", exclusive=True)["needs_record"]
    assert etcd.changes == []
    run(new_token="new-word", exclusive=True, **written(layout, "new-word"))
    assert [change.partition(" ")[0] for change in etcd.changes] == ["put", "put", "delete", "delete"]


@pytest.mark.parametrize("killed_at", range(4))
def test_a_rotation_that_is_killed_anywhere_is_finished_by_the_next(run, layout, etcd, killed_at):
    run(**written(layout))
    etcd.changes.clear()
    etcd.killed_at = killed_at
    with pytest.raises(KeyboardInterrupt):
        module.converge(Called(layout, **written(layout, "new-word")), layout, etcd)
    etcd.killed_at = -1
    assert OWN in etcd.keys or records.status(layout, etcd, "new-word") == "current"
    run(new_token="new-word", exclusive=True, **written(layout, "new-word"))
    assert sorted(etcd.keys) == [records.record_key("new-word"), records.digest_key("new-word")]


class Called:
    """A module that has been called for a rotation."""

    check_mode = False

    def __init__(self, layout, **given):
        self.params = {"new_token": "new-word", "exclusive": True, "export": False, "timeout": 5, **given}


def test_the_password_of_a_rotation_is_not_in_the_result(run, layout):
    assert "new-word" not in json.dumps([run(new_token="new-word"), run(new_token="new-word", export=True)])


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("K10abc::server:new-word", "new_token: invalid token CA hash length"),
        (f"K10{'0' * 64}::server:new-word", "new_token pins the CA of another cluster"),
        ("abcdef.0123456789abcdef", "new_token is a bootstrap token"),
    ],
)
def test_a_new_token_that_cannot_be_one_is_refused(run, token, reason):
    failed = run(new_token=token)
    assert failed["failed"] and reason in failed["msg"]


def test_a_datastore_that_does_not_answer_is_an_error(run, etcd):
    etcd.answers = False
    failed = run()
    assert failed["failed"] and failed["msg"] == "Bootstrap record: no member of etcd answers"
    announced = run(check=True)
    assert (announced["changed"], announced["status"], announced["diff"]) == (False, "unknown", [])


def test_check_mode_announces_the_record_of_a_server_to_come(run, layout, etcd):
    etcd.answers = False
    shutil.rmtree(layout.data_dir)
    announced = run(check=True)
    assert (announced["changed"], announced["status"]) == (True, "absent")
    assert announced["diff"][0]["after_header"] == "bootstrap record"
    failed = run()
    assert failed["failed"] and "is no server yet" in failed["msg"]


def test_check_mode_announces_the_record_of_a_server_that_gets_a_ca_first(run, layout, etcd):
    run(**written(layout))
    paths = bootstrap.authority_paths(layout, "kubelet-serving")
    for path in paths:
        os.unlink(path)
    announced = run(check=True)
    for path in paths:
        with open(path, "w") as stream:
            stream.write("made by this run\n")
    done = run()
    assert (announced["changed"], announced["status"], announced["diff"]) == (True, "stale", done["diff"])


def test_a_missing_key_is_named(run, layout, etcd):
    os.unlink(layout.tls("client-ca.key"))
    etcd.keys = {OWN: RECORD}
    failed = run()
    assert failed["failed"] and f"{layout.tls('client-ca.key')} is missing" in failed["msg"]
