# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The proxy by which a node reaches registries, in the environment of what asks them.

The URL of a proxy may hold a password, so it is in a file of root's, and not in the unit, which everybody may read.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files

OPTIONS: dict[str, Any] = {
    "http_proxy": {"type": "str", "default": "", "no_log": True},
    "https_proxy": {"type": "str", "default": "", "no_log": True},
    "no_proxy": {"type": "list", "elements": "str", "default": []},
}


def environment(params: dict[str, Any]) -> dict[str, str]:
    """The variables that programs in Go look for; none where there is no proxy."""
    proxies = {name.upper(): params[name] for name in ("http_proxy", "https_proxy") if params[name]}
    return {**proxies, "NO_PROXY": ",".join(params["no_proxy"])} if proxies else {}


def environment_files(params: dict[str, Any], path: str) -> tuple[files.File, ...]:
    """The file of a unit, where there is a proxy."""
    lines = [f"{name}={value}\n" for name, value in environment(params).items()]
    return (files.File(path, "".join(lines).encode(), mode=0o600, secret=True),) if lines else ()


def directives(params: dict[str, Any], path: str) -> tuple[tuple[str, str], ...]:
    """What a unit says of its file."""
    return (("EnvironmentFile", path),) if environment(params) else ()


def surplus(params: dict[str, Any], path: str) -> tuple[str, ...]:
    """The file of a unit, where there is no proxy any more."""
    return () if environment(params) else (path,)
