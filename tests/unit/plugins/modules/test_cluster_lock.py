# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lock, lock_file
from ansible_collections.k3a.cluster.plugins.module_utils._engine import own_units
from ansible_collections.k3a.cluster.plugins.modules import cluster_lock as module


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_file, "LOCK", str(tmp_path / "cluster.lock"))
    monkeypatch.setattr(lock, "PROGRAM", str(tmp_path / "lock.pyz"))
    monkeypatch.setattr(own_units, "installed", dict)
    return tmp_path / "cluster.lock"


def test_it_is_taken_renewed_and_given_back(run_module, path):
    taken = run_module(module, id="a", holder="ann")
    assert (taken["changed"], taken["was_holder"], taken["interpreter"]) == (False, False, sys.executable)
    assert taken["unleased_reason"] == "this host has no API server yet"
    assert path.exists() and (os.stat(lock.PROGRAM).st_mode & 0o777) == 0o600
    assert run_module(module, id="a", holder="ann")["was_holder"] is True
    assert run_module(module, id="a", state="absent")["changed"] is False
    assert not path.exists() and not os.path.exists(lock.PROGRAM)


def test_a_held_cluster_fails_with_the_holder(run_module, path):
    lock_file.take("a", "ann@ctl", path=str(path))
    result = run_module(module, id="b", holder="bob")
    assert result["failed"] and "ann@ctl" in result["msg"]
    assert result["other_lock"]["id"] == "a"
    assert not run_module(module, id="b", holder="bob", replaces="a").get("failed")


def test_check_mode_only_looks(run_module, path):
    assert run_module(module, check=True, id="a", holder="ann")["other_lock"] is None
    assert not path.exists()
    lock_file.take("a", "ann", path=str(path))
    before = path.read_text()
    assert run_module(module, check=True, id="a", holder="ann")["other_lock"] is None
    other = run_module(module, check=True, id="b", holder="bob")
    assert other["other_lock"]["holder"] == "ann" and not other.get("failed")
    assert run_module(module, check=True, id="a", state="absent")["changed"] is False
    assert path.read_text() == before


def test_giving_back_what_is_anothers_does_nothing(run_module, path):
    lock_file.take("a", "ann", path=str(path))
    assert not run_module(module, id="b", state="absent").get("failed")
    assert lock_file.holder_of(str(path))["id"] == "a"


def test_without_its_other_half_it_says_so(run_module, path):
    result = run_module(module)
    assert result["failed"] and "half on the controller" in result["msg"]
    assert not path.exists()
