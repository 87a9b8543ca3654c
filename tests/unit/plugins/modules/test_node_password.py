# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import Busy
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password as passwords
from ansible_collections.k3a.cluster.plugins.modules import node_password

if os.geteuid() != 0:
    pytest.skip("the file belongs to root", allow_module_level=True)


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "etc/node/password"
    monkeypatch.setattr(passwords, "PASSWORD_FILE", str(path))
    return path


def test_a_password_is_made_once_and_for_root_alone(run_module, path):
    made = run_module(node_password)
    assert made["changed"]
    assert re.fullmatch("[0-9a-f]{32}\n", path.read_text())
    assert files.ownership(str(path)) == (0o600, "root", "root")
    assert files.ownership(str(path.parent)) == (0o700, "root", "root")
    before = path.read_text()
    again = run_module(node_password)
    assert (again["changed"], again["diff"]) == (False, [])
    assert path.read_text() == before


def test_its_hash_is_returned_with_a_new_salt_each_time(run_module, path):
    hashes = [run_module(node_password)["hash"] for _run in range(2)]
    assert hashes[0] != hashes[1]
    assert all(passwords.verify(path.read_text().strip(), hashed) for hashed in hashes)


def test_the_password_itself_is_in_nothing_that_comes_out(run_module, path):
    for _run in range(2):
        result = run_module(node_password)
        assert path.read_text().strip() not in json.dumps(result)
    path.chmod(0o644)
    assert path.read_text().strip() not in json.dumps(run_module(node_password, check=True))


def test_check_mode_announces_it_and_has_no_hash_of_it(run_module, path):
    announced = run_module(node_password, check=True)
    assert (announced["changed"], announced["hash"]) == (True, "")
    assert not path.parent.exists()
    assert run_module(node_password)["diff"] == announced["diff"]


def test_check_mode_has_the_hash_of_one_that_exists(run_module, path):
    run_module(node_password)
    again = run_module(node_password, check=True)
    assert not again["changed"]
    assert passwords.verify(path.read_text().strip(), again["hash"])


def test_a_password_of_before_is_kept_and_its_mode_corrected(run_module, path):
    path.parent.mkdir(parents=True)
    path.write_text("of the former installation\n")
    path.chmod(0o644)
    result = run_module(node_password)
    assert result["changed"]
    assert path.read_text() == "of the former installation\n"
    assert files.ownership(str(path))[0] == 0o600
    assert passwords.verify("of the former installation", result["hash"])


def test_an_empty_file_is_no_password(run_module, path):
    path.parent.mkdir(parents=True)
    path.write_text("\n")
    assert run_module(node_password)["changed"]
    assert len(path.read_text()) == 33


@pytest.mark.parametrize("error", [Busy("another k3a run holds it"), OSError(28, "No space left on device")])
def test_one_that_cannot_be_kept_is_one_sentence(run_module, path, error):
    def refused(_timeout):
        raise error

    failed = run_module(node_password, lock=refused)
    assert failed["failed"]
    assert failed["msg"] == f"the node's password cannot be kept: {getattr(error, 'strerror', error)}"
    assert not path.exists()
