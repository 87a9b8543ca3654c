# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a bundle is: its manifest, checked, and the content of its files, verified.

A bundle is a directory (or a tar of one) of `manifest.json` and `files/<sha256>.gz`. Its id is the sha256 of the
manifest's bytes, and the manifest names the sha256 of every file: who trusts the id can trust all of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK = 1 << 20

# The kernel's names of machines that Go names otherwise.
GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}

_PATH = re.compile(r"(?:bin|cni|images)/[A-Za-z0-9][A-Za-z0-9._-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODE = re.compile(r"0[0-7]{3}")


class BundleError(K3aError):
    """What is wrong with a bundle, in one sentence."""


class StatIndex:
    """Remembers of which files the content was found right, by what changes when somebody touches them.

    It saves reading hundreds of megabytes again, as git's index does. It is only a cache: losing it costs time.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.changed = False
        self.known: dict[str, list[int]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError), open(path, encoding="utf-8") as stream:
            self.known = dict(json.load(stream))

    def knows(self, name: str, status: os.stat_result) -> bool:
        """Whether this very file was found right before."""
        return self.known.get(name) == self._signs(status)

    def learn(self, name: str, status: os.stat_result) -> None:
        """Remember that this very file is right."""
        self.known[name] = self._signs(status)
        self.changed = True

    def forget(self, names: Iterable[str]) -> None:
        """Remember nothing of these any more."""
        for name in names:
            del self.known[name]
            self.changed = True

    def save(self) -> None:
        """Write what was learned, if anything was and the place can be written."""
        if not self.changed:
            return
        directory, name = os.path.split(self.path)
        temporary = os.path.join(directory, f".{name}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump(self.known, stream)
            os.rename(temporary, self.path)
            self.changed = False

    @staticmethod
    def _signs(status: os.stat_result) -> list[int]:
        return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


class Slice:
    """A part of a file, read as if it were a file: a member of a tar that several threads read at once."""

    def __init__(self, path: str, offset: int, size: int) -> None:
        self._stream = open(path, "rb")  # noqa: SIM115  closed by __exit__
        self._stream.seek(offset)
        self._left = size

    def __enter__(self) -> Slice:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        """The next bytes, none at the end."""
        piece = self._stream.read(min(size, self._left))
        self._left -= len(piece)
        return piece


@dataclass(frozen=True)
class Entry:
    """A file of a bundle."""

    path: str
    sha256: str
    size: int
    mode: int

    @property
    def member(self) -> str:
        """Where the compressed file stands in a bundle."""
        return member_name(self.sha256)


@dataclass(frozen=True)
class Manifest:
    """A manifest that has been checked."""

    id: str
    text: bytes
    architecture: str
    versions: dict[str, str]
    files: tuple[Entry, ...]
    links: dict[str, str]
    images: tuple[dict[str, str], ...]
    flags: dict[str, list[str]]

    @property
    def size(self) -> int:
        """How many bytes the unpacked files take."""
        return sum(entry.size for entry in self.files)

    @property
    def sources(self) -> dict[str, Entry]:
        """The file that holds the content of each path, links included."""
        files = {entry.path: entry for entry in self.files}
        return {**files, **{path: files[f"{path.partition('/')[0]}/{name}"] for path, name in self.links.items()}}


def member_name(sha256: str) -> str:
    """Where a file with this digest stands in a bundle, compressed."""
    return f"files/{sha256}.gz"


def go_architecture(machine: str | None = None) -> str:
    """The architecture of this host in Go's words."""
    machine = machine or platform.machine()
    return GO_ARCHITECTURES.get(machine, machine)


def canonical(value: object) -> bytes:
    """JSON with one form only, so that equal manifests are equal bytes."""
    return (json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n").encode()


def parse_manifest(text: bytes) -> Manifest:
    """Check a manifest; nothing that is read from it later can surprise or point outside the bundle."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BundleError(f"{MANIFEST} is not valid JSON: {error}") from None
    _require(isinstance(data, dict), "is not a JSON object")
    _require(data.get("format") == FORMAT, f"has format {data.get('format')!r}, this collection reads {FORMAT}")
    _require(isinstance(data.get("architecture"), str), "names no architecture")
    files = tuple(_entry(item) for item in _list(data, "files"))
    known = {entry.path for entry in files}
    _require(len(known) == len(files), "names a file twice")
    links = _mapping(data, "links")
    for path, target in links.items():
        _require(bool(_PATH.fullmatch(path)) and path not in known, f"has a bad link {path!r}")
        stands = isinstance(target, str) and f"{path.partition('/')[0]}/{target}" in known
        _require(stands, f"has a link {path!r} to {target!r}, which is not one of its files")
    return Manifest(
        id=hashlib.sha256(text).hexdigest(),
        text=text,
        architecture=data["architecture"],
        versions=_versions(_mapping(data, "components")),
        files=files,
        links=links,
        images=tuple(_image(item, known) for item in _list(data, "images")),
        flags=_flags(_mapping(data, "flags")),
    )


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise BundleError(f"{MANIFEST} {problem}")


def _list(data: dict[str, Any], key: str) -> list[Any]:
    _require(isinstance(data.get(key), list), f"has no list {key!r}")
    return data[key]


def _mapping(data: dict[str, Any], key: str) -> dict[str, Any]:
    _require(isinstance(data.get(key), dict), f"has no mapping {key!r}")
    return data[key]


def _entry(item: Any) -> Entry:
    _require(isinstance(item, dict), "has a file that is not a mapping")
    path, sha256, size, mode = (item.get(key) for key in ("path", "sha256", "size", "mode"))
    _require(isinstance(path, str) and bool(_PATH.fullmatch(path)), f"has a file with the bad path {path!r}")
    _require(isinstance(sha256, str) and bool(_SHA256.fullmatch(sha256)), f"has no sha256 of {path}")
    _require(isinstance(size, int) and size >= 0, f"has no size of {path}")
    _require(isinstance(mode, str) and bool(_MODE.fullmatch(mode)), f"has no mode of {path}")
    return Entry(path, sha256, size, int(mode, 8))


def _versions(components: dict[str, Any]) -> dict[str, str]:
    for name, component in components.items():
        named = bool(_NAME.fullmatch(name)) and isinstance(component, dict)
        _require(named and isinstance(component.get("version"), str), f"has no version of {name}")
    return {name: component["version"] for name, component in sorted(components.items())}


def _image(item: Any, known: set[str]) -> dict[str, str]:
    _require(isinstance(item, dict) and isinstance(item.get("name"), str), "has an image without name")
    _require(item.get("path") in known, f"has no file for the image {item['name']}")
    _require(isinstance(item.get("component"), str), f"names no component of the image {item['name']}")
    return {"name": item["name"], "path": item["path"], "component": item["component"]}


def _flags(flags: dict[str, Any]) -> dict[str, list[str]]:
    for component, names in flags.items():
        good = isinstance(names, list) and all(isinstance(name, str) for name in names)
        _require(good, f"has no list of the flags of {component}")
    return flags


def unpack(stream: BinaryIO | Slice, entry: Entry) -> Iterator[bytes]:
    """The content of a compressed file, piece by piece; raises BundleError, at the latest after the last piece,
    when it is not what the manifest says."""
    inflate = zlib.decompressobj(wbits=31)
    digest = hashlib.sha256()
    size = 0
    try:
        while not inflate.eof:
            packed = inflate.unconsumed_tail or stream.read(CHUNK)
            piece = inflate.decompress(packed, CHUNK)
            if not packed and not piece and not inflate.eof:
                raise BundleError(f"{entry.path} is truncated")
            digest.update(piece)
            size += len(piece)
            if size > entry.size:
                break
            yield piece
    except zlib.error:
        raise BundleError(f"{entry.path} is damaged: it cannot be decompressed") from None
    if size != entry.size:
        raise BundleError(f"{entry.path} is damaged: its size is not the {entry.size} bytes of the manifest")
    if digest.hexdigest() != entry.sha256:
        raise BundleError(f"{entry.path} is damaged: its sha256 is not that of the manifest")


def sha256_of(path: str) -> str:
    """The digest of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for piece in iter(lambda: stream.read(CHUNK), b""):
            digest.update(piece)
    return digest.hexdigest()
