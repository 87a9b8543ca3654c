# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small bundles, real to the last byte, for the tests of everything that handles bundles."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import (
    MANIFEST,
    canonical,
    go_architecture,
    member_name,
    parse_manifest,
)

CONTENTS = {
    "bin/kubernetes": b"\x7fELF kubernetes " * 5000,
    "bin/etcd": b"\x7fELF etcd",
    "cni/bridge": b"\x7fELF bridge",
    "images/pause.tar": b"an image",
}
LINKS = {"bin/kubectl": "kubernetes", "bin/kubelet": "kubernetes", "bin/etcdctl": "etcd"}


def manifest_data(contents: dict[str, bytes] | None = None, **changes: Any) -> dict[str, Any]:
    """What stands in the manifest of such a bundle."""
    contents = contents or CONTENTS
    return {
        "format": 1,
        "architecture": go_architecture(),
        "components": {"etcd": {"version": "v3.7.3"}, "kubernetes": {"version": "v1.37.2"}},
        "files": [
            {
                "path": path,
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "mode": "0644" if path.startswith("images/") else "0755",
            }
            for path, content in contents.items()
        ],
        "links": LINKS,
        "images": [{"path": "images/pause.tar", "name": "registry.k8s.io/pause:3.10", "component": "pause"}],
        "flags": {"etcd": ["data-dir", "name"]},
        **changes,
    }


def make_bundle(folder: Path, contents: dict[str, bytes] | None = None, **changes: Any) -> str:
    """Write a bundle into a folder and return its id."""
    contents = contents or CONTENTS
    text = canonical(manifest_data(contents, **changes))
    (folder / "files").mkdir(parents=True)
    (folder / MANIFEST).write_bytes(text)
    for content in contents.values():
        packed = folder / member_name(hashlib.sha256(content).hexdigest())
        packed.write_bytes(gzip.compress(content, mtime=0))
    return hashlib.sha256(text).hexdigest()


def member_of(folder: Path, content: bytes) -> Path:
    """The compressed file of a content in a bundle."""
    return folder / member_name(hashlib.sha256(content).hexdigest())


def unpack_as_before(folder: Path, directory: Path) -> None:
    """Unpack a bundle as an earlier version of the collection did: its files stand in its own directory."""
    manifest = parse_manifest((folder / MANIFEST).read_bytes())
    for entry in manifest.files:
        path = directory / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.decompress((folder / entry.member).read_bytes()))
        path.chmod(entry.mode)
    for path, name in manifest.links.items():
        (directory / path).symlink_to(name)
    (directory / MANIFEST).write_bytes(manifest.text)


def make_archive(folder: Path, path: Path) -> Path:
    """Write a bundle's directory as one archive, the manifest first."""
    with tarfile.open(path, "w") as archive:
        archive.add(folder / MANIFEST, MANIFEST)
        archive.add(folder / "files", "files")
    return path
