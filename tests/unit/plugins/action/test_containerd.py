# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.action import containerd as action
from ansible_collections.k3a.cluster.plugins.module_utils._components import registries

AUTH = {"username": "me", "password": "canary-password"}
CASES = [
    {},
    {"mirrors": {"docker.io": {"endpoint": ["https://mirror.example.org"]}}},
    {"configs": {"reg.example:5000": {"auth": AUTH, "tls": {"insecure_skip_verify": True}}}},
    {"configs": {"a": {"auth": {"identity_token": "canary-token"}}, "b": {"tls": {"ca_file": "/ca"}}}, "mirrors": {}},
]


@pytest.mark.parametrize("given", CASES)
def test_parted_and_joined_is_what_was_given(given):
    assert registries.merge_secrets(*registries.split_secrets(given)) == given


@pytest.mark.parametrize("given", CASES)
def test_the_public_part_holds_no_secret(given):
    public, _secrets = registries.split_secrets(given)
    assert "canary" not in json.dumps(public)


def test_the_module_gets_the_parts(monkeypatch):
    seen = {}

    def executed(_self, name, module_args, task_vars):
        del task_vars
        seen.update(module_args, name=name)
        return {"changed": False}

    monkeypatch.setattr(action.ActionModule, "_execute_module", executed)
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_: {})
    plugin = action.ActionModule.__new__(action.ActionModule)
    plugin._task = type("Task", (), {"args": {"bundle": "/b", "registries": CASES[2]}})()
    plugin.run()
    assert seen["name"] == "k3a.cluster.containerd"
    assert seen["registry_secrets"] == {"reg.example:5000": {"password": "canary-password"}}
    assert seen["registries"]["configs"]["reg.example:5000"]["auth"] == {"username": "me"}
