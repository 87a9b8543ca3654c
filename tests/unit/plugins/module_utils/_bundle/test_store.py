# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store as store_of
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.references import References
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import (
    CONTENTS,
    make_archive,
    make_bundle,
    member_of,
    unpack_as_before,
)

NEWER = {**CONTENTS, "bin/etcd": b"\x7fELF a newer etcd"}


@pytest.fixture
def store(tmp_path):
    for name in ("units", "proc"):
        (tmp_path / name).mkdir()
    references = References(*(str(tmp_path / name) for name in ("units", "proc", "run")))
    return store_of.Store(str(tmp_path / "k3a"), str(tmp_path / "commands"), references)


@pytest.fixture
def shipped(tmp_path):
    identity = make_bundle(tmp_path / "bundle")
    return identity, str(make_archive(tmp_path / "bundle", tmp_path / "stream.tar"))


@pytest.fixture
def newer(tmp_path):
    identity = make_bundle(tmp_path / "newer", NEWER)
    return identity, str(make_archive(tmp_path / "newer", tmp_path / "newer.tar"))


def bring(store, shipped, link=True):
    store_of.install(store, *shipped)
    store_of.apply(store_of.plan(store, shipped[0], link))
    return Path(store.bundle(shipped[0]))


def names(store) -> list[str]:
    return [name for name in store.names() if name != store_of.INDEX]


def content_of(store, path: str, content: bytes) -> Path:
    return Path(store.root, "files", hashlib.sha256(content).hexdigest(), path.rpartition("/")[2])


def everything_below(path: str) -> list[str]:
    return sorted(os.path.join(folder, name) for folder, _folders, names in os.walk(path) for name in names)


def test_nothing_is_there_at_first(store, shipped):
    state = store_of.inspect(store, shipped[0], remember=False)
    assert not state.complete
    assert state.damaged == ()
    assert store_of.held_bundles(store) == {}
    assert not os.path.exists(store.data_dir)


def test_a_shipped_bundle_is_unpacked_and_verified(store, shipped):
    assert store_of.install(store, *shipped) == list(CONTENTS)
    directory = Path(store.bundle(shipped[0]))
    for path, content in CONTENTS.items():
        assert (directory / path).read_bytes() == content
    assert stat.S_IMODE((directory / "bin/etcd").stat().st_mode) == 0o755
    assert stat.S_IMODE((directory / "images/pause.tar").stat().st_mode) == 0o644
    assert (directory / "bin/kubectl").samefile(directory / "bin/kubernetes")
    assert store_of.inspect(store, shipped[0], remember=True).complete
    assert names(store) == [shipped[0], "files"]


def test_a_program_stands_where_its_content_names_it_with_its_further_names_beside_it(store, shipped):
    directory = bring(store, shipped)
    kubernetes = content_of(store, "kubernetes", CONTENTS["bin/kubernetes"])
    assert not kubernetes.is_symlink()
    assert kubernetes.stat().st_nlink == 1
    assert {path.name for path in kubernetes.parent.iterdir()} == {"kubernetes", "kubectl", "kubelet"}
    assert (directory / "bin/kubelet").readlink() == Path("../../files") / kubernetes.parent.name / "kubelet"
    assert (kubernetes.parent / "kubelet").readlink() == Path("kubernetes")


def test_links_come_last_and_a_second_look_changes_nothing(store, shipped):
    directory = bring(store, shipped)
    commands = Path(store.command_dir)
    assert store.linked("current") == shipped[0]
    assert store.linked("previous") is None
    assert (commands / "kubectl").samefile(directory / "bin/kubernetes")
    assert store_of.plan(store, shipped[0], link=True) == store_of.Plan((), (), ())


def test_staging_links_nothing(store, shipped):
    bring(store, shipped, link=False)
    assert names(store) == [shipped[0], "files"]
    assert not os.path.exists(store.command_dir)


