# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The data directory: where one may be, what in it k3a makes, and what is somebody else's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files

_SHA256 = r"[0-9a-f]{64}"
_ALL = r"(?!lost\+found$).+"
# What k3a makes, by the directory below the data directory in which it makes it. A directory that has no entry here is
# k3a's with all it holds; those that have one may be disks of their own. Everything else is somebody else's.
OURS = {
    "": r"agent|data|server|host\.json",
    "agent": r"containerd|etc|lib|pod-manifests|tls",
    "agent/containerd": _ALL,
    "server": r"cred|db|etc|lib|logs|tls|token|token\.next",
    "server/db": r"etcd|etcd\.env|etcd-old-.+",
    "server/db/etcd": _ALL,
    # An earlier version had a dot before the name of the index.
    "data": rf"{_SHA256}|files|current|previous|\.?verified\.json|(current|previous)\.\d+\.new",
    "data/files": _SHA256,
}
# What a killed run leaves beside what it makes.
_HALF_MADE = r"\.({})((\.\d+)?\.new|\.old|\.\w{{6,8}})|\.incoming"
_LINK = r"\.?(current|previous)(\.\d+)?(\.new)?"

# Others keep there what is theirs.
SHARED = (
    *("/usr/local", "/usr/lib", "/usr/libexec", "/usr/share", "/usr/bin", "/usr/sbin"),
    *("/var/cache", "/var/lib", "/var/log", "/var/mail", "/var/opt", "/var/spool", "/var/www"),
)
# The system empties these, or has something of its own there, or systemd keeps them from services.
CLOSED = (
    *("/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/var/run", "/var/tmp"),
    *("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/sbin", "/usr/share", "/var/lib/containerd", "/var/lib/kubelet"),
)

# Of 4096 bytes that a path may have, k3a needs some for what it keeps below.
LONGEST = 3072


def unfit(path: str) -> str:
    """Why no data directory may be at a path, or nothing."""
    if {"..", "."} & set(path.split("/")):
        return f"{path} does not say where it is"
    path = os.path.normpath(path)
    if path.count("/") < 2 or path in SHARED:
        return f"{path} is a directory that others use, too"
    inside = next((place for place in CLOSED if f"{path}/".startswith(f"{place}/")), "")
    return f"{path} is in {inside}, where the services of k3a cannot keep anything" if inside else ""


def blocked(path: str) -> str:
    """Why no directory can be at a path, as the disk is now, or nothing."""
    if not path.startswith("/"):
        return f"{path!r} is not an absolute path"
    if files.has_long_name(path) or len(os.fsencode(path)) > LONGEST:
        return f"{path[:40]}... is too long for a path"
    place = path
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if os.path.isdir(place):
        return ""
    kind = "a link that leads to no directory" if os.path.islink(place) else "no directory"
    return f"{path} cannot be a directory, since {place} is {kind}" if place != path else f"{path} is {kind}"


def is_ours(directory: str, name: str) -> bool:
    """Whether k3a makes something of this name in a directory below the data directory."""
    pattern = OURS[directory]
    return re.fullmatch(rf"{pattern}|{_HALF_MADE.format(pattern)}", name) is not None


def parts(data_dir: str) -> Iterator[tuple[str, str]]:
    """The directories in which k3a makes what is its own, that are there: below the data directory, and the whole path.

    A link of somebody else's is not followed.
    """
    for directory in OURS:
        path = f"{data_dir}/{directory}".rstrip("/")
        if os.path.isdir(path) and os.path.realpath(path) == f"{os.path.realpath(data_dir)}/{directory}".rstrip("/"):
            yield directory, path


def own_paths(data_dir: str) -> list[str]:
    """What is k3a's in a data directory, each path with all that it holds."""
    return [
        f"{path}/{name}"
        for directory, path, name in _entries(data_dir)
        if is_ours(directory, name)
        and f"{directory}/{name}".lstrip("/") not in OURS
        and (re.fullmatch(_LINK, name) or not os.path.islink(f"{path}/{name}"))
    ]


def foreign_paths(data_dir: str) -> list[str]:
    """What somebody else has in a data directory."""
    return [
        f"{path}/{name}"
        for directory, path, name in _entries(data_dir)
        if not is_ours(directory, name) and name != "lost+found"
    ]


def foreign_links(data_dir: str) -> list[str]:
    """Links that stand where k3a would have something of its own."""
    return [
        f"{path}/{name}"
        for directory, path, name in _entries(data_dir)
        if is_ours(directory, name) and os.path.islink(f"{path}/{name}") and not re.fullmatch(_LINK, name)
    ]


def _entries(data_dir: str) -> Iterator[tuple[str, str, str]]:
    """What is in each of its parts: the part as it is called here, its path, and the name of an entry."""
    for directory, path in parts(data_dir):
        for name in sorted(os.listdir(path)):
            yield directory, path, name


def has_signs(data_dir: str) -> bool:
    """Whether a data directory that no record names is k3a's: it holds a bundle, or what k3a changed of the host.

    Names such as C(tls) or C(db) say nothing.
    """
    known = dict(parts(data_dir))
    bundles = [
        name
        for directory in ("data", "data/files")
        if directory in known
        for name in os.listdir(known[directory])
        if re.fullmatch(rf"{_SHA256}|\.{_SHA256}\.(new|old)", name) and os.path.isdir(f"{known[directory]}/{name}")
    ]
    return bool(bundles) or _is_host_record(f"{data_dir}/host.json")


def _is_host_record(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as stream:
            return isinstance(json.load(stream)["settings"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return False
