# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib

import pytest
from ansible_collections.k3a.cluster.plugins.action import check_cluster
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import canonical

GROUPS = {"all": ["node-1", "node-2"], "server": ["node-1"], "agent": ["node-2"]}
NFT = {"name": "command_nft", "level": "fail", "message": "the host has no command nft", "remedy": "install it"}
SWAP = {"name": "swap", "level": "warn", "message": "swap is on", "remedy": "switch it off"}


def looked(name, *findings, bundle="", **facts):
    return {
        "host": {"name": name, "server": name == "node-1", "bundle": bundle, "cluster": {}},
        "findings": list(findings),
        "facts": {"machine_id": name, "node_name": name, **facts},
    }


class Action(check_cluster.ActionModule):
    """The action without the task and connection around it."""

    def __init__(self, results):
        self.results = results

    def validate_argument_spec(self, argument_spec):
        return None, {"results": self.results}


@pytest.fixture
def judge(monkeypatch, tmp_path):
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})
    monkeypatch.setenv("K3A_CACHE", str(tmp_path / "cache"))
    return lambda *results, groups=GROUPS: Action(list(results)).run(task_vars={"groups": groups})


def test_all_is_well(judge):
    result = judge(looked("node-1"), looked("node-2"))
    assert result == {
        "changed": False,
        "failed": False,
        "warnings": [],
        "msg": "2 hosts are ready for Kubernetes.",
    }


def test_without_results_the_groups_alone_are_judged(judge):
    assert judge()["msg"] == "The groups are in order."
    assert judge(groups={"all": [], "ungrouped": []})["failed"] is True


def test_one_message_names_all_hosts(judge):
    result = judge(looked("node-1", SWAP), looked("node-2", NFT, node_name="node-1"))
    assert result["failed"] is True
    assert result["msg"].splitlines() == [
        "2 things are in the way, and nothing has been changed.",
        "node-1, node-2: have one node name (node-1); set k3a_node_name on one",
        "node-2: the host has no command nft; install it",
    ]
    assert result["warnings"] == ["node-1: swap is on; switch it off"]


def test_a_host_whose_check_broke_is_left_to_ansible(judge):
    assert judge(looked("node-1"), {"unreachable": True, "msg": "no route"})["msg"] == "1 host is ready for Kubernetes."


class TestBundles:
    @pytest.fixture
    def bundle(self, tmp_path):
        content = b"#!/bin/sh\n"
        sha256 = hashlib.sha256(content).hexdigest()
        manifest = {
            "format": 1,
            "architecture": "amd64",
            "components": {"runc": {"version": "v1.5.2"}},
            "files": [{"path": "bin/runc", "sha256": sha256, "size": len(content), "mode": "0755"}],
            "links": {},
            "images": [],
            "flags": {},
        }
        folder = tmp_path / "bundle"
        (folder / "files").mkdir(parents=True)
        (folder / "manifest.json").write_bytes(canonical(manifest))
        self.packed = folder / "files" / f"{sha256}.gz"
        self.packed.write_bytes(gzip.compress(content))
        return str(folder)

    def test_a_sound_one_passes(self, judge, bundle):
        assert judge(looked("node-1", bundle=bundle), looked("node-2", bundle=bundle))["failed"] is False

    def test_a_tampered_one_is_named_once(self, judge, bundle):
        self.packed.write_bytes(gzip.compress(b"#!/bin/ksh\n"[:10]))
        result = judge(looked("node-1", bundle=bundle), looked("node-2", bundle=bundle))
        first, *lines = result["msg"].splitlines()
        assert first.startswith("One thing")
        assert len(lines) == 1
        assert lines[0].startswith(f"inventory: the bundle {bundle} cannot be used: bin/runc is")
