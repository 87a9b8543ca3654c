# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The bundles on a node: what is there, what has to be done, and the only code that does it.

    <data_dir>/data/files/<sha256>/<name>                  the files of all bundles, each once
    <data_dir>/data/<id>/{bin,cni,images,manifest.json}    bundles: links to files; an id is the sha256 of the manifest
    <data_dir>/data/current, previous                      links to two of them
    <command_dir>/kubectl, crictl, …                       links to the current bundle's commands

A file is unpacked beside its place, verified, made durable and only then renamed to its place; the bundle comes after
its files, and what makes it the current one last: whoever is killed on the way leaves what ran before as it was.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field

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
    unpack,
)
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import FILES, content_link, content_path
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.references import References
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files

COMMANDS = ("crictl", "ctr", "etcdctl", "kubectl")
CURRENT, PREVIOUS = "current", "previous"
INDEX = "verified.json"
INCOMING = ".incoming"
# Left free on the disk after unpacking: a full disk hurts more than a missing bundle.
RESERVE = 64 << 20

_ID = re.compile(r"[0-9a-f]{64}")
# What a killed run leaves beside what it makes; an earlier version named links so.
_LEFT = re.compile(r"\..*|(current|previous)\.\d+\.new")
_LEFT_COMMAND = re.compile(rf"\.?({'|'.join(COMMANDS)})(\.\d+)?\.new")


@dataclass(frozen=True)
class Store:
    """Where a node keeps its bundles, and what refers to them."""

    data_dir: str
    command_dir: str = "/usr/local/bin"
    references: References = field(default_factory=References)

    @property
    def root(self) -> str:
        """The directory of all bundles."""
        return os.path.join(self.data_dir, "data")

    def bundle(self, identity: str) -> str:
        """The directory of one bundle."""
        return os.path.join(self.root, identity)

    @property
    def incoming(self) -> str:
        """Where a shipped stream arrives."""
        return os.path.join(self.root, INCOMING)

    def content(self, entry: Entry, path: str = "") -> str:
        """Where the content of a bundle's file stands; under another name of it, when one is given."""
        return content_path(self.root, entry.sha256, path or entry.path)

    def index(self) -> StatIndex:
        """What is remembered of the files that are right."""
        return StatIndex(os.path.join(self.root, INDEX))

    def bundles(self) -> list[str]:
        """The ids of the bundles that there are."""
        return [name for name in self.names() if _ID.fullmatch(name)]

    def links_to(self, path: str) -> bool:
        """Whether a path is a link to something in here."""
        return os.path.islink(path) and os.readlink(path).startswith(self.root + os.sep)

    def linked(self, name: str) -> str | None:
        """The id of the bundle that a link points to."""
        link = os.path.join(self.root, name)
        return os.path.basename(os.readlink(link)) if os.path.islink(link) else None

    def names(self) -> list[str]:
        """What there is beside each other: bundles, links, and what a killed run left."""
        return sorted(os.listdir(self.root)) if os.path.isdir(self.root) else []


@dataclass(frozen=True)
class State:
    """How one bundle stands on the node.

    Its files are in the store, but for those (own) of the current bundle when an earlier version unpacked it.
    """

    manifest: Manifest | None = None
    intact: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    damaged: tuple[str, ...] = ()

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
        return State()
    try:
        manifest = parse_manifest(text)
    except BundleError:
        return State(damaged=(MANIFEST,))
    if manifest.id != identity:
        return State(damaged=(MANIFEST,))
    index = store.index()
    right = {entry.path: place for entry in manifest.files if (place := _place_of(store, identity, entry, index))}
    if remember:
        index.save()
    own = frozenset(path for path, place in right.items() if place == os.path.join(directory, path))
    if store.linked(CURRENT) != identity:
        # No unit names it where it is: it comes to the place of today before any does.
        right = {path: place for path, place in right.items() if path not in own}
        own = frozenset()
    wrong = [entry.path for entry in manifest.files if entry.path not in right]
    links = _bundle_links(manifest, own).items()
    wrong += [path for path, name in links if not _points_to(f"{directory}/{path}", name)]
    wrong += [path for path, link in _further_names(store, manifest, own) if files.link_change(link)]
    return State(manifest, frozenset(right), own, tuple(dict.fromkeys(wrong)))


def _place_of(store: Store, identity: str, entry: Entry, index: StatIndex) -> str | None:
    """Where a bundle's file is, when it is right there."""
    own, content = os.path.join(store.bundle(identity), entry.path), store.content(entry)
    place = content if os.path.islink(own) else own
    return place if _is_right(store, place, entry.sha256, index, entry) else None


