# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to the Kubernetes API from the controller.

Private to the collection: may change at any time.

The kubernetes library reads the kubeconfig, authenticates and holds the TLS connection; requests are plain JSON on
paths. Its dynamic client would discover every API group before the first request, its typed client knows no CRDs.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

try:
    import urllib3
    import yaml
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_kube_config
except ImportError:
    KUBERNETES_ERROR: str | None = traceback.format_exc()
else:
    KUBERNETES_ERROR = None

JSON = node_api.JSON
MERGE_PATCH = node_api.MERGE_PATCH
APPLY_PATCH = "application/apply-patch+yaml"

# The server asks to come back later: too many requests, not ready yet, or its datastore was slow.
LATER = (429, 503, 504)

# So long, in seconds, check mode tries to reach an API before it takes the cluster for one that is still to be made.
CHECK_PATIENCE = 5.0


class ApiFailure(K3aError):
    """What the API would not do; the text is for the user."""


class Unreachable(ApiFailure):
    """The API did not answer."""

    def __init__(self, text: str, later: bool = True) -> None:
        super().__init__(text)
        self.later = later


class Refused(ApiFailure):
    """The API answered with an error."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        self.status = status
        self.message = str(answer.get("message") or f"HTTP status {status}")
        self.details: Mapping[str, Any] = answer.get("details") or {}
        super().__init__(self.message)

    @property
    def later(self) -> bool:
        return self.status in LATER

    @property
    def missing_namespace(self) -> bool:
        return self.status == 404 and self.details.get("kind") == "namespaces"

    @property
    def reasons(self) -> list[str]:
        """Each field that was refused, with why."""
        causes = [f"{cause.get('field')}: {cause.get('message')}" for cause in self.details.get("causes") or []]
        if causes:
            return causes
        # The typed-patch errors of server-side apply list the fields as lines of their message only.
        _head, found, fields = self.message.partition("errors:\n")
        return [line.strip() for line in fields.splitlines()] if found else [self.message.strip()]


class Resource(NamedTuple):
    """A kind as the API serves it."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        return node_api.object_path(self.root, self.plural, namespace if self.namespaced else "", name)


def group_root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


class Api:
    """The API that a kubeconfig names; every request is tried again with back-off until one total deadline."""

    def __init__(
        self, kubeconfig: str, timeout: float, scratch: str, patience: float | None = None, server: str = ""
    ) -> None:
        """With a patience, no single request is tried for longer than so many seconds. A server stands in for the
        kubeconfig's: another one of the same cluster."""
        self.deadline = time.monotonic() + timeout
        self._patience = timeout if patience is None else patience
        self._groups: dict[str, dict[str, Resource] | None] = {}
        self._configuration = _configuration(kubeconfig, scratch)
        self._configuration.host = server or self._configuration.host
        self._pool = ApiClient(self._configuration).rest_client.pool_manager

    @property
    def server(self) -> str:
        return str(self._configuration.host)

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        try:
            return self.request("GET", path, query)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> dict[str, Any]:
        """Every request of this collection may be repeated without harm: reads, applies, patches and deletions."""
        pause = 0.1
        give_up = min(self.deadline, time.monotonic() + self._patience)
        while True:
            try:
                return self._once(method, path, query, body, content_type)
            except (Unreachable, Refused) as error:
                if not error.later or time.monotonic() + pause > give_up:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """How the API serves a kind; None when it does not. Only the groups that are asked for are discovered."""
        if self._groups.get(api_version) is None:
            answer = self.get(group_root(api_version))
            self._groups[api_version] = None if answer is None else _resources(api_version, answer)
        return (self._groups[api_version] or {}).get(kind)

    def forget(self) -> None:
        """Discover anew: a CRD was applied."""
        self._groups.clear()

    def _once(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, content_type: str
    ) -> dict[str, Any]:
        headers = {"Accept": JSON, "User-Agent": "k3a.cluster"}
        if body is not None:
            headers["Content-Type"] = content_type
        token = self._configuration.get_api_key_with_prefix("authorization")
        if token:
            headers["Authorization"] = token
        url = self.server.rstrip("/") + path + ("?" + urlencode(query) if query else "")
        try:
            response = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=5.0, read=30.0),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(self.server, error) from None
        answer = node_api.decoded(response.data)
        if response.status >= 300:
            raise Refused(response.status, answer)
        return answer


def _configuration(kubeconfig: str, scratch: str) -> Any:
    if not os.path.exists(kubeconfig):
        raise Unreachable(f"there is no kubeconfig {kubeconfig} on the controller", later=False)
    configuration = Configuration()
    try:
        # The library writes embedded keys to temporary files: into the module's own directory, not a shared one.
        load_kube_config(config_file=kubeconfig, client_configuration=configuration, temp_file_path=scratch)
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ApiFailure(f"the kubeconfig {kubeconfig} cannot be used: {' '.join(str(error).split())}") from None
    return configuration


def _unreachable(server: str, error: Exception) -> Unreachable:
    # A wrong CA or name never becomes right by waiting; a handshake cut off by a restart does.
    wrong_certificate = "CERTIFICATE_VERIFY_FAILED" in str(error)
    reason = str(error).rsplit(": ", 1)[-1] if not wrong_certificate else f"its certificate is not trusted ({error})"
    return Unreachable(f"the API at {server} cannot be reached: {reason}", later=not wrong_certificate)


def _resources(api_version: str, discovery: Mapping[str, Any]) -> dict[str, Resource]:
    return {
        entry["kind"]: Resource(group_root(api_version), entry["name"], entry["namespaced"])
        for entry in discovery.get("resources") or []
        if "/" not in entry["name"]
    }
