# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A bundle on the controller, directory or archive: opened, checked, and written to the stream for a node."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import (
    cache_root,
    exclusive,
    key_of,
    lock_link,
    verified_index,
)
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import (
    MANIFEST,
    BundleError,
    Entry,
    Manifest,
    Slice,
    parse_manifest,
    unpack,
)
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component, bundle_key

SOURCE = Path(__file__).parents[3] / "bundle"
GZIP_MAGIC = b"\x1f\x8b"
# Header and trailer of a gzip file; the last four bytes are the size of the content.
GZIP_MINIMUM = 18


@dataclass(frozen=True)
class Part:
    """Where a member of a bundle stands: a file, or a part of an archive."""

    path: str
    offset: int
    size: int


def other_architecture(path: str, manifest: Manifest, host: str) -> str:
    """Why a host of an architecture cannot have a bundle; nothing when it can."""
    if manifest.architecture == host:
        return ""
    return f"the bundle {path} is for {manifest.architecture}, and the host is {host}"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest has been checked, and whose files are all there in full length."""

    path: str
    manifest: Manifest
    parts: dict[str, Part]

    def verify(self, entries: Iterable[Entry] | None = None) -> None:
        """Read files (all, unless told) and compare them with the manifest; what was right before is not read again."""
        with contextlib.ExitStack() as stack:
            # The processes of several hosts wait for the one that reads. Without a place to write all read.
            with contextlib.suppress(OSError):
                stack.enter_context(exclusive(os.path.join(cache_root(), "verified", ".lock")))
            index = verified_index(cache_root(), self.path)
            wanted = self.manifest.files if entries is None else entries
            status = {part.path: os.stat(part.path) for part in self.parts.values()}
            unknown = [e for e in wanted if not index.knows(e.sha256, status[self.parts[e.member].path])]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for _done in pool.map(self._read, unknown):
                    pass
            for entry in unknown:
                index.learn(entry.sha256, status[self.parts[entry.member].path])
            index.save()

    def _read(self, entry: Entry) -> None:
        part = self.parts[entry.member]
        with Slice(part.path, part.offset, part.size) as packed:
            try:
                for _piece in unpack(packed, entry):
                    pass
            except BundleError as error:
                raise BundleError(f"the bundle {self.path} cannot be used: {error} ({entry.member})") from None

    def packed_size(self, entries: Iterable[Entry]) -> int:
        """How many bytes a stream of these files takes, but for its frame."""
        return sum(self.parts[member].size for member in members_of(entries))

    def packed(self, entries: Iterable[Entry], directory: str) -> str:
        """The path of a stream of these files, made once in a directory for all nodes that lack the same.

        An archive is itself the stream for nodes that lack all of it.
        """
        members = members_of(entries)
        if os.path.isfile(self.path) and set(self.parts) == {MANIFEST, *members}:
            return self.path
        path = os.path.join(directory, f"k3a-{key_of(self.manifest.id, members)}.tar")
        with exclusive(f"{path}.lock"):
            if not os.path.exists(path):
                with open(f"{path}.new", "wb") as stream:
                    self.write_stream(stream, members)
                os.rename(f"{path}.new", path)
        return path

    def write_stream(self, target: BinaryIO, members: Iterable[str]) -> None:
        """Write the manifest and these members as one tar: a bundle again, in the form that nodes take."""
        with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            info = tarfile.TarInfo(MANIFEST)
            info.size = len(self.manifest.text)
            archive.addfile(info, io.BytesIO(self.manifest.text))
            for member in members:
                part = self.parts[member]
                info = tarfile.TarInfo(member)
                info.size = part.size
                with open(part.path, "rb") as stream:
                    stream.seek(part.offset)
                    archive.addfile(info, stream)


@cache
def default_bundle() -> str:
    """The bundle that was built from the collection's own lock files."""
    return find(str(SOURCE), cache_root())