def test_a_foreign_command_is_left_alone_and_a_link_of_ours_is_corrected(store, shipped):
    commands = Path(store.command_dir)
    commands.mkdir()
    (commands / "kubectl").write_text("#!/bin/sh\n")
    (commands / "ctr").symlink_to("/usr/bin/ctr")
    (commands / "etcdctl").symlink_to(f"{store.root}/old/bin/etcdctl")
    store_of.install(store, *shipped)
    plan = store_of.plan(store, shipped[0], link=True)
    assert plan.foreign == (f"{commands}/ctr", f"{commands}/kubectl")
    store_of.apply(plan)
    assert (commands / "kubectl").read_text() == "#!/bin/sh\n"
    assert os.readlink(commands / "ctr") == "/usr/bin/ctr"
    assert os.readlink(commands / "etcdctl") == f"{store.root}/current/bin/etcdctl"


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("bin/etcd", lambda path: path.write_bytes(b"\x7fELF etcD")),
        ("bin/etcd", lambda path: path.write_bytes(b"short")),
        ("bin/etcd", lambda path: path.chmod(0o777)),
        ("bin/etcd", Path.unlink),
        ("bin/etcd", lambda path: path.resolve().unlink()),
        ("bin/kubectl", Path.unlink),
        ("bin/kubectl", lambda path: (path.resolve().parent / "kubectl").unlink()),
        ("manifest.json", lambda path: path.write_bytes(b"{}")),
        ("manifest.json", Path.unlink),
    ],
)
def test_damage_on_the_node_is_seen_and_repaired_in_place(store, shipped, name, damage):
    directory = bring(store, shipped)
    store_of.inspect(store, shipped[0], remember=True)
    untouched = (directory / "bin/kubernetes").stat().st_ino
    damage(directory / name)
    assert not store_of.inspect(store, shipped[0], remember=False).complete
    bring(store, shipped)
    assert store_of.inspect(store, shipped[0], remember=False).complete
    assert (directory / "bin/kubernetes").stat().st_ino == untouched


def test_only_what_the_node_lacks_has_to_be_shipped(store, shipped, newer, tmp_path):
    old = bring(store, shipped)
    for path in ("bin/kubernetes", "cni/bridge", "images/pause.tar"):
        member_of(tmp_path / "newer", NEWER[path]).unlink()
    stream = make_archive(tmp_path / "newer", tmp_path / "less.tar")
    assert store_of.install(store, newer[0], str(stream)) == ["bin/etcd"]
    new = Path(store.bundle(newer[0]))
    assert (new / "bin/kubernetes").samefile(old / "bin/kubernetes")
    assert store_of.inspect(store, newer[0], remember=False).complete
    assert store_of.inspect(store, shipped[0], remember=False).complete


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda packed: packed[:-20], "bin/kubernetes is truncated"),
        (lambda packed: packed[:40] + b"XX" + packed[42:], "bin/kubernetes is damaged"),
        (lambda packed: b"", "bin/kubernetes is truncated"),
    ],
)
def test_a_bad_file_in_the_stream_is_refused_by_name_and_nothing_is_replaced(store, shipped, tmp_path, damage, problem):
    directory = bring(store, shipped)
    (directory / "bin/kubernetes").write_bytes(b"damaged, but what there is")
    before = {path: Path(path).read_bytes() for path in everything_below(store.root)}
    member = member_of(tmp_path / "bundle", CONTENTS["bin/kubernetes"])
    member.write_bytes(damage(member.read_bytes()))
    stream = make_archive(tmp_path / "bundle", tmp_path / "bad.tar")
    with pytest.raises(BundleError, match=problem):
        store_of.install(store, shipped[0], str(stream))
    after = {path: Path(path).read_bytes() for path in everything_below(store.root)}
    before.pop(f"{store.root}/{store_of.INDEX}", None)
    after.pop(f"{store.root}/{store_of.INDEX}", None)
    assert after == before


def test_a_stream_that_broke_off_is_refused(store, shipped, tmp_path):
    content = Path(shipped[1]).read_bytes()
    stream = tmp_path / "part.tar"
    for length in (0, 100, 600, 2_600):
        stream.write_bytes(content[:length])
        with pytest.raises(BundleError):
            store_of.install(store, shipped[0], str(stream))
    assert store.names() == []


