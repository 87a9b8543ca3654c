# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._reset import reset as library
from ansible_collections.k3a.cluster.plugins.modules import reset


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """A host on which two files are ours; the plan is made anew from what is there."""
    paths = [str(tmp_path / name) for name in ("first", "second")]
    for path in paths:
        with open(path, "w", encoding="utf-8"):
            pass

    def plan(_node):
        here = [path for path in paths if os.path.exists(path)]
        return [library.Removal((path,), lambda path=path: os.unlink(path)) for path in here]

    removed_locks = []
    monkeypatch.setattr(library, "observe", lambda *_where: None)
    monkeypatch.setattr(library, "make_plan", plan)
    monkeypatch.setattr(library, "left_alone", lambda _node: [])
    monkeypatch.setattr(reset.data_directory, "CLOSED", ())
    monkeypatch.setattr(reset.identity, "known_data_dir", lambda: "")
    monkeypatch.setattr(reset, "remove_lock", lambda: removed_locks.append(True))
    return paths, removed_locks


def test_check_mode_announces_what_the_run_removes(run_module, planned, tmp_path):
    paths, locks = planned
    announced = run_module(reset, check=True, data_dir=str(tmp_path))
    assert all(map(os.path.exists, paths))
    assert locks == []
    done = run_module(reset, data_dir=str(tmp_path))
    assert not any(map(os.path.exists, paths))
    assert locks == [True]
    for key in ("changed", "removals", "diff"):
        assert announced[key] == done[key]
    assert done["removals"] == paths
    assert done["diff"][0]["before"].splitlines() == paths


def test_a_second_run_changes_nothing(run_module, planned, tmp_path):
    run_module(reset, data_dir=str(tmp_path))
    again = run_module(reset, data_dir=str(tmp_path))
    assert (again["changed"], again["removals"], again["diff"]) == (False, [], [])


def test_the_authority_is_returned_before_it_goes(run_module, planned, tmp_path):
    (tmp_path / "server/tls").mkdir(parents=True)
    (tmp_path / "server/tls/server-ca.crt").write_text("PEM")
    assert run_module(reset, data_dir=str(tmp_path))["authority"] == "PEM"
    assert run_module(reset, data_dir=f"{tmp_path}/nothing")["authority"] == ""


def test_the_directory_counts_that_the_host_has_recorded(run_module, planned, monkeypatch, tmp_path):
    (tmp_path / "server/tls").mkdir(parents=True)
    (tmp_path / "server/tls/server-ca.crt").write_text("PEM")
    asked = []
    monkeypatch.setattr(library, "observe", lambda *where: asked.append(where[0]))
    monkeypatch.setattr(reset.identity, "known_data_dir", lambda: str(tmp_path))
    assert run_module(reset, data_dir="/elsewhere")["authority"] == "PEM"
    assert set(asked) == {str(tmp_path)}


def test_what_does_not_go_fails_in_one_sentence(run_module, planned, monkeypatch, tmp_path):
    def refuse(*_where):
        raise library.ResetError("process 7 (etcd) does not end")

    monkeypatch.setattr(library, "converge", refuse)
    result = run_module(reset, data_dir=str(tmp_path))
    assert result["failed"]
    assert result["msg"] == "k3a is not entirely removed: process 7 (etcd) does not end"


def test_warnings_reach_the_operator(run_module, planned, monkeypatch, tmp_path):
    monkeypatch.setattr(library, "converge", lambda *_where: ["the kernel setting a.b cannot be set to 0"])
    assert "the kernel setting a.b" in str(run_module(reset, data_dir=str(tmp_path))["warnings"])


@pytest.mark.parametrize("data_dir", ["/", "/srv", "/opt", "/home", "/var/lib", "/var/lib/../..", "/usr/local"])
def test_a_directory_that_others_use_is_refused_before_anything_goes(run_module, planned, data_dir):
    paths, _locks = planned
    done = run_module(reset, data_dir=data_dir)
    assert done["failed"]
    assert done["msg"].startswith("nothing was removed: / is" if data_dir.endswith("..") else f"nothing was removed: {data_dir} is")
    assert all(map(os.path.exists, paths))