def _is_right(store: Store, path: str, sha256: str, index: StatIndex, entry: Entry | None = None) -> bool:
    """Whether the content of a file is that of its digest, and whether it fits its entry in a manifest."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(status.st_mode):
        return False
    if entry and (stat.S_IMODE(status.st_mode), status.st_size) != (entry.mode, entry.size):
        return False
    name = os.path.relpath(path, store.root)
    if index.knows(name, status):
        return True
    if sha256_of(path) != sha256:
        return False
    index.learn(name, status)
    return True


def _bundle_links(manifest: Manifest, own: frozenset[str]) -> dict[str, str]:
    """The links that a bundle consists of, with their targets."""
    return {
        path: manifest.links.get(path, "") if source.path in own else content_link(source.sha256, path)
        for path, source in manifest.sources.items()
        if path not in own
    }


def _further_names(store: Store, manifest: Manifest, own: frozenset[str]) -> list[tuple[str, files.Link]]:
    """The further names of a program, beside it: which of them it is called by decides what it does."""
    sources = manifest.sources
    return [
        (path, files.Link(store.content(sources[path], path), name))
        for path, name in manifest.links.items()
        if sources[path].path not in own
    ]


def _points_to(path: str, target: str) -> bool:
    return os.path.islink(path) and os.readlink(path) == target


def held_bundles(store: Store) -> dict[str, str]:
    """The files on the node that are right, by their sha256."""
    found = {}
    index = store.index()
    for identity in store.bundles():
        manifest = _manifest_of(store, identity)
        for entry in manifest.files if manifest else ():
            place = _place_of(store, identity, entry, index)
            if place:
                found[entry.sha256] = place
    for sha256, path in _contents(store):
        if _is_right(store, path, sha256, index):
            found[sha256] = path
    return found


def _contents(store: Store) -> Iterator[tuple[str, str]]:
    root = os.path.join(store.root, FILES)
    for sha256 in sorted(os.listdir(root)) if os.path.isdir(root) else ():
        for name in sorted(os.listdir(os.path.join(root, sha256))):
            yield sha256, os.path.join(root, sha256, name)


def versions(store: Store, name: str) -> dict[str, str]:
    """The versions of the components of the bundle that a link points to."""
    manifest = _manifest_of(store, name)
    return manifest.versions if manifest else {}


def _manifest_of(store: Store, name: str) -> Manifest | None:
    text = files.read_bytes(os.path.join(store.root, name, MANIFEST))
    try:
        return parse_manifest(text) if text else None
    except BundleError:
        return None


# ---- deciding


def plan(store: Store, identity: str, link: bool) -> Plan:
    """What to link and what to remove, now that (or as soon as) this bundle is there."""
    leftovers = (*_leftovers(store.root, _LEFT), *filter(store.links_to, _leftovers(store.command_dir, _LEFT_COMMAND)))
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


def _leftovers(directory: str, pattern: re.Pattern[str]) -> list[str]:
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return [os.path.join(directory, name) for name in names if pattern.fullmatch(name)]


def _ours(store: Store, path: str) -> bool:
    """Whether a command may be linked here: nothing stands there, or a link of ours."""
    return store.links_to(path) or not os.path.lexists(path)


def unused(store: Store, keep: set[str | None]) -> tuple[str, ...]:
    """The bundles that nothing refers to: no unit, no configuration, and no process that still runs their programs."""
    candidates = [name for name in store.bundles() if name not in keep]
    named = store.references.among(candidates, store.data_dir)
    return tuple(store.bundle(name) for name in candidates if name not in named)


# ---- doing


def apply(wanted: Plan) -> None:
    """Set the links, then remove what nothing refers to any more."""
    for link in wanted.links:
        files.make_link(link)
    for path in wanted.remove:
        _remove(path)


def sweep(store: Store) -> None:
    """Remove the files that no bundle holds any more, and nothing refers to.

    The shims of old pods outlive an upgrade or two, and they call the runc that they were started with.
    """
    manifests = [_manifest_of(store, identity) for identity in store.bundles()]
    if not all(manifests):
        return  # what cannot be read may need any of them
    needed = {entry.sha256 for manifest in manifests if manifest for entry in manifest.files}
    candidates = sorted({sha256 for sha256, _path in _contents(store)} - needed)
    named = store.references.among(candidates, store.data_dir)
    for sha256 in candidates:
        if sha256 not in named:
            shutil.rmtree(os.path.join(store.root, FILES, sha256))
    index = store.index()
    index.forget([name for name in index.known if not os.path.lexists(os.path.join(store.root, name))])
    index.save()


def _remove(path: str) -> None:
    """Remove a directory; under another name first, so that half of one is never taken for a damaged bundle."""
    if os.path.isdir(path) and not os.path.islink(path):
        doomed = os.path.join(os.path.dirname(path), "." + os.path.basename(path).lstrip(".") + ".old")
        os.rename(path, doomed)
        shutil.rmtree(doomed)
    else:
        os.unlink(path)


def receive(store: Store, user: int) -> None:
    """Make the place where a user's stream arrives. What an earlier one left there goes."""
    files.make_parents(store.incoming)
    shutil.rmtree(store.incoming, ignore_errors=True)
    os.mkdir(store.incoming, 0o700)
    os.chown(store.incoming, user, -1)