def test_files_that_a_killed_run_unpacked_are_not_shipped_again(store, shipped, tmp_path):
    bring(store, shipped)
    shutil.rmtree(store.bundle(shipped[0]))
    assert set(store_of.held_bundles(store)) == {hashlib.sha256(content).hexdigest() for content in CONTENTS.values()}
    for content in CONTENTS.values():
        member_of(tmp_path / "bundle", content).unlink()
    stream = make_archive(tmp_path / "bundle", tmp_path / "less.tar")
    assert store_of.install(store, shipped[0], str(stream)) == []
    assert store_of.inspect(store, shipped[0], remember=False).complete


def test_another_bundle_or_one_for_another_machine_is_refused(store, shipped, newer, tmp_path):
    with pytest.raises(BundleError, match="is not the one that was announced"):
        store_of.install(store, shipped[0], newer[1])
    foreign = make_bundle(tmp_path / "foreign", architecture="s390x")
    stream = make_archive(tmp_path / "foreign", tmp_path / "foreign.tar")
    with pytest.raises(BundleError, match="the bundle is for s390x, this host is"):
        store_of.install(store, foreign, str(stream))


def test_a_file_that_the_stream_lacks_is_named(store, shipped, tmp_path):
    member_of(tmp_path / "bundle", CONTENTS["cni/bridge"]).unlink()
    stream = make_archive(tmp_path / "bundle", tmp_path / "lacks.tar")
    with pytest.raises(BundleError, match="cni/bridge is missing in what arrived"):
        store_of.install(store, shipped[0], str(stream))


def test_a_full_disk_is_said_before_anything_is_unpacked(store, shipped, monkeypatch):
    monkeypatch.setattr(store_of, "free_space", lambda path: 1 << 20)
    with pytest.raises(BundleError, match="has 1 MiB free and needs 64 MiB"):
        store_of.install(store, *shipped)
    assert store.names() == []


def test_what_a_killed_run_left_is_taken_away(store, shipped):
    """Killed while unpacking, and killed while removing."""
    for name in (f".{shipped[0]}.new", ".0123.old"):
        left = Path(store.root, name, "bin")
        left.mkdir(parents=True)
        (left / "etcd").write_bytes(b"half")
    assert store_of.install(store, *shipped) == list(CONTENTS)
    store_of.apply(store_of.plan(store, shipped[0], link=True))
    assert names(store) == sorted([shipped[0], "current", "files"])


def test_previous_is_the_bundle_before_and_older_ones_go(store, shipped, newer, tmp_path):
    bring(store, shipped)
    bring(store, newer)
    assert (store.linked("current"), store.linked("previous")) == (newer[0], shipped[0])
    newest = make_bundle(tmp_path / "newest", {**CONTENTS, "bin/etcd": b"\x7fELF the newest etcd"})
    bring(store, (newest, str(make_archive(tmp_path / "newest", tmp_path / "newest.tar"))))
    assert names(store) == sorted([newest, newer[0], "current", "files", "previous"])
    # The removal of a bundle leaves its files to those that have them too; the rest is swept.
    assert content_of(store, "etcd", CONTENTS["bin/etcd"]).exists()
    store_of.sweep(store)
    assert not content_of(store, "etcd", CONTENTS["bin/etcd"]).parent.exists()
    assert all(os.path.exists(os.path.join(store.root, name)) for name in store.index().known)
    assert store_of.inspect(store, newer[0], remember=False).complete
    assert store_of.inspect(store, newest, remember=False).complete


def test_a_file_that_something_refers_to_is_not_swept(store, shipped, tmp_path):
    bring(store, shipped)
    shutil.rmtree(store.bundle(shipped[0]))
    etcd = content_of(store, "etcd", CONTENTS["bin/etcd"])
    Path(store.references.unit_dir, "k3a-etcd.service").write_text(f"[Service]\nExecStart={etcd}\n")
    store_of.sweep(store)
    assert os.listdir(f"{store.root}/files") == [etcd.parent.name]
    assert etcd.exists()


def test_nothing_is_swept_while_a_manifest_cannot_be_read(store, shipped):
    directory = bring(store, shipped)
    (directory / "manifest.json").write_text("{}")
    before = everything_below(store.root)
    store_of.sweep(store)
    assert everything_below(store.root) == before


