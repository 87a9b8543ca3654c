# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_secret as secrets
from ansible_collections.k3a.cluster.plugins.modules import token_info
from ansible_collections.k3a.cluster.tests.unit.api_server import Answers, answering

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=timezone.utc)


def secret(token_id, **more):
    return secrets.secret_of(secrets.BootstrapToken(token_id, "0123456789abcdef", **more), None)


def test_every_token_says_what_is_left_of_it():
    found = [
        secret("zzzzzz", expires=NOW + timedelta(seconds=90)),
        secret("bbbbbb", expires=NOW - timedelta(seconds=1)),
        secret("aaaaaa", description="for ever", usages=("signing",), groups=()),
    ]
    known, problems = token_info.listed(found, NOW)
    assert [(token["id"], token["ttl"], token["expired"], token["expires"]) for token in known] == [
        ("aaaaaa", None, False, ""),
        ("bbbbbb", 0, True, "2026-11-24T09:59:59Z"),
        ("zzzzzz", 90, False, "2026-11-24T10:01:30Z"),
    ]
    assert (known[0]["description"], known[0]["usages"], known[0]["groups"]) == ("for ever", ["signing"], [])
    assert known[1]["groups"] == ["system:bootstrappers:k3a:default-node-token"]
    assert problems == [] and "0123456789abcdef" not in json.dumps(known)


def test_what_is_no_token_is_told_and_does_not_hide_the_others():
    damaged = {"type": secrets.TYPE, "metadata": {"name": "bootstrap-token-broken"}, "data": {}}
    known, problems = token_info.listed([damaged, secret("aaaaaa")], NOW)
    assert [token["id"] for token in known] == ["aaaaaa"]
    assert len(problems) == 1 and "kube-system/bootstrap-token-broken" in problems[0]


def test_the_tokens_are_asked_for_once(run_module, asked_at):
    path = "/api/v1/namespaces/kube-system/secrets?fieldSelector=type=bootstrap.kubernetes.io/token"
    with answering() as url:
        asked_at(url)
        Answers.paths = {path: {"items": [secret("aaaaaa")]}}
        done = run_module(token_info)
        assert Answers.asked == [path]
    assert not done["changed"] and [token["id"] for token in done["tokens"]] == ["aaaaaa"]


def test_without_a_cluster_it_fails_with_the_reason(run_module, tmp_path):
    failed = run_module(token_info, data_dir=str(tmp_path))
    assert failed["failed"] and failed["msg"].startswith("Tokens: this host is no server of a cluster")
