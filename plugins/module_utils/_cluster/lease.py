# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A Lease of the API: one of those who want something at a time, for as long as it goes on renewing.

Whether another one's has expired is counted on this host's own clock, from the last renewal that was seen: the clocks
of two hosts may differ. See https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiRefused, object_path

API_VERSION = "coordination.k8s.io/v1"
DESCRIPTION = "k3a.io/holder"


class Api(Protocol):
    """What a lease asks: the API once, or with patience."""

    def get(self, path: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""

    def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        """Send one request and return the answer's object."""


@dataclass(frozen=True)
class Holding:
    """Who holds a lease, as the API has it: a name, what it says of itself, since when, and when it renewed it last."""

    id: str
    description: str
    since: str
    renewed: str

    def age(self, now: float) -> float:
        """The seconds since the last renewal, by two clocks."""
        return now - seconds_of(self.renewed)


class Lease:
    """A lease that one wants, has, or looks at."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        holder: str,
        duration: int,
        description: str = "",
        patience: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A lease lasts C(duration) seconds after a renewal. Another one's is watched for C(patience)."""
        self.duration = duration
        self._api = api
        self._namespace = namespace
        self._name = name
        self._path = object_path(f"/apis/{API_VERSION}", "leases", namespace, name)
        self._holder = holder
        self._description = description
        self._patience = patience or duration
        self._clock = clock
        # Who else had it at the last try to hold it, and since when that holding is known.
        self.seen: Holding | None = None
        self._seen_at = 0.0

    def hold(self) -> bool:
        """Take or renew the lease; whether it is held now."""
        found = self._api.get(self._path)
        other = self._other(found)
        if other != self.seen:
            self.seen, self._seen_at = other, self._clock()
        if other and self._clock() - self._seen_at < self._patience:
            return False
        return self._take(found)

    def replace(self, dead: str) -> bool:
        """Take the lease from a holder that is known to be dead, if it is that one's still; whether it is held now."""
        found = self._api.get(self._path)
        other = self._other(found)
        return (other is None or other.id == dead) and self._take(found)

    def other(self) -> Holding | None:
        """Who else has the lease, expired or not."""
        return self._other(self._api.get(self._path))

    def release(self) -> None:
        """Let another one take it at once."""
        found = self._api.get(self._path)
        if _spec(found).get("holderIdentity") == self._holder:
            self._write(found, {**_spec(found), "holderIdentity": ""})

    def _other(self, found: Mapping[str, Any] | None) -> Holding | None:
        spec = _spec(found)
        holder = str(spec.get("holderIdentity") or "")
        if holder in ("", self._holder):
            return None
        annotations = ((found or {}).get("metadata") or {}).get("annotations") or {}
        told = str(annotations.get(DESCRIPTION) or holder)
        return Holding(holder, told, str(spec.get("acquireTime") or ""), str(spec.get("renewTime") or ""))

    def _take(self, found: Mapping[str, Any] | None) -> bool:
        spec, now = _spec(found), micro_time(time.time())
        mine = spec.get("holderIdentity") == self._holder
        wanted = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": self.duration,
            "acquireTime": spec.get("acquireTime") if mine else now,
            "renewTime": now,
            "leaseTransitions": spec.get("leaseTransitions", 0) + (0 if mine else 1),
        }
        return self._write(found, wanted)

    def _write(self, found: Mapping[str, Any] | None, spec: dict[str, Any]) -> bool:
        metadata = dict((found or {}).get("metadata") or {"name": self._name, "namespace": self._namespace})
        if self._description:
            metadata["annotations"] = {**(metadata.get("annotations") or {}), DESCRIPTION: self._description}
        body = {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}
        method, path = ("POST", self._path.rpartition("/")[0]) if found is None else ("PUT", self._path)
        try:
            self._api.request(method, path, body=body)
        except ApiRefused as error:
            if error.status != 409:
                raise
            return False  # another one was faster
        return True


def _spec(found: Mapping[str, Any] | None) -> dict[str, Any]:
    return (found or {}).get("spec") or {}


def micro_time(seconds: float) -> str:
    """A moment as a lease has it."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1e6):06d}Z"


def seconds_of(timestamp: str) -> float:
    """A moment of the API in seconds; one that is not there is now."""
    parts = [int(part) for part in re.findall(r"\d+", timestamp)[:6]]
    return float(calendar.timegm((*parts, 0, 0, 0))) if len(parts) == 6 else time.time()
