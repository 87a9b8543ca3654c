# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import installation as bundle
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store as store_of
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import CONTENTS, make_archive, make_bundle


@pytest.fixture
def params(tmp_path):
    return {
        "data_dir": str(tmp_path / "k3a"),
        "command_dir": str(tmp_path / "commands"),
        "link": True,
        "id": make_bundle(tmp_path / "bundle"),
        "receiver": None,
        "stream": None,
    }


def receive(params):
    """The place that was made for a stream."""
    bundle.receive({**params, "receiver": os.getuid()})
    return Path(bundle.store_in(params).incoming)


@pytest.fixture
def bring(params, tmp_path):
    """Bring the stream as the controller does, and converge."""
    archive = make_archive(tmp_path / "bundle", tmp_path / "stream.tar")

    def converge(**changes):
        stream = f"{receive(params)}/bundle.tar"
        shutil.copy(archive, stream)
        return bundle.converge({**params, "stream": stream, **changes})

    return converge


def test_the_first_run_says_what_is_missing_and_changes_nothing(params):
    result = bundle.converge(params)
    assert (result["complete"], result["installed_files"], result["held_files"]) == (False, [], [])
    assert result["free"] > 0
    assert not os.path.exists(params["data_dir"])


def test_looking_announces_the_links_that_the_real_run_makes(params, bring):
    announced = bundle.look(params, remember=False)["diff"]
    assert not os.path.exists(params["data_dir"])
    assert bring()["diff"] == announced
    assert [Path(change["after_header"]).name for change in announced] == [
        "current", "crictl", "ctr", "etcdctl", "kubectl",
    ]  # fmt: skip


def test_a_stream_arrives_where_only_its_user_writes(params):
    place = receive(params)
    assert (place.stat().st_uid, stat.S_IMODE(place.stat().st_mode)) == (os.getuid(), 0o700)
    (place / "bundle.tar").write_bytes(b"of a run that was killed")
    assert list(receive(params).iterdir()) == []


def test_a_stream_makes_it_complete_and_the_next_run_changes_nothing(params, bring):
    first = bring()
    assert (first["changed"], first["complete"], first["installed_files"]) == (True, True, list(CONTENTS))
    assert not any(name.startswith(".") for name in os.listdir(f"{params['data_dir']}/data"))
    second = bundle.converge(params)
    assert (second["changed"], second["complete"], second["diff"], second["removed_directories"]) == (False, True, [], [])


def test_a_stream_that_another_run_took_away_is_asked_for_again_unless_that_run_brought_the_same(params, bring):
    gone = {**params, "stream": f"{params['data_dir']}/data/.incoming/bundle.tar"}
    with pytest.raises(BundleError, match="another run on this host took what was shipped away"):
        bundle.converge(gone)
    bring()
    assert bundle.converge(gone)["complete"] is True


def test_a_staged_bundle_is_linked_without_shipping(params, bring):
    bring(link=False)
    assert bundle.converge({**params, "link": False})["changed"] is False
    linked = bundle.converge(params)
    assert (linked["changed"], linked["complete"], linked["installed_files"]) == (True, True, [])
    assert os.readlink(f"{params['data_dir']}/data/current") == params["id"]


def test_a_killed_run_before_the_links_is_finished_by_the_next(params, bring):
    bring()
    os.unlink(f"{params['data_dir']}/data/current")
    os.unlink(f"{params['command_dir']}/kubectl")
    assert bundle.converge(params)["changed"] is True
    assert bundle.converge(params)["changed"] is False


def test_what_killed_runs_left_is_announced_and_collected(params, bring):
    bring()
    data = Path(params["data_dir"], "data")
    for name in (".incoming", f".{params['id']}.new", ".0123.old"):
        (data / name / "files").mkdir(parents=True)
    left = [data / ".current.new", data / "current.1234.new", data / ".verified.json.77.new"]
    left += [Path(params["command_dir"], name) for name in (".kubectl.new", "kubectl.1234.new")]
    for path in left:
        path.symlink_to(f"{data}/current/bin/kubectl")
    foreign = Path(params["command_dir"], "ctr.12.new")
    foreign.symlink_to("/usr/bin/ctr")
    announced = bundle.look(params, remember=False)
    assert announced["changed"] is True
    assert bundle.converge(params)["removed_directories"] == announced["removed_directories"]
    assert len(announced["removed_directories"]) == 8
    assert sorted(os.listdir(data)) == sorted([params["id"], "current", "files", "verified.json"])
    assert foreign.is_symlink()
    assert bundle.converge(params)["changed"] is False


def test_a_look_and_a_step_read_no_file_twice(params, bring, tmp_path, monkeypatch):
    """After another bundle was staged, and after older ones went, where links to files come and go."""
    bring()
    read = []
    sha256_of = store_of.sha256_of
    monkeypatch.setattr(store_of, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    for number in range(3):
        contents = {**CONTENTS, "bin/etcd": b"\x7fELF etcd %d" % number}
        newer = {"id": make_bundle(tmp_path / f"newer{number}", contents), "link": False}
        shutil.rmtree(tmp_path / "bundle")
        shutil.copytree(tmp_path / f"newer{number}", tmp_path / "bundle")
        make_archive(tmp_path / "bundle", tmp_path / "stream.tar")
        bring(**newer)
        for remember, identity in ((False, params["id"]), (True, newer["id"])):
            assert bundle.look({**params, "id": identity}, remember)["complete"] is True
        bundle.converge({**params, "id": newer["id"]})
        del read[:]
        params["id"] = newer["id"]
        assert bundle.look(params, remember=False)["changed"] is False
        assert read == []


def test_a_look_of_a_real_run_remembers_what_it_read_and_check_mode_does_not(params, bring, monkeypatch):
    bring()
    index = Path(params["data_dir"], "data", "verified.json")
    index.unlink()
    assert drift.check("bundle", {**params, "bundle": "b"})["changed"] is False
    assert not index.exists()
    drift.check("bundle", {**params, "bundle": "b"}, of_a_real_run=True)
    monkeypatch.setattr(store_of, "sha256_of", None)
    assert drift.check("bundle", {**params, "bundle": "b"})["changed"] is False
