# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_rotation as rotation
from ansible_collections.k3a.cluster.plugins.modules import bootstrap_record, token_rotation, token_rotation_info
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.token_rotation import observations, plan
from ansible_collections.k3a.cluster.tests.unit.record_samples import Store, server

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)

NAMES = ["s1", "s2", "s3"]


class Servers:
    """Three servers with one datastore, and the playbook's steps on them; it can be killed before any change."""

    def __init__(self, run_module, folder):
        self.run_module = run_module
        self.layouts = {name: server(folder / name) for name in NAMES}
        self.etcd = Store()
        self.record("s3cr3t-word")
        self.left = -1

    def record(self, password, exclusive=False):
        layout = self.layouts["s1"]
        if records.status(layout, self.etcd, password) != "current":
            made = records.digest(b"salt:x", records.material(layout), password)
            records.write(layout, self.etcd, password, b"salt:x", made)
        for key in records.others(self.etcd, password) if exclusive else ():
            self.etcd.delete(key)

    def info(self, name, **arguments):
        done = self.run_module(token_rotation_info, data_dir=self.layouts[name].data_dir, host=name, **arguments)
        assert not done.get("failed"), done["msg"]
        return done

    def step(self, name, state, **arguments):
        done = self.run_module(token_rotation, data_dir=self.layouts[name].data_dir, state=state, **arguments)
        assert not done.get("failed"), done["msg"]
        return done

    def rotate(self, given=""):
        """What playbooks/rotate_token.yml does."""
        way = plan(observations([self.info(name) for name in NAMES]), NAMES, bool(given))
        new = self.step(way.holder, "pending")["new_token"] if way.holder else given
        for name in way.receivers:
            self.step(name, "pending", new_token=new)
        self.record(new or self.password("s1"))
        for name in NAMES:
            self.step(name, "active", new_token=new)
        self.record(new or self.password("s1"), exclusive=True)
        return way

    def password(self, name):
        return records.own_password(self.layouts[name])

    def check(self):
        """What holds at any moment: every server's token opens a record."""
        for layout in self.layouts.values():
            assert records.status(layout, self.etcd) == "current"

    def settled(self):
        passwords = {self.password(name) for name in NAMES}
        assert len(passwords) == 1
        self.check()
        (password,) = passwords
        assert sorted(self.etcd.keys) == [records.record_key(password), records.digest_key(password)]
        assert not any(os.path.exists(rotation.pending_path(layout)) for layout in self.layouts.values())
        return password


@pytest.fixture
def servers(run_module, tmp_path, monkeypatch):
    made = Servers(run_module, tmp_path)
    monkeypatch.setattr(token_rotation_info, "Etcd", made.etcd)
    monkeypatch.setattr(bootstrap_record, "Etcd", made.etcd)
    return made


def test_all_servers_get_a_new_token_and_the_record_is_its(servers):
    assert servers.rotate().reason == "a new token"
    password = servers.settled()
    assert password != "s3cr3t-word" and len(password) == 32
    for layout in servers.layouts.values():
        assert os.stat(layout.token).st_mode & 0o777 == 0o600
        assert Path(layout.token).read_text().startswith("K10")


def test_a_given_token_is_taken_once(servers):
    servers.rotate("new-word")
    assert servers.settled() == "new-word"
    before = list(servers.etcd.changes)
    for name in NAMES:
        for step in ("pending", "active"):
            assert not servers.step(name, step, new_token="new-word")["changed"]
    servers.rotate("new-word")
    assert servers.settled() == "new-word" and servers.etcd.changes == before


@pytest.mark.parametrize(("given", "again"), [("", ""), ("new-word", "new-word"), ("", "third-word")])
@pytest.mark.parametrize("killed_at", range(13))
def test_killed_before_any_change_each_server_has_a_readable_record_and_the_next_run_finishes(
    servers, monkeypatch, killed_at, given, again
):
    count = 0

    def counted(real):
        def change(*arguments):
            nonlocal count
            if count == killed_at:
                raise KeyboardInterrupt
            count += 1
            return real(*arguments)

        return change

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_file", counted(files.write_file))
        patch.setattr(files, "remove_file", counted(files.remove_file))
        patch.setattr(servers.etcd, "put", counted(servers.etcd.put))
        patch.setattr(servers.etcd, "delete", counted(servers.etcd.delete))
        try:
            servers.rotate(given)
        except KeyboardInterrupt:
            pass
        else:
            pytest.fail("the run ended before it was killed")
    servers.check()
    pending = [rotation.pending_password(layout) for layout in servers.layouts.values()]
    adopted = servers.password("s1")
    way = servers.rotate(again)
    password = servers.settled()
    if again:
        assert password == again
    elif any(pending):
        assert password in pending and way.reason == "an unfinished rotation"
    elif way.holder == "":
        assert password == adopted != "s3cr3t-word"
    else:
        assert killed_at == 0


def test_no_result_shows_the_token_but_the_one_that_is_asked_for_it(servers):
    asked = servers.step("s1", "pending")
    password = asked.pop("new_token")
    told = [asked]
    for name in NAMES:
        told.append(servers.step(name, "pending", new_token=password))
        told.append(servers.info(name))
        told.append(servers.step(name, "active", check=True, new_token=password))
    assert password not in json.dumps(told) and "s3cr3t-word" not in json.dumps(told)
    assert servers.step("s1", "pending")["new_token"] == password


def test_check_mode_announces_the_same_changes_and_makes_none(servers):
    layout = servers.layouts["s1"]
    announced = servers.step("s1", "pending", check=True)
    assert announced["changed"] and not os.path.exists(rotation.pending_path(layout))
    adopted = servers.step("s1", "active", check=True, new_token="new-word")
    assert adopted["changed"] and servers.password("s1") == "s3cr3t-word"
    done = servers.step("s1", "pending", new_token="new-word")
    assert done["diff"] == announced["diff"]
    assert [diff["after_header"] for diff in done["diff"]] == [rotation.pending_path(layout)]
    headers = [diff["after_header"] for diff in servers.step("s1", "active", new_token="new-word")["diff"]]
    assert headers == [layout.token, rotation.pending_path(layout)]


def test_a_secure_new_token_is_read_by_its_password(servers):
    secure = Path(servers.layouts["s1"].token).read_text().strip().replace("s3cr3t-word", "new-word")
    servers.step("s1", "pending", new_token=secure)
    assert rotation.pending_password(servers.layouts["s1"]) == "new-word"


@pytest.mark.parametrize("state", ["pending", "active"])
def test_a_new_token_that_cannot_be_one_is_refused(servers, run_module, state):
    data = servers.layouts["s1"].data_dir
    failed = run_module(token_rotation, data_dir=data, state=state, new_token="K10abc::server:new-word")
    assert failed["failed"] and "k3a_new_token: invalid token CA hash length" in failed["msg"]
    assert "new-word" not in failed["msg"]
