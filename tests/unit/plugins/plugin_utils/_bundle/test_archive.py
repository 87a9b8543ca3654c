# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import lock_link
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component, bundle_key
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle import archive as bundles
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import CONTENTS, make_archive, make_bundle, member_of

LARGEST = CONTENTS["bin/kubernetes"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("K3A_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    make_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def as_directory(folder):
    return str(folder)


def as_archive(folder):
    return str(make_archive(folder, folder.parent / "bundle.tar"))


FORMS = pytest.mark.parametrize("form", [as_directory, as_archive])


@FORMS
def test_a_bundle_is_opened_and_verified(folder, form):
    bundle = bundles.open_bundle(form(folder))
    bundle.verify()
    assert bundle.manifest.versions["etcd"] == "v3.7.3"
    assert set(bundle.parts) >= {entry.member for entry in bundle.manifest.files}


@FORMS
def test_a_stream_is_a_bundle_of_what_was_asked_for(folder, form, tmp_path):
    bundle = bundles.open_bundle(form(folder))
    wanted = [entry for entry in bundle.manifest.files if entry.path in ("bin/etcd", "cni/bridge")]
    stream = bundle.packed(wanted, str(tmp_path))
    with tarfile.open(stream) as archive:
        names = archive.getnames()
        assert archive.extractfile("manifest.json").read() == bundle.manifest.text
        for entry in wanted:
            assert archive.extractfile(entry.member).read() == (folder / entry.member).read_bytes()
    assert names == ["manifest.json", *sorted(entry.member for entry in wanted)]
    assert bundle.packed_size(wanted) < os.path.getsize(stream)


def test_a_stream_is_packed_once_for_all_who_lack_the_same(folder, tmp_path):
    """By the processes of several hosts at once, too."""
    bundle = bundles.open_bundle(str(folder))
    all_files, some = list(bundle.manifest.files), [bundle.manifest.files[0]]
    fork = multiprocessing.get_context("fork")
    with fork.Pool(4) as pool:
        made = pool.starmap(bundle.packed, [(all_files, str(tmp_path))] * 8 + [(some, str(tmp_path))] * 8)
    assert len(set(made)) == 2
    before = {path: os.stat(path).st_ino for path in made}
    assert bundle.packed(reversed(all_files), str(tmp_path)) == made[0]
    assert {path: os.stat(path).st_ino for path in made} == before
    assert len([name for name in os.listdir(tmp_path) if name.endswith((".tar", ".new"))]) == 2


def test_an_archive_is_itself_the_stream_for_who_lacks_all_of_it(folder, tmp_path):
    path = str(make_archive(folder, tmp_path / "whole.tar"))
    bundle = bundles.open_bundle(path)
    assert bundle.packed(bundle.manifest.files, str(tmp_path)) == path
    assert bundle.packed(bundle.manifest.files[:1], str(tmp_path)) != path


@FORMS
def test_a_file_that_was_cut_is_noticed_without_reading_it(folder, form):
    member = member_of(folder, LARGEST)
    member.write_bytes(member.read_bytes()[:-30])
    with pytest.raises(BundleError, match="bin/kubernetes is truncated or damaged"):
        bundles.open_bundle(form(folder))


@FORMS
def test_a_tampered_file_is_noticed_by_reading_it(folder, form):
    member = member_of(folder, LARGEST)
    content = bytearray(member.read_bytes())
    content[40] ^= 1
    member.write_bytes(bytes(content))
    bundle = bundles.open_bundle(form(folder))
    with pytest.raises(BundleError, match=r"cannot be used: bin/kubernetes is damaged: .*\(files/[0-9a-f]{64}\.gz\)"):
        bundle.verify()


def test_what_was_verified_is_not_read_again_until_it_changes(folder, monkeypatch):
    bundles.open_bundle(str(folder)).verify()
    read = []
    monkeypatch.setattr(bundles, "unpack", lambda packed, entry: read.append(entry.path) or [])
    bundles.open_bundle(str(folder)).verify()
    assert read == []
    os.utime(member_of(folder, LARGEST))
    bundles.open_bundle(str(folder)).verify()
    assert read == ["bin/kubernetes"]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: member_of(folder, LARGEST).unlink(), "bin/kubernetes is missing"),
        (lambda folder: member_of(folder, LARGEST).write_bytes(b""), "bin/kubernetes is truncated"),
        (lambda folder: member_of(folder, LARGEST).write_bytes(LARGEST), "bin/kubernetes is damaged: it is not a gzip"),
        (lambda folder: (folder / "manifest.json").unlink(), r"it has no manifest\.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), r"manifest\.json is not valid JSON"),
        (lambda folder: (folder / "manifest.json").write_text('{"format": 9}'), r"manifest\.json has format 9"),
    ],
)
def test_a_broken_directory_is_refused_with_its_name(folder, damage, problem):
    damage(folder)
    with pytest.raises(BundleError, match=f"the bundle {folder} cannot be used: {problem}"):
        bundles.open_bundle(str(folder))