def install(store: Store, identity: str, stream: str) -> list[str]:
    """Unpack what is missing of a bundle out of a shipped stream; return the files that came with it."""
    try:
        with tarfile.open(stream, "r:") as archive:
            members = {os.path.normpath(member.name): member for member in archive}
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
    here = held_bundles(store)
    index = store.index()
    lacking = [
        entry
        for entry in manifest.files
        if entry.path not in state.intact and not _is_right(store, store.content(entry), entry.sha256, index, entry)
    ]
    shipped = [entry for entry in lacking if entry.sha256 not in here]
    for entry in shipped:
        if entry.member not in parts:
            raise BundleError(f"{entry.path} is missing in what arrived on the node")
    staging = Store(store.bundle(f".{manifest.id}.new"))
    shutil.rmtree(staging.data_dir, ignore_errors=True)
    try:
        check_space(store, sum(entry.size for entry in shipped))
        for entry in lacking:
            files.make_parents(staging.content(entry))
            if entry.sha256 in here:
                _reuse(here[entry.sha256], staging.content(entry), entry)
        _unpack_all(staging, shipped, parts)
        _place_files(staging, store)
        _place_bundle(store, staging.bundle(manifest.id), manifest, state.own)
    finally:
        shutil.rmtree(staging.data_dir, ignore_errors=True)
    return [entry.path for entry in shipped]


def check_space(store: Store, size: int) -> None:
    """Raise BundleError unless so much can be written."""
    needed = size + RESERVE
    free = free_space(store.root)
    if free < needed:
        raise BundleError(no_space(store.root, free, needed))


def no_space(where: str, free: int, needed: int) -> str:
    """That there is not room enough."""
    return f"{where} has {free >> 20} MiB free and needs {needed >> 20} MiB: make room and run again"


def free_space(path: str) -> int:
    """How many bytes are free where a path is, or would be."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _reuse(existing: str, path: str, entry: Entry) -> None:
    """Take a file that is there: the same inode, unless that one has another mode."""
    if stat.S_IMODE(os.lstat(existing).st_mode) == entry.mode:
        os.link(existing, path)
    else:
        shutil.copyfile(existing, path)
        os.chmod(path, entry.mode)


def _unpack_all(staging: Store, entries: list[Entry], parts: dict[str, tuple[str, int, int]]) -> None:
    # A run that unpacks nothing does without.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    # Largest first, so that the threads end together; decompression and hashing run outside the interpreter's lock.
    ordered = sorted({staging.content(entry): entry for entry in entries}.items(), key=lambda item: -item[1].size)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for _done in pool.map(lambda item: _unpack_one(item[0], item[1], parts[item[1].member]), ordered):
            pass


def _unpack_one(path: str, entry: Entry, part: tuple[str, int, int]) -> None:
    with Slice(*part) as packed, open(path, "xb") as target:
        for piece in unpack(packed, entry):
            target.write(piece)
        target.flush()
        os.fchmod(target.fileno(), entry.mode)
        os.fsync(target.fileno())


def _place_files(staging: Store, store: Store) -> None:
    for sha256, path in _contents(staging):
        target = content_path(store.root, sha256, path)
        files.make_parents(target)
        os.rename(path, target)
        files.sync_directory(os.path.dirname(target))
    files.make_parents(content_path(store.root, "", ""))
    files.sync_directory(os.path.join(store.root, FILES))


def _place_bundle(store: Store, staged: str, manifest: Manifest, own: frozenset[str]) -> None:
    """Bring a bundle whose files are there to its place: the whole directory or, of a damaged one, what was wrong."""
    for _path, link in _further_names(store, manifest, own):
        if files.link_change(link):
            files.make_link(link)
    target = store.bundle(manifest.id)
    fresh = not os.path.isdir(target)
    directory = staged if fresh else target
    for path, name in _bundle_links(manifest, own).items():
        if not _points_to(os.path.join(directory, path), name):
            files.make_link(files.Link(os.path.join(directory, path), name))
    files.write_file(files.File(os.path.join(directory, MANIFEST), manifest.text, mode=0o644))
    if fresh:
        os.rename(staged, target)
    files.sync_directory(store.root)