def find(source: str, cached: str) -> str:
    """The bundle that was built from these lock files."""
    recipes = yaml.safe_load(Path(source, "components.yml").read_text(encoding="utf-8"))["components"]
    key = bundle_key([Component(name, recipe, source, cached) for name, recipe in recipes.items()])
    link = lock_link(cached, key)
    if not os.path.exists(link):
        raise BundleError(
            f"the bundle of this version is not in {cached}: build it with ansible-playbook k3a.cluster.bundle "
            "(in a checkout playbooks/bundle.yml), or set k3a_bundle to an existing bundle"
        )
    return os.path.realpath(link)


@cache
def shared_bundle(path: str) -> Bundle:
    """A bundle, opened once in a process and in those that it forks."""
    return open_bundle(path)


def members_of(entries: Iterable[Entry]) -> list[str]:
    """The members of a bundle that hold these files, each once."""
    return sorted({entry.member for entry in entries})


def open_bundle(path: str) -> Bundle:
    """Open a bundle, directory or archive; raise BundleError, naming it and what is wrong, when it cannot be used."""
    path = os.path.abspath(os.path.expanduser(path))
    try:
        text, parts = _of_directory(path) if os.path.isdir(path) else _of_archive(path)
        manifest = parse_manifest(text)
        for entry in manifest.files:
            _check_part(entry, parts.get(entry.member))
    except FileNotFoundError:
        raise BundleError(f"there is no bundle {path} on the controller: build one with playbooks/bundle.yml") from None
    except OSError as error:
        raise BundleError(f"the bundle {path} cannot be read: {error.strerror}") from None
    except BundleError as error:
        raise BundleError(f"the bundle {path} cannot be used: {error}") from None
    return Bundle(path, manifest, parts)


def _of_directory(path: str) -> tuple[bytes, dict[str, Part]]:
    manifest = os.path.join(path, MANIFEST)
    if not os.path.exists(manifest):
        raise BundleError(f"it has no {MANIFEST}")
    with open(manifest, "rb") as stream:
        text = stream.read()
    parts = {}
    files = os.path.join(path, "files")
    for name in os.listdir(files) if os.path.isdir(files) else ():
        member = os.path.join(files, name)
        parts[f"files/{name}"] = Part(member, 0, os.path.getsize(member))
    return text, parts


def _of_archive(path: str) -> tuple[bytes, dict[str, Part]]:
    try:
        with tarfile.open(path, "r:") as archive:
            members = {os.path.normpath(member.name): member for member in archive if member.isreg()}
            manifest = archive.extractfile(members[MANIFEST]) if MANIFEST in members else None
            text = manifest.read() if manifest else None
    except tarfile.TarError:
        raise BundleError("it is neither a directory nor an uncompressed tar archive, or only part of one") from None
    if text is None:
        raise BundleError(f"it has no {MANIFEST}")
    size = os.path.getsize(path)
    parts = {name: Part(path, m.offset_data, min(m.size, max(0, size - m.offset_data))) for name, m in members.items()}
    return text, parts


def _check_part(entry: Entry, part: Part | None) -> None:
    """See that a file is there in full length, without reading it: a copy that broke off ends in other bytes."""
    if part is None:
        raise BundleError(f"{entry.path} is missing ({entry.member})")
    if part.size < GZIP_MINIMUM:
        raise BundleError(f"{entry.path} is truncated ({entry.member})")
    with open(part.path, "rb") as stream:
        stream.seek(part.offset)
        if stream.read(2) != GZIP_MAGIC:
            raise BundleError(f"{entry.path} is damaged: it is not a gzip file ({entry.member})")
        stream.seek(part.offset + part.size - 4)
        (size,) = struct.unpack("<I", stream.read(4).ljust(4, b"\0"))
    if size != entry.size % (1 << 32):
        raise BundleError(f"{entry.path} is truncated or damaged ({entry.member})")
