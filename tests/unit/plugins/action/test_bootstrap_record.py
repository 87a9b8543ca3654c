# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.action import bootstrap_record as action
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.modules import bootstrap_record as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import record as codec
from ansible_collections.k3a.cluster.tests.unit.record_samples import Store, server


@pytest.fixture
def layout(tmp_path):
    return server(tmp_path / "k3a")


@pytest.fixture
def etcd(monkeypatch):
    store = Store()
    monkeypatch.setattr(module, "Etcd", store)
    return store


@pytest.fixture
def run(run_action, layout, etcd):
    def run(**arguments):
        return run_action(action, module, data_dir=layout.data_dir, **arguments)

    return run


def test_the_record_opens_with_the_token_and_holds_what_is_on_disk(run, layout, etcd):
    done = run()
    assert done["changed"] and done["status"] == "absent"
    assert codec.find("s3cr3t-word", etcd.prefix("/bootstrap/")) == records.material(layout)
    assert records.status(layout, etcd) == "current"


def test_a_current_record_costs_one_module_run_in_which_no_secret_travels(run, run_action):
    run()
    assert run_action.exchanges == [False, True, True]
    run_action.exchanges.clear()
    again = run()
    assert run_action.exchanges == [False]
    assert (again["changed"], again["status"]) == (False, "current")


def test_no_result_holds_a_secret(run, layout):
    told = json.dumps([run(check=True), run(), run(new_token="new-word", exclusive=True)])
    for secret in ("s3cr3t-word", "new-word", "content of", "needs_record", "files"):
        assert secret not in told


def test_check_mode_writes_nothing_and_announces_the_same(run, etcd):
    announced = run(check=True)
    assert etcd.changes == []
    done = run()
    assert (announced["changed"], announced["status"], announced["diff"]) == (True, done["status"], done["diff"])
    assert not run(check=True)["changed"]


def test_a_rotation_leaves_one_record_which_only_the_new_token_opens(run, layout, etcd):
    run()
    secure = tokens.full("content of server/tls/server-ca.crt\n", "server:new-word")
    assert run(new_token=secure)["changed"]
    assert len(etcd.prefix("/bootstrap/")) == 2
    assert not run(new_token="new-word")["changed"]
    assert run(new_token="new-word", exclusive=True)["changed"]
    assert codec.find("new-word", etcd.prefix("/bootstrap/")) == records.material(layout)
    with pytest.raises(codec.OtherToken):
        codec.find("s3cr3t-word", etcd.prefix("/bootstrap/"))
    assert run()["failed"]


def test_what_is_meant_for_the_action_plugin_is_not_taken_from_a_user(run, layout, etcd):
    done = run(export=True, record="salt:weak", digest={"record": "x"})
    assert "files" not in done and "password" not in done
    assert codec.find("s3cr3t-word", etcd.prefix("/bootstrap/")) == records.material(layout)


def test_what_another_run_has_written_meanwhile_stays(run, layout, etcd, monkeypatch):
    """Between the first look and the reading the record became current."""
    run()
    kept, etcd.keys = etcd.keys, {}
    converge = module.converge

    def meanwhile(called, *rest):
        if called.params["export"]:
            etcd.keys = dict(kept)
        return converge(called, *rest)

    monkeypatch.setattr(module, "converge", meanwhile)
    done = run()
    assert not done["changed"] and etcd.keys == kept


def test_a_failure_is_handed_on(run, etcd):
    etcd.answers = False
    failed = run()
    assert failed["failed"] and "no member of etcd answers" in failed["msg"]
