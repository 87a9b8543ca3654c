# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Where the programs of a bundle are on a node: each in a directory that its content names.

    <data_dir>/data/files/<sha256>/etcd           the file
    <data_dir>/data/<id>/bin/etcd                 a link to it

A unit names a program by the first path, so another bundle that holds the same program changes no unit. An earlier
version unpacked programs into the second; a bundle that it brought is used by these paths for as long as it stays.
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import Manifest

FILES = "files"


def content_path(root: str, sha256: str, path: str) -> str:
    """Where what has this digest stands, under the name that a bundle's path gives it."""
    return os.path.join(root, FILES, sha256, os.path.basename(path))


def content_link(sha256: str, path: str) -> str:
    """The target of a bundle's path: the same, as it is seen from there."""
    return content_path("../..", sha256, path)


def future_programs(manifest: Manifest, data_dir: str, changing: Container[str] | None = None) -> dict[str, str]:
    """Where the programs of a bundle will be: all, or those of the paths that change."""
    return {
        path: content_path(f"{data_dir}/data", source.sha256, path)
        for path, source in sorted(manifest.sources.items())
        if not path.startswith("images/") and (changing is None or path in changing)
    }


def program(params: Mapping[str, Any], name: str) -> str:
    """The path by which a unit names a program of the bundle that a component is told to use."""
    return _place(params, f"bin/{name}")


def plugin_directories(params: Mapping[str, Any]) -> list[str]:
    """Where the bundle's CNI plugins are."""
    directory = f"{_bundle(params)}/cni"
    here = os.listdir(directory) if os.path.isdir(directory) else []
    paths = {f"cni/{name}" for name in here} | {path for path in params["programs"] if path.startswith("cni/")}
    return sorted({os.path.dirname(_place(params, path)) for path in paths}) or [directory]


def _bundle(params: Mapping[str, Any]) -> str:
    """The bundle's own directory, where the link to the current one is given, too."""
    path = params["bundle"]
    return os.path.join(os.path.dirname(path), os.readlink(path)) if os.path.islink(path) else path


def _place(params: Mapping[str, Any], path: str) -> str:
    if path in params["programs"]:
        return params["programs"][path]
    here = f"{_bundle(params)}/{path}"
    target = os.readlink(here) if os.path.islink(here) else ""
    return os.path.normpath(f"{os.path.dirname(here)}/{target}") if target.startswith(f"../../{FILES}/") else here
