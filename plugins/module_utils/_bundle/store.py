# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The bundles on a node: what is there, what has to be done, and the only code that does it.

    <data_dir>/data/<id>/{bin,cni,images,manifest.json}    unpacked bundles; an id is the sha256 of the manifest
    <data_dir>/data/current, previous                      links to two of them
    <command_dir>/kubectl, crictl, …                       links to the current bundle's commands

A bundle is unpacked beside its place, verified, made durable and only then renamed to its place, and links come last:
whoever is killed on the way leaves what ran before as it was.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import (
    MANIFEST,
    BundleError,
    Entry,
    Manifest,
    Slice,
    StatIndex,
    go_architecture,
    parse_manifest,
    sha256_of,
    unpacked,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files

COMMANDS = ("crictl", "ctr", "etcdctl", "kubectl")
CURRENT, PREVIOUS = "current", "previous"
INDEX = ".verified.json"
# Left free on the disk after unpacking: a full disk hurts more than a missing bundle.
RESERVE = 64 << 20

_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Store:
    """Where a node keeps its bundles, and where what refers to them stands."""

    data_dir: str
    command_dir: str = "/usr/local/bin"
    unit_dir: str = "/etc/systemd/system"
    processes: str = "/proc"

    @property
    def root(self) -> str:
        """The directory of all bundles."""
        return os.path.join(self.data_dir, "data")

    def bundle(self, identity: str) -> str:
        """The directory of one bundle."""
        return os.path.join(self.root, identity)

    def linked(self, name: str) -> str | None:
        """The id of the bundle that a link points to."""
        link = os.path.join(self.root, name)
        return os.path.basename(os.readlink(link)) if os.path.islink(link) else None

    def names(self) -> list[str]:
        """What there is beside each other: bundles, links, and what a killed run left."""
        return sorted(os.listdir(self.root)) if os.path.isdir(self.root) else []


@dataclass(frozen=True)
class State:
    """How one bundle stands on the node."""

    manifest: Manifest | None
    intact: frozenset[str]
    damaged: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everything is there and right."""
        return self.manifest is not None and len(self.intact) == len(self.manifest.files) and not self.damaged


@dataclass(frozen=True)
class Plan:
    """What to do once the bundle is there."""

    links: tuple[files.Link, ...]
    remove: tuple[str, ...]
    foreign: tuple[str, ...]

    def changes(self) -> list[files.Change]:
        """The same as a diff shows it."""
        gone = [files.Change(path, "directory\n", "") for path in self.remove]
        return [change for link in self.links if (change := files.link_change(link))] + gone


# ---- looking


def inspect(store: Store, identity: str, remember: bool) -> State:
    """Verify a bundle: its manifest, the content and mode of every file, and its links."""
    directory = store.bundle(identity)
    text = files.read_bytes(os.path.join(directory, MANIFEST))
    if text is None:
        return State(None, frozenset(), ())
    try:
        manifest = parse_manifest(text)
    except BundleError:
        return State(None, frozenset(), (MANIFEST,))
    if manifest.id != identity:
        return State(None, frozenset(), (MANIFEST,))
    index = StatIndex(os.path.join(directory, INDEX))
    intact = frozenset(entry.path for entry in manifest.files if _is_intact(directory, entry, index))
    if remember:
        index.save()
    present = [entry.path for entry in manifest.files if entry.path not in intact]
    links = [path for path, target in manifest.links.items() if not _points_to(os.path.join(directory, path), target)]
    return State(manifest, intact, tuple(present + links))


def _is_intact(directory: str, entry: Entry, index: StatIndex) -> bool:
    path = os.path.join(directory, entry.path)
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    expected = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == entry.mode
    if not expected or status.st_size != entry.size:
        return False
    if index.knows(entry.path, status):
        return True
    if sha256_of(path) != entry.sha256:
        return False
    index.learn(entry.path, status)
    return True


def _points_to(path: str, target: str) -> bool:
    return os.path.islink(path) and os.readlink(path) == target


def held(store: Store) -> dict[str, str]:
    """The files of all bundles on the node that are intact, by their sha256."""
    found = {}
    for identity in filter(_ID.fullmatch, store.names()):
        state = inspect(store, identity, remember=False)
        for entry in state.manifest.files if state.manifest else ():
            if entry.path in state.intact:
                found[entry.sha256] = os.path.join(store.bundle(identity), entry.path)
    return found


def versions(store: Store, name: str) -> dict[str, str]:
    """The versions of the components of the bundle that a link points to."""
    text = files.read_bytes(os.path.join(store.root, name, MANIFEST))
    try:
        return parse_manifest(text).versions if text else {}
    except BundleError:
        return {}


# ---- deciding


def plan(store: Store, identity: str, link: bool) -> Plan:
    """What to link and what to remove, now that (or as soon as) this bundle is there."""
    leftovers = tuple(store.bundle(name) for name in store.names() if name.startswith("."))
    if not link:
        return Plan((), leftovers, ())
    current, previous = store.linked(CURRENT), store.linked(PREVIOUS)
    wanted = []
    if current and current != identity and os.path.isdir(store.bundle(current)):
        previous = current
        wanted.append(files.Link(os.path.join(store.root, PREVIOUS), current))
    wanted.append(files.Link(os.path.join(store.root, CURRENT), identity))
    commands = [
        files.Link(os.path.join(store.command_dir, command), os.path.join(store.root, CURRENT, "bin", command))
        for command in COMMANDS
    ]
    foreign = tuple(command.path for command in commands if not _ours(store, command.path))
    wanted += [command for command in commands if command.path not in foreign]
    needed = tuple(link for link in wanted if files.link_change(link))
    return Plan(needed, leftovers + unused(store, {identity, current, previous}), foreign)


def _ours(store: Store, path: str) -> bool:
    """Whether a command may be linked here: nothing stands there, or a link of ours."""
    if os.path.islink(path):
        return os.readlink(path).startswith(store.root + os.sep)
    return not os.path.exists(path)


def unused(store: Store, keep: set[str | None]) -> tuple[str, ...]:
    """The bundles that nothing refers to: no unit, and no process that still runs one of its programs.

    The shims of old pods outlive an upgrade or two, and they call the runc of their own bundle.
    """
    candidates = [name for name in store.names() if _ID.fullmatch(name) and name not in keep]
    if not candidates:
        return ()
    text = "\n".join([*_unit_texts(store), *_running_programs(store)])
    return tuple(store.bundle(name) for name in candidates if store.bundle(name) + os.sep not in text)


def _unit_texts(store: Store) -> Iterable[str]:
    for name in os.listdir(store.unit_dir) if os.path.isdir(store.unit_dir) else ():
        if name.startswith("k3a-") and name.endswith(".service"):
            yield (files.read_bytes(os.path.join(store.unit_dir, name)) or b"").decode(errors="replace")


def _running_programs(store: Store) -> Iterable[str]:
    for name in os.listdir(store.processes):
        if name.isdigit():
            # A process that ends while we look, or a kernel thread.
            with contextlib.suppress(OSError):
                yield os.readlink(os.path.join(store.processes, name, "exe"))


# ---- doing


def apply(wanted: Plan) -> None:
    """Set the links, then remove what nothing refers to any more."""
    for link in wanted.links:
        files.make_link(link)
    for path in wanted.remove:
        _remove(path)


def _remove(path: str) -> None:
    """Remove a directory; under another name first, so that half of one is never taken for a damaged bundle."""
    if os.path.isdir(path) and not os.path.islink(path):
        doomed = os.path.join(os.path.dirname(path), "." + os.path.basename(path).lstrip(".") + ".old")
        os.rename(path, doomed)
        shutil.rmtree(doomed)
    else:
        os.unlink(path)


def install(store: Store, identity: str, stream: str) -> list[str]:
    """Unpack what is missing of a bundle out of a shipped stream; return the files that came with it."""
    try:
        with tarfile.open(stream, "r:") as archive:
            members = {member.name: member for member in archive}
            content = archive.extractfile(members[MANIFEST]) if MANIFEST in members else None
            text = content.read() if content else b""
    except tarfile.TarError as error:
        raise BundleError(f"what arrived on the node is not an archive, or only part of one: {error}") from None
    manifest = parse_manifest(text)
    if manifest.id != identity:
        raise BundleError(f"{MANIFEST} is not the one that was announced ({identity})")
    if manifest.architecture != go_architecture():
        raise BundleError(f"the bundle is for {manifest.architecture}, this host is {go_architecture()}")
    parts = {name: (stream, member.offset_data, member.size) for name, member in members.items() if member.isreg()}
    return _unpack(store, manifest, parts)


def _unpack(store: Store, manifest: Manifest, parts: dict[str, tuple[str, int, int]]) -> list[str]:
    state = inspect(store, manifest.id, remember=True)
    here = held(store)
    staging = store.bundle(f".{manifest.id}.new")
    lacking = [entry for entry in manifest.files if entry.path not in state.intact]
    shipped = [entry for entry in lacking if entry.sha256 not in here]
    for entry in shipped:
        if entry.member not in parts:
            raise BundleError(f"{entry.path} is missing in what arrived on the node")
    shutil.rmtree(staging, ignore_errors=True)
    files.make_parents(os.path.join(staging, "bin"))
    try:
        _check_space(staging, shipped)
        for entry in lacking:
            files.make_parents(os.path.join(staging, entry.path))
            if entry.sha256 in here:
                _reuse(here[entry.sha256], os.path.join(staging, entry.path), entry)
        _unpack_all(staging, shipped, parts)
        _place(store, manifest, staging, lacking)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return [entry.path for entry in shipped]


def _check_space(staging: str, shipped: list[Entry]) -> None:
    needed = sum(entry.size for entry in shipped) + RESERVE
    free = free_space(staging)
    if free < needed:
        where = os.path.dirname(staging)
        raise BundleError(f"{where} has {free >> 20} MiB free and needs {needed >> 20} MiB: make room and run again")


def free_space(path: str) -> int:
    """How many bytes are free where a path is, or would be."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _reuse(existing: str, path: str, entry: Entry) -> None:
    """Take a file of another bundle: the same inode, unless that one has another mode."""
    if stat.S_IMODE(os.lstat(existing).st_mode) == entry.mode:
        os.link(existing, path)
    else:
        shutil.copyfile(existing, path)
        os.chmod(path, entry.mode)


def _unpack_all(staging: str, entries: list[Entry], parts: dict[str, tuple[str, int, int]]) -> None:
    # A run that unpacks nothing does without.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    # Largest first, so that the threads end together; decompression and hashing run outside the interpreter's lock.
    ordered = sorted(entries, key=lambda entry: -entry.size)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for _done in pool.map(lambda entry: _unpack_one(staging, entry, parts[entry.member]), ordered):
            pass


def _unpack_one(staging: str, entry: Entry, part: tuple[str, int, int]) -> None:
    path = os.path.join(staging, entry.path)
    with Slice(*part) as packed, open(path, "xb") as target:
        for piece in unpacked(packed, entry):
            target.write(piece)
        target.flush()
        os.fchmod(target.fileno(), entry.mode)
        os.fsync(target.fileno())


def _place(store: Store, manifest: Manifest, staging: str, lacking: list[Entry]) -> None:
    """Bring what was verified to its place: the whole directory or, of a damaged bundle, the files that were wrong."""
    target = store.bundle(manifest.id)
    fresh = not os.path.isdir(target)
    directory = staging if fresh else target
    if not fresh:
        for entry in lacking:
            files.make_parents(os.path.join(target, entry.path))
            os.rename(os.path.join(staging, entry.path), os.path.join(target, entry.path))
    for path, name in manifest.links.items():
        if not _points_to(os.path.join(directory, path), name):
            files.make_link(files.Link(os.path.join(directory, path), name))
    files.write_file(files.File(os.path.join(directory, MANIFEST), manifest.text, mode=0o644))
    for folder in {os.path.dirname(entry.path) for entry in manifest.files}:
        files.sync_directory(os.path.join(directory, folder))
    if fresh:
        os.rename(staging, target)
    files.sync_directory(store.root)
