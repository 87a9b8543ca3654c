# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The API as a server itself sees it: over loopback, as its administrator, with the patience that a restart needs.

Whatever changes a cluster through its API runs on one of its servers, so a controller needs no way to them but SSH.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import (
    JSON,
    ApiError,
    ApiUnreachable,
    NodeApi,
    existing,
    object_path,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS: dict[str, Any] = {
    "data_dir": options.DATA_DIR,
    "https_listen_port": options.HTTPS_LISTEN_PORT,
    "timeout": options.TIMEOUT,
}

# So long, in seconds, check mode tries to reach an API before it takes the cluster for one that is still to be made.
CHECK_PATIENCE = 5.0

# So long, in seconds, one answer may take: an API that starts is slow, and so are large objects.
ANSWER = 30.0


class Resource(NamedTuple):
    """A kind as the API serves it."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of an object of this kind, or of all of them."""
        return object_path(self.root, self.plural, namespace if self.namespaced else "", name)


CONFIG_MAPS = Resource("/api/v1", "configmaps", True)
EVENTS = Resource("/api/v1", "events", True)
NODES = Resource("/api/v1", "nodes", False)
PODS = Resource("/api/v1", "pods", True)
REPLICA_SETS = Resource("/apis/apps/v1", "replicasets", True)
SECRETS = Resource("/api/v1", "secrets", True)


class ServerApi:
    """An API whose requests are tried again, with back-off, until one deadline for all of them."""

    def __init__(self, api: NodeApi, timeout: float, patience: float | None = None) -> None:
        """With a patience, no single request is tried for longer than so many seconds."""
        self.deadline = time.monotonic() + timeout
        self._patience = timeout if patience is None else patience
        self._api = api
        self._groups: dict[str, dict[str, Resource] | None] = {}

    @property
    def left(self) -> float:
        """The seconds until the deadline."""
        return self.deadline - time.monotonic()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        return existing(self.request, path, query)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> dict[str, Any]:
        """The answer; every request of this collection may be repeated without harm."""
        pause = 0.1
        give_up = min(self.deadline, time.monotonic() + self._patience)
        while True:
            try:
                return self.once(method, path, query, body, content_type)
            except ApiError as error:
                if not error.later or time.monotonic() + pause > give_up:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> dict[str, Any]:
        """The answer to a request that is not tried again."""
        return self._api.request(method, path, query, body, content_type)

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """How the API serves a kind; None when it does not. Only the groups that are asked for are discovered."""
        if self._groups.get(api_version) is None:
            answer = self.get(group_root(api_version))
            self._groups[api_version] = None if answer is None else _resources(api_version, answer)
        return (self._groups[api_version] or {}).get(kind)

    def forget(self) -> None:
        """Discover anew: a CRD was applied."""
        self._groups.clear()


def connect(module: AnsibleModule) -> ServerApi:
    """The API of the server that a module runs on, for as long as its options allow."""
    params = module.params
    api = own_api(Layout(params["data_dir"]), params["https_listen_port"], ANSWER)
    return ServerApi(api, params["timeout"], CHECK_PATIENCE if module.check_mode else None)


def own_api(layout: Layout, port: int, answer: float = 5.0) -> NodeApi:
    """The API of this server; where the server is still to be installed nobody answers."""
    authority, certificate, key = (layout.tls(f) for f in ("server-ca.crt", "client-admin.crt", "client-admin.key"))
    for path in (authority, certificate, key):
        if not os.path.exists(path):
            raise ApiUnreachable(f"this host is no server of a cluster, or not yet: {path} is missing")
    return NodeApi(f"https://127.0.0.1:{port}", authority, certificate=certificate, key=key, timeout=answer)


def group_root(api_version: str) -> str:
    """The path under which the API has a group's version."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _resources(api_version: str, discovery: Mapping[str, Any]) -> dict[str, Resource]:
    return {
        entry["kind"]: Resource(group_root(api_version), entry["name"], entry["namespaced"])
        for entry in discovery.get("resources") or []
        if "/" not in entry["name"]
    }
