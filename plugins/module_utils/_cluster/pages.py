# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Lists of the API, of which no more is in memory at once than a page."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import NodeApi

NODES = "/api/v1/nodes"
# So many objects are read at once. A Node is what its machine makes of it, up to one and a half mebibytes.
PAGE, NODES_PAGE = "100", "20"


def pages(api: NodeApi, path: str, query: Mapping[str, str] | None = None) -> Generator[dict[str, Any], None, str]:
    """The objects of a list, a page at a time; its value is the list's version."""
    asked = {"limit": PAGE, **(query or {})}
    while True:
        page = api.request("GET", path, asked)
        yield from page.get("items") or []
        metadata = page.get("metadata") or {}
        if not metadata.get("continue"):
            return str(metadata.get("resourceVersion") or "")
        asked["continue"] = metadata["continue"]


def nodes(api: NodeApi) -> Generator[dict[str, Any], None, str]:
    """The Nodes, of which each may be as large as the API lets it."""
    return pages(api, NODES, {"limit": NODES_PAGE})
