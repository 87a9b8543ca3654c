# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Directories that go with all they hold, except for what is mounted there, and the way to it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable, Sequence


def names(path: str) -> list[str]:
    """What is in a directory, if there is one."""
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def below(point: str, directory: str) -> bool:
    """Whether a path is strictly below a directory."""
    return point.startswith(directory.rstrip("/") + "/")


def own_mounts(points: Iterable[str], roots: Sequence[str]) -> list[str]:
    """The mounts that our components made, innermost first: those below directories where nobody else mounts."""
    return [point for point in reversed(list(points)) if any(below(point, root) for root in roots)]


def removable(path: str, points: Collection[str]) -> bool:
    """Whether anything would go, were this path removed."""
    if not os.path.lexists(path) or path in points:
        return False
    if _holds_no_mount(path, points):
        return True
    return any(removable(f"{path}/{name}", points) for name in names(path))


def remove(path: str, points: Collection[str]) -> None:
    """Remove a path with all it holds; what is mounted there is not entered, and the way to it stays."""
    if path in points:
        return
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    elif _holds_no_mount(path, points):
        shutil.rmtree(path)
    else:
        for name in names(path):
            remove(f"{path}/{name}", points)


def emptied(path: str, going: Collection[str], points: Collection[str]) -> bool:
    """Whether a directory is empty once these paths are gone."""
    if not os.path.isdir(path) or os.path.islink(path) or not _holds_no_mount(path, points):
        return False
    return all(f"{path}/{name}" in going for name in names(path))


def _holds_no_mount(path: str, points: Collection[str]) -> bool:
    return not any(point == path or below(point, path) for point in points)