def test_a_bundle_that_something_refers_to_stays(store):
    by_unit, by_nobody = ("a" * 64, "c" * 64)
    for identity in (by_unit, by_nobody):
        Path(store.bundle(identity)).mkdir(parents=True)
    unit = Path(store.references.unit_dir, "k3a-etcd.service")
    unit.write_text(f"[Service]\nExecStart={store.bundle(by_unit)}/bin/etcd\n")
    assert store_of.unused(store, set()) == (store.bundle(by_nobody),)


# ---- what an earlier version left: bundles whose files stand in their own directories


@pytest.fixture
def taken_over(store, shipped, tmp_path):
    unpack_as_before(tmp_path / "bundle", Path(store.bundle(shipped[0])))
    store_of.apply(store_of.plan(store, shipped[0], link=True))
    return Path(store.bundle(shipped[0]))


def test_a_bundle_that_an_earlier_version_unpacked_is_complete_as_it_is(store, shipped, taken_over):
    before = everything_below(store.root)
    assert store_of.inspect(store, shipped[0], remember=False).complete
    assert store_of.plan(store, shipped[0], link=True).changes() == []
    store_of.sweep(store)
    assert everything_below(store.root) == before


def test_its_files_are_taken_and_it_stays_as_it_is(store, shipped, taken_over, newer, tmp_path):
    for path in ("bin/kubernetes", "cni/bridge", "images/pause.tar"):
        member_of(tmp_path / "newer", NEWER[path]).unlink()
    stream = make_archive(tmp_path / "newer", tmp_path / "less.tar")
    assert store_of.install(store, newer[0], str(stream)) == ["bin/etcd"]
    assert Path(store.bundle(newer[0]), "bin/kubernetes").samefile(taken_over / "bin/kubernetes")
    assert store_of.inspect(store, newer[0], remember=False).complete
    assert store_of.inspect(store, shipped[0], remember=False).complete
    assert not (taken_over / "bin/kubernetes").is_symlink()


def test_a_way_back_to_it_brings_it_to_the_place_of_today(store, shipped, taken_over, newer, tmp_path):
    """Else units would be restarted for another path of the same program."""
    bring(store, newer)
    assert not store_of.inspect(store, shipped[0], remember=False).complete
    for content in CONTENTS.values():
        member_of(tmp_path / "bundle", content).unlink()
    stream = make_archive(tmp_path / "bundle", tmp_path / "less.tar")
    bring(store, (shipped[0], str(stream)))
    assert store_of.inspect(store, shipped[0], remember=False).complete
    kubernetes = content_of(store, "kubernetes", CONTENTS["bin/kubernetes"])
    assert (taken_over / "bin/kubernetes").readlink() == Path("../../files") / kubernetes.parent.name / "kubernetes"


def test_what_is_damaged_of_it_comes_to_the_place_of_today(store, shipped, taken_over):
    (taken_over / "bin/kubernetes").write_bytes(b"damaged")
    state = store_of.inspect(store, shipped[0], remember=False)
    assert sorted(state.damaged) == ["bin/kubectl", "bin/kubelet", "bin/kubernetes"]
    assert store_of.install(store, *shipped) == ["bin/kubernetes"]
    assert store_of.inspect(store, shipped[0], remember=False).complete
    kubelet = content_of(store, "kubelet", CONTENTS["bin/kubernetes"])
    assert Path(os.path.normpath(taken_over / "bin" / (taken_over / "bin/kubelet").readlink())) == kubelet
    assert not (taken_over / "bin/etcd").is_symlink()


def test_the_index_saves_reading_and_never_hides_a_change(store, shipped, monkeypatch):
    directory = bring(store, shipped)
    store_of.inspect(store, shipped[0], remember=True)
    read = []
    monkeypatch.setattr(store_of, "sha256_of", read.append)
    assert store_of.inspect(store, shipped[0], remember=False).complete
    assert read == []
    os.utime(directory / "bin/etcd")
    store_of.inspect(store, shipped[0], remember=False)
    assert read == [str(content_of(store, "etcd", CONTENTS["bin/etcd"]))]


def test_looking_without_remembering_writes_nothing(store, shipped):
    bring(store, shipped)
    before = everything_below(store.data_dir)
    store_of.inspect(store, shipped[0], remember=False)
    assert everything_below(store.data_dir) == before
