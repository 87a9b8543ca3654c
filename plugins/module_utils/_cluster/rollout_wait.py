# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for objects of the API, and asking it why they do not come.

Private to the collection: may change at any time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import rollout as _rollout
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import (
    EVENTS,
    PODS,
    REPLICA_SETS,
    ServerApi,
)

# So many pods tell enough of why a rollout does not come.
MOST_PODS = 3


class Awaited(NamedTuple):
    """An object by its path, and what is waited for: that it is well, or that the one of this uid is gone."""

    title: str
    group: str
    path: str
    gone: str = ""


def wait_for(api: ServerApi, objects: list[Awaited]) -> list[str]:
    """Waits for all of them until the API's deadline; what is missing then, and why, one text for each object."""
    started = time.monotonic()
    pause = 0.1
    failed: list[str] = []
    while True:
        pending = []
        for awaited in objects:
            body = api.get(awaited.path)
            verdict = _verdict(awaited, body)
            if verdict.final:
                failed.append(_report(api, awaited, body, verdict.lack))
            elif verdict.lack:
                pending.append((awaited, body, verdict.lack))
        objects = [awaited for awaited, _body, _lack in pending]
        if not pending or failed or api.left < pause:
            late = f" after {time.monotonic() - started:.0f} s"
            return failed + [_report(api, awaited, body, lack + late) for awaited, body, lack in pending if not failed]
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _verdict(awaited: Awaited, body: Mapping[str, Any] | None) -> _rollout.Verdict:
    if awaited.gone:
        there = body is not None and body["metadata"]["uid"] == awaited.gone
        return _rollout.Verdict("is not gone") if there else _rollout.DONE
    return _rollout.Verdict("is not there") if body is None else _rollout.verdict(awaited.group, body)


def _report(api: ServerApi, awaited: Awaited, body: Mapping[str, Any] | None, lack: str) -> str:
    causes = _causes(api, body) if body else []
    return f"{awaited.title}: {lack}" + "".join(f"\n  - {cause}" for cause in causes)


def _causes(api: ServerApi, body: Mapping[str, Any]) -> list[str]:
    """Best effort: an API that fails here must not hide what is already known."""
    try:
        namespace = body["metadata"].get("namespace", "")
        if body["metadata"].get("deletionTimestamp"):
            return _rollout.holders(body)
        if body["kind"] == "Pod":
            return [_rollout.pod_report(body, _events(api, body))]
        selector = body.get("spec", {}).get("selector")
        if not isinstance(selector, dict):
            return []
        query = {"labelSelector": _rollout.selector_text(selector)}
        pods = api.request("GET", PODS.path(namespace), query)["items"]
        reports = [_rollout.pod_report(pod, _events(api, pod)) for pod in pods]
        # Without pods it is their maker who was refused: a quota, an admission rule.
        makers = [body, *api.request("GET", REPLICA_SETS.path(namespace), query)["items"]] if not pods else []
        refusals = [f"event {text}" for maker in makers for text in _rollout.last_events(_events(api, maker))]
        return [*[report for report in reports if report][:MOST_PODS], *refusals]
    except ApiError as error:
        return [f"the cause cannot be read: {error}"]


def _events(api: ServerApi, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    metadata = body["metadata"]
    query = {"fieldSelector": f"involvedObject.uid={metadata['uid']}"}
    return api.request("GET", EVENTS.path(metadata.get("namespace", "default")), query)["items"]
