# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib
import io
import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import manifest as bundle
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import CONTENTS, manifest_data

GOOD = {"path": "bin/etcd", "sha256": "0" * 64, "size": 1, "mode": "0755"}


def entry_of(content: bytes) -> bundle.Entry:
    return bundle.Entry("bin/etcd", hashlib.sha256(content).hexdigest(), len(content), 0o755)


def test_a_manifest_is_read_and_its_id_is_the_digest_of_its_bytes():
    text = bundle.canonical(manifest_data())
    manifest = bundle.parse_manifest(text)
    assert manifest.id == hashlib.sha256(text).hexdigest()
    assert manifest.versions == {"etcd": "v3.7.3", "kubernetes": "v1.37.2"}
    assert {entry.path: entry.mode for entry in manifest.files}["images/pause.tar"] == 0o644
    assert manifest.size == sum(map(len, CONTENTS.values()))
    assert manifest.images == (
        {"name": "registry.k8s.io/pause:3.10", "path": "images/pause.tar", "component": "pause"},
    )
    assert {path: entry.path for path, entry in manifest.sources.items() if path.startswith("bin/k")} == {
        "bin/kubernetes": "bin/kubernetes",
        "bin/kubectl": "bin/kubernetes",
        "bin/kubelet": "bin/kubernetes",
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": 2}, "has format 2, this collection reads 1"),
        ({"architecture": None}, "names no architecture"),
        ({"files": {}}, "has no list 'files'"),
        ({"files": [{**GOOD, "path": "bin/../../etc/passwd"}]}, "bad path"),
        ({"files": [{**GOOD, "path": "/bin/etcd"}]}, "bad path"),
        ({"files": [{**GOOD, "path": "lib/etcd"}]}, "bad path"),
        ({"files": [{**GOOD, "sha256": "abc"}]}, "has no sha256 of bin/etcd"),
        ({"files": [{**GOOD, "size": -1}]}, "has no size of bin/etcd"),
        ({"files": [{**GOOD, "mode": "4755"}]}, "has no mode of bin/etcd"),
        ({"files": [GOOD, GOOD]}, "names a file twice"),
        ({"links": {"bin/kubectl": "/usr/bin/env"}}, "is not one of its files"),
        ({"links": {"bin/etcd": "kubernetes"}}, "has a bad link"),
        ({"components": {"etcd": "v3"}}, "has no version of etcd"),
        ({"images": [{"name": "pause", "path": "images/none.tar"}]}, "has no file for the image pause"),
        ({"flags": {"etcd": "name"}}, "has no list of the flags of etcd"),
    ],
)
def test_a_bad_manifest_is_refused(changes, problem):
    with pytest.raises(bundle.BundleError, match=problem):
        bundle.parse_manifest(bundle.canonical(manifest_data(**changes)))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"format": 1', b"\xff\xfe"])
def test_what_is_no_manifest_at_all_is_refused(text):
    with pytest.raises(bundle.BundleError, match=r"manifest\.json"):
        bundle.parse_manifest(text)


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(3 << 20), b"\0" * (5 << 20)])
def test_what_was_compressed_is_unpacked(content):
    packed = io.BytesIO(gzip.compress(content))
    assert b"".join(bundle.unpack(packed, entry_of(content))) == content


def test_a_tampered_a_truncated_and_another_file_are_refused_by_name():
    content = os.urandom(100_000)
    packed = gzip.compress(content)
    flipped = packed[:50_000] + bytes([packed[50_000] ^ 1]) + packed[50_001:]
    for bad, problem in [
        (flipped, "bin/etcd is damaged"),
        (packed[:60_000], "bin/etcd is truncated"),
        (packed[:-8], "bin/etcd is truncated"),
        (b"", "bin/etcd is truncated"),
        (b"no gzip at all", "bin/etcd is damaged"),
        (gzip.compress(content[:-1]), "its size is not"),
        (gzip.compress(content + b"x"), "its size is not"),
        (gzip.compress(bytes(100_000)), "its sha256 is not"),
    ]:
        with pytest.raises(bundle.BundleError, match=problem):
            list(bundle.unpack(io.BytesIO(bad), entry_of(content)))


def test_a_bomb_is_not_unpacked_beyond_the_announced_size():
    packed = io.BytesIO(gzip.compress(bytes(64 << 20)))
    written = 0
    with pytest.raises(bundle.BundleError, match="its size is not the 10 bytes"):
        for piece in bundle.unpack(packed, entry_of(bytes(10))):
            written += len(piece)
    assert written <= 10


def test_a_slice_ends_where_it_was_told_to(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with bundle.Slice(str(path), 2, 5) as part:
        assert [part.read(3), part.read(3), part.read(3)] == [b"234", b"56", b""]


def test_the_index_knows_a_file_until_somebody_touches_it(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    index = bundle.StatIndex(str(tmp_path / "index"))
    index.learn("file", path.stat())
    index.save()
    again = bundle.StatIndex(str(tmp_path / "index"))
    assert again.knows("file", path.stat())
    assert not again.knows("other", path.stat())
    os.utime(path, ns=(1, 1))
    assert not again.knows("file", path.stat())


@pytest.mark.parametrize("content", ["{broken", "5", "[1]", "null"])
def test_a_damaged_index_is_an_empty_one(tmp_path, content):
    path = tmp_path / "index"
    path.write_text(content)
    assert bundle.StatIndex(str(path)).known == {}


def test_machines_have_names_of_go():
    assert [bundle.go_architecture(machine) for machine in ("x86_64", "aarch64", "riscv64")] == [
        "amd64",
        "arm64",
        "riscv64",
    ]