def test_what_is_no_bundle_is_refused(tmp_path, folder):
    with pytest.raises(BundleError, match="there is no bundle .*/nowhere on the controller"):
        bundles.open_bundle(str(tmp_path / "nowhere"))
    text = tmp_path / "text"
    text.write_text("hello")
    with pytest.raises(BundleError, match="neither a directory nor an uncompressed tar"):
        bundles.open_bundle(str(text))
    archive = make_archive(folder, tmp_path / "cut.tar")
    whole = archive.read_bytes()
    for length in (0, 1000, 2600):
        archive.write_bytes(whole[:length])
        with pytest.raises(BundleError, match=r"the bundle .*/cut\.tar cannot be used"):
            bundles.open_bundle(str(archive))


def test_an_archive_made_by_tar_is_as_good(folder, tmp_path):
    with tarfile.open(tmp_path / "by-tar.tar", "w") as archive:
        archive.add(folder, ".")
    bundles.open_bundle(str(tmp_path / "by-tar.tar")).verify()


class TestDefault:
    """The bundle that was built from lock files."""

    SOURCE = Path(__file__).parents[5] / "bundle"

    @pytest.fixture
    def source(self, tmp_path):
        return Path(shutil.copytree(self.SOURCE, tmp_path / "source"))

    @pytest.fixture
    def built(self, source, tmp_path):
        """What a build of these lock files leaves in the cache."""
        cached = tmp_path / "cache"
        (cached / "bundles/x").mkdir(parents=True)
        recipes = yaml.safe_load((source / "components.yml").read_text())["components"]
        key = bundle_key([Component(name, recipe, str(source), str(cached)) for name, recipe in recipes.items()])
        link = Path(lock_link(str(cached), key))
        link.parent.mkdir(parents=True)
        link.symlink_to("../bundles/x")
        return cached

    @pytest.fixture(autouse=True)
    def asked_anew(self):
        """It is looked for once in a process; each test is one of its own."""
        bundles.default_bundle.cache_clear()
        yield
        bundles.default_bundle.cache_clear()

    def test_the_lock_files_are_the_collections_own(self):
        assert bundles.SOURCE.samefile(self.SOURCE)

    def test_the_bundle_of_these_lock_files_is_found(self, source, built, monkeypatch):
        assert bundles.find(str(source), str(built)) == str(built / "bundles/x")
        monkeypatch.setattr(bundles, "SOURCE", source)
        monkeypatch.setenv("K3A_CACHE", str(built))
        assert bundles.default_bundle() == str(built / "bundles/x")

    def test_after_an_edit_of_a_lock_file_it_has_to_be_built(self, source, built):
        with (source / "etcd/go.sum").open("a") as stream:
            stream.write("one more line\n")
        with pytest.raises(BundleError, match=r"not in .*/cache: build it with ansible-playbook k3a\.cluster\.bundle"):
            bundles.find(str(source), str(built))
