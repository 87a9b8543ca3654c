# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import token as action
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.modules import token as module
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OWN = "abcdef.0123456789abcdef"


@pytest.fixture
def objects(asked_at):
    with keeping() as (objects, url):
        asked_at(url)
        objects.add("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt", {"data": {"ca.crt": PEM}})
        yield objects


def test_a_new_token_goes_to_its_file_and_nowhere_else(run_action, objects, tmp_path):
    path = tmp_path / "token"
    result = run_action(action, module, path=str(path), ttl="1h")
    (line,) = path.read_text().splitlines()
    token = tokens.parse(line)
    assert (token.id, token.ca_hash) == (result["id"], tokens.ca_hash(PEM)) and result["changed"]
    assert files.ownership(str(path))[0] == 0o600
    assert token.secret not in json.dumps(result) and "token" not in result
    assert run_action.exchanges == [True]


def test_a_token_that_was_given_is_whole_in_its_file(run_action, objects, tmp_path):
    path = str(tmp_path / "token")
    result = run_action(action, module, path=path, token=[OWN], ttl="0")
    assert files.read_bytes(path).decode() == f"{tokens.full(PEM, OWN)}\n"
    assert "0123456789abcdef" not in json.dumps(result)
    again = run_action(action, module, path=path, token=OWN, ttl="0")
    assert (again["changed"], again["diff"]) == (False, [])
    os.unlink(path)
    lost = run_action(action, module, path=path, token=OWN, ttl="0")
    assert lost["changed"] and [diff["before_header"] for diff in lost["diff"]] == [path]


def test_check_mode_makes_no_file_and_announces_it(run_action, objects, tmp_path):
    path = str(tmp_path / "token")
    result = run_action(action, module, check=True, path=path)
    assert result["changed"] and not os.path.exists(path)
    assert result["diff"][-1]["after_header"] == path


@pytest.mark.parametrize("path", ["", "none/token"])
def test_a_token_that_could_not_be_kept_is_not_made(run_action, objects, tmp_path, path):
    result = run_action(action, module, path=str(tmp_path / path))
    assert result["failed"] and "cannot be written on the controller" in result["msg"]
    assert run_action.exchanges == [] and objects.requests("POST") == []


def test_without_a_file_the_token_is_the_result(run_action, objects):
    for path in ("", None):
        assert tokens.parse(run_action(action, module, path=path)["token"]).id


def test_no_file_is_touched_by_a_token_that_goes(run_action, objects, tmp_path):
    path = tmp_path / "token"
    path.write_text("another\n")
    result = run_action(action, module, path=str(path), token=[OWN], state="absent")
    assert result["deleted_ids"] == [] and path.read_text() == "another\n"


def test_a_failure_is_passed_on(run_action, objects, tmp_path):
    result = run_action(action, module, path=str(tmp_path / "token"), ttl="2d")
    assert result["failed"] and "no duration" in result["msg"] and not (tmp_path / "token").exists()


@pytest.mark.parametrize("content", ["swordfish-0123456789", f"K10{'a' * 64}::server:swordfish", "K10x"])
def test_a_file_with_another_secret_is_not_written_over(run_action, objects, tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content)
    result = run_action(action, module, path=str(path))
    assert result["failed"] and "holds something else than a bootstrap token; name another file" in result["msg"]
    assert "swordfish" not in result["msg"]
    assert path.read_text() == content and not objects.requests("POST")
