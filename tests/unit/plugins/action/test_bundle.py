# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import bundle as action
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import canonical, parse_manifest
from ansible_collections.k3a.cluster.plugins.modules import bundle as module
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import CONTENTS, make_bundle, manifest_data

MANIFEST = parse_manifest(canonical(manifest_data()))
LINK = {"before_header": "/d/data/current", "after_header": "/d/data/current", "before": "", "after": "link to x\n"}


def report(**changes):
    """What the module sees on a node with nothing on it."""
    return {
        "changed": True,
        "complete": False,
        "damaged_files": [],
        "held_files": [],
        "removed_directories": [],
        "foreign_commands": [],
        "architecture": "amd64",
        "current": {"id": None, "versions": {}},
        "diff": [LINK],
        **changes,
    }


def test_an_empty_node_lacks_everything():
    assert action.missing_files(MANIFEST, report()) == list(MANIFEST.files)


def test_content_that_the_node_holds_is_not_shipped():
    held = [hashlib.sha256(CONTENTS[path]).hexdigest() for path in ("bin/kubernetes", "cni/bridge", "images/pause.tar")]
    assert [entry.path for entry in action.missing_files(MANIFEST, report(held_files=held))] == ["bin/etcd"]


def test_a_complete_bundle_needs_nothing():
    assert action.missing_files(MANIFEST, report(complete=True)) == []


def test_check_mode_announces_what_the_real_run_reports():
    observed = report()
    announced = action.summary(MANIFEST, observed, observed, list(MANIFEST.files), "/d")
    done = action.summary(MANIFEST, observed, report(complete=True), list(MANIFEST.files), "/d")
    assert {**announced, "programs": {}} == done
    # The modules of components find these by themselves when the bundle is there.
    assert announced["programs"]["bin/kubelet"].startswith("/d/data/files/")
    assert done["path"] == f"/d/data/{MANIFEST.id}"
    assert done["images"] == [{**MANIFEST.images[0], "path": f"/d/data/{MANIFEST.id}/images/pause.tar"}]
    assert done["installed_files"] == list(CONTENTS)
    assert done["diff"][1] == LINK


def test_the_diff_of_an_upgrade_shows_versions_and_what_is_shipped():
    current = {"id": "0" * 64, "versions": {"etcd": "v3.7.2", "kubernetes": "v1.37.2"}}
    (etcd,) = [entry for entry in MANIFEST.files if entry.path == "bin/etcd"]
    (diff,) = action.component_diff(MANIFEST, report(current=current), [etcd], "/d/data/x")
    assert diff["before"] == "etcd v3.7.2\nkubernetes v1.37.2\n"
    assert diff["after"] == f"etcd v3.7.3\nkubernetes v1.37.2\nbin/etcd shipped, {etcd.size} bytes\n"


def test_the_diff_of_a_repair_names_the_files():
    current = {"id": MANIFEST.id, "versions": MANIFEST.versions}
    observed = report(current=current, damaged_files=["bin/kubectl"])
    (diff,) = action.component_diff(MANIFEST, observed, [], "/d/data/x")
    assert diff["before"] == diff["after"] + "bin/kubectl damaged or missing\n"


def test_nothing_to_do_is_no_change_and_no_diff():
    observed = report(complete=True, changed=False, diff=[])
    result = action.summary(MANIFEST, observed, observed, [], "/d")
    assert (result["changed"], result["diff"], result["installed_files"]) == (False, [], [])


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A bundle on this machine, which is the node too; its login user is the one of this process."""
    monkeypatch.setenv("K3A_CACHE", str(tmp_path / "cache"))
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(action.shipping, "run_directory", lambda: str(tmp_path / "run"))
    monkeypatch.setattr(action.shipping, "login_user", lambda _action: os.getuid())
    make_bundle(tmp_path / "bundle")
    places = {"data_dir": str(tmp_path / "k3a"), "command_dir": str(tmp_path / "commands")}
    return {"bundle": str(tmp_path / "bundle"), **places}


def test_what_a_node_lacks_arrives_below_its_data_directory_and_leaves_nothing_there(node, run_action):
    announced = run_action(action, module, check=True, **node)
    assert not os.path.exists(node["data_dir"])
    done = run_action(action, module, **node)
    assert {**announced, "programs": {}} == done
    assert sorted(os.listdir(f"{node['data_dir']}/data")) == sorted([done["id"], "current", "files", "verified.json"])
    assert run_action(action, module, **node)["changed"] is False


def test_where_the_stream_goes_is_not_for_the_host_to_say(node, run_action, monkeypatch):
    # sftp reads its commands by lines, and this ends the quoted path for it: the second would run on the controller.
    forged = "/tmp/a\\'\" #\n!touch /tmp/owned #"
    received, put = module.bundle.receive, action.shipping.put
    places = []

    def receive(params):
        return {**received(params), "incoming": forged}

    def remember(shipper, local, remote):
        places.append(remote)
        if forged not in remote:
            put(shipper, local, remote)

    monkeypatch.setattr(module.bundle, "receive", receive)
    monkeypatch.setattr(action.shipping, "put", remember)
    run_action(action, module, **node)
    assert places == [f"{node['data_dir']}/data/.incoming/bundle.tar"]


def test_a_node_without_room_is_told_so_before_anything_is_shipped(node, run_action, monkeypatch):
    monkeypatch.setattr(store, "free_space", lambda path: 1 << 20)
    for check in (True, False):
        result = run_action(action, module, check=check, **node)
        assert result["failed"] and "has 1 MiB free and needs 64 MiB: make room" in result["msg"]
    assert not os.path.exists(node["data_dir"])


@pytest.mark.parametrize("check", [True, False])
def test_what_runs_does_not_become_older_nor_skips_a_version(node, run_action, monkeypatch, check):
    """Shipped ahead of time it may be, since nothing uses it then."""
    monkeypatch.setattr(module.bundle.upgrade, "installed", lambda _store: {"kubernetes": "v1.38.0"})
    result = run_action(action, module, check=check, **node)
    assert result["failed"] and result["msg"].startswith("Kubernetes cannot go back from v1.38.0, which the host has, to v1.37.2")
    assert not os.path.exists(node["data_dir"])
    assert not run_action(action, module, check=True, link=False, **node).get("failed")
    monkeypatch.setattr(module.bundle.upgrade, "installed", lambda _store: {"kubernetes": "v1.35.0"})
    assert run_action(action, module, check=True, server=True, **node)["failed"]
    assert not run_action(action, module, check=True, **node).get("failed")
