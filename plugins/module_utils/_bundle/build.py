# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Building a bundle on the controller: components from their pinned sources into a cache, and from there a bundle.

The cache:

    components/<name>/<key>/component.json, files/<sha256>.gz    what one component brings
    bundles/<id>/manifest.json, files/<sha256>.gz                a bundle
    locks/<key>                                                  link to the bundle of these locks and recipes
    verified/<key>                                               which files of a bundle were found right

A directory in it appears complete or not at all, and never changes afterwards.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import (
    FORMAT,
    MANIFEST,
    BundleError,
    Manifest,
    StatIndex,
    canonical,
    go_architecture,
    member_name,
    parse_manifest,
)
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.oci import image_archive
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import (
    Component,
    component_key,
    key_of,
    without_empty,
)
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.tools import Tool, go_environment, run

COMPONENT = "component.json"


def cache_root(chosen: str | None = None) -> str:
    """The cache: as chosen, or as the environment says, or the user's own."""
    return os.path.abspath(os.path.expanduser(chosen or os.environ.get("K3A_CACHE") or "~/.cache/k3a"))


def lock_link(cache: str, key: str) -> str:
    """The link from a bundle's key to the bundle."""
    return os.path.join(cache, "locks", key)


# ---- one component


def build(tool: Tool, component: Component, tools: str) -> str:
    """Build a component into the cache, unless it is there; return its directory."""
    key = component_key(component, tools)
    target = component.built(key)
    with exclusive(os.path.join(component.store, ".lock")):
        if os.path.exists(target):
            return target
        for left in os.listdir(component.store):
            if left.startswith(".build-"):
                shutil.rmtree(os.path.join(component.store, left), ignore_errors=True)
        work = tempfile.mkdtemp(prefix=".build-", dir=component.store)
        try:
            _build_into(tool, component, work)
            shutil.rmtree(os.path.join(work, "out"))
            os.chmod(work, 0o755)
            os.rename(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _build_into(tool: Tool, component: Component, work: str) -> None:
    recipe = component.recipe
    output = os.path.join(work, "out")
    for path, package in recipe["programs"].items():
        program = os.path.join(output, path)
        os.makedirs(os.path.dirname(program), exist_ok=True)
        if package.endswith(".c"):
            _compile_c(tool, component, package, program)
        else:
            _compile_go(tool, component, package, program)
    image = without_empty(recipe.get("image") or {})
    if image:
        made = {image["path"]: (_wrap(image, output), 0o644)}
    else:
        made = {path: (os.path.join(output, path), 0o755) for path in recipe["programs"]}
    flags = {}
    if recipe.get("flags"):
        program, *arguments = recipe["flags"]
        flags = json.loads(run(tool, [os.path.join(output, program), *arguments], "/"))
    os.mkdir(os.path.join(work, "files"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files = list(pool.map(lambda path: _store(work, path, *made[path]), sorted(made)))
    description = {
        "name": component.name,
        "version": recipe["version"],
        "files": files,
        "links": recipe.get("links") or {},
        "images": [{"path": image["path"], "name": image["name"], "component": component.name}] if image else [],
        "flags": flags,
    }
    with open(os.path.join(work, COMPONENT), "wb") as stream:
        stream.write(canonical(description))


def _compile_go(tool: Tool, component: Component, package: str, program: str) -> None:
    recipe = component.recipe
    linker = ["-s", "-w", *(f"-X {name}={value}" for name, value in (recipe.get("stamps") or {}).items())]
    tags = list(recipe.get("tags") or [])
    if recipe.get("cgo"):
        linker += ["-extldflags -static"]
        tags += ["netgo", "osusergo"]
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-tags", ",".join(tags), "-ldflags", " ".join(linker)]
    environment = go_environment(tool, bool(recipe.get("cgo")))
    run(tool, [*command, "-o", program, package], component.directory, environment)


def _compile_c(tool: Tool, component: Component, source: str, program: str) -> None:
    defines = [f'-D{name}="{value}"' for name, value in (component.recipe.get("stamps") or {}).items()]
    run(tool, ["gcc", "-Os", "-Wall", "-Werror", "-static", "-s", *defines, "-o", program, source], component.directory)


def _wrap(image: dict[str, str], output: str) -> str:
    with open(os.path.join(output, image["program"]), "rb") as stream:
        content = stream.read()
    archive = os.path.join(output, "image.tar")
    with open(archive, "wb") as stream:
        stream.write(image_archive(image["name"], image["program"], content, image["user"], go_architecture()))
    return archive


def _store(work: str, path: str, made: str, mode: int) -> dict[str, Any]:
    with open(made, "rb") as stream:
        content = stream.read()
    sha256 = hashlib.sha256(content).hexdigest()
    with open(os.path.join(work, member_name(sha256)), "wb") as stream:
        stream.write(gzip.compress(content, compresslevel=6, mtime=0))
        stream.flush()
        os.fsync(stream.fileno())
    return {"path": path, "sha256": sha256, "size": len(content), "mode": f"{mode:04o}"}


@contextlib.contextmanager
def exclusive(path: str) -> Iterator[None]:
    """One process at a time: a second one waits, and then finds the work done."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# ---- the bundle


def manifest_of(descriptions: list[dict[str, Any]], architecture: str) -> bytes:
    """The manifest of a bundle of these components."""
    flags: dict[str, list[str]] = {}
    links: dict[str, str] = {}
    for description in descriptions:
        flags.update(description["flags"])
        links.update(description["links"])
    files = [entry for description in descriptions for entry in description["files"]]
    images = [image for description in descriptions for image in description["images"]]
    return canonical(
        {
            "format": FORMAT,
            "architecture": architecture,
            "components": {description["name"]: {"version": description["version"]} for description in descriptions},
            "files": sorted(files, key=lambda entry: entry["path"]),
            "links": links,
            "images": sorted(images, key=lambda image: image["path"]),
            "flags": flags,
        }
    )


def assemble(cache: str, built: list[str], key: str) -> str:
    """Put a bundle together from built components and remember it under its key; return its directory."""
    text = manifest_of([_description(directory) for directory in built], go_architecture())
    bundle = os.path.join(cache, "bundles", parse_manifest(text).id)
    os.makedirs(os.path.dirname(lock_link(cache, key)), exist_ok=True)
    with exclusive(os.path.join(cache, "bundles", ".lock")):
        if not os.path.exists(bundle):
            _assemble_into(bundle, text, built)
            _trust(cache, bundle, parse_manifest(text))
        link = f"{lock_link(cache, key)}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.symlink(os.path.join("..", "bundles", os.path.basename(bundle)), link)
        os.rename(link, lock_link(cache, key))
    return bundle


def assembled(cache: str, built: list[str], key: str) -> str | None:
    """The directory of a bundle when it is there and remembered under its key."""
    if not all(os.path.exists(os.path.join(directory, COMPONENT)) for directory in built):
        return None
    text = manifest_of([_description(directory) for directory in built], go_architecture())
    bundle = os.path.join(cache, "bundles", parse_manifest(text).id)
    here = os.path.exists(bundle) and os.path.realpath(lock_link(cache, key)) == os.path.realpath(bundle)
    return bundle if here else None


def archived(bundle: str, path: str) -> bool:
    """Whether a file holds this bundle: it begins with the manifest and has the right size."""
    try:
        with tarfile.open(path, "r:") as archive:
            first = archive.next()
            content = archive.extractfile(first) if first and first.name == MANIFEST else None
            with open(os.path.join(bundle, MANIFEST), "rb") as manifest:
                same = content is not None and content.read() == manifest.read()
    except (FileNotFoundError, tarfile.TarError):
        return False
    # Each member takes a block of header and its size in whole blocks; the end is padded to records.
    blocks = sum(512 + -(-os.path.getsize(member) // 512) * 512 for member in _members(bundle)) + 1024
    return same and os.path.getsize(path) == -(-blocks // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def write_archive(bundle: str, path: str) -> None:
    """Write a bundle as one file, the same bytes for the same bundle."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            for member in _members(bundle):
                info = tarfile.TarInfo(os.path.relpath(member, bundle))
                info.size = os.path.getsize(member)
                with open(member, "rb") as stream:
                    archive.addfile(info, stream)
        os.rename(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _members(bundle: str) -> list[str]:
    files = os.path.join(bundle, "files")
    return [os.path.join(bundle, MANIFEST), *(os.path.join(files, name) for name in sorted(os.listdir(files)))]


def _description(directory: str) -> dict[str, Any]:
    if not os.path.exists(os.path.join(directory, COMPONENT)):
        name = os.path.basename(os.path.dirname(directory))
        raise BundleError(f"{name} has not been built yet: run playbooks/bundle.yml")
    with open(os.path.join(directory, COMPONENT), "rb") as stream:
        return json.load(stream)


def verified_index(cache: str, bundle: str) -> StatIndex:
    """What is remembered of a bundle's files, by their sha256; bundle is the path of its directory or archive."""
    return StatIndex(os.path.join(cache, "verified", key_of(os.path.realpath(bundle))))


def _trust(cache: str, bundle: str, manifest: Manifest) -> None:
    """Remember what this run compressed itself as right, so that nobody needs to read it again."""
    index = verified_index(cache, bundle)
    os.makedirs(os.path.dirname(index.path), exist_ok=True)
    for entry in manifest.files:
        index.learn(entry.sha256, os.stat(os.path.join(bundle, entry.member)))
    index.save()


def _assemble_into(bundle: str, text: bytes, built: list[str]) -> None:
    work = tempfile.mkdtemp(prefix=".build-", dir=os.path.dirname(bundle))
    try:
        os.mkdir(os.path.join(work, "files"))
        for directory in built:
            for name in os.listdir(os.path.join(directory, "files")):
                target = os.path.join(work, "files", name)
                if not os.path.exists(target):
                    os.link(os.path.join(directory, "files", name), target)
        with open(os.path.join(work, MANIFEST), "wb") as stream:
            stream.write(text)
        os.chmod(work, 0o755)
        os.rename(work, bundle)
    finally:
        shutil.rmtree(work, ignore_errors=True)
