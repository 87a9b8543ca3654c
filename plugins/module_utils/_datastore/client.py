# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A client of etcd on a server, over etcd's own JSON gateway: its members, their health, and a few keys.

Numbers of 64 bits are texts there, keys and values base64. What asks for agreement is asked of the endpoints in turn
until one answers; what one of them answers with an error is final.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity

# etcd itself gives up on an agreement that does not come after 5 s and two elections.
AGREEMENT_TIMEOUT = 10.0
PROBE_TIMEOUT = 3.0
# gRPC's codes for what another member may be able to do: this one does not vote, or has no leader.
FAILED_PRECONDITION, UNAVAILABLE = 9, 14


class EtcdError(K3aError):
    """What etcd would not do; the text is its own, or says why no member could be asked."""


class EtcdUnavailable(EtcdError):
    """No member could answer: none was reached, or none of those that were has a leader.

    C(answered) says that one was reached, C(untrusted) that the certificate of one is not to be trusted.
    """

    def __init__(self, message: str = "", answered: bool = False, untrusted: bool = False) -> None:
        super().__init__(message)
        self.answered, self.untrusted = answered, untrusted


@dataclass(frozen=True)
class Member:
    """A member as the others know it; one that was added and has not started yet has no name."""

    id: str
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.name or f"the member at {', '.join(self.peer_urls)}"


@dataclass(frozen=True)
class Heard:
    """What a majority of a cluster says: which cluster it is, and who its members are."""

    cluster_id: str
    members: tuple[Member, ...]


class Etcd:
    """The cluster behind some client URLs, seen with the credentials that the API server has."""

    def __init__(self, layout: Layout, endpoints: Sequence[str], timeout: float = AGREEMENT_TIMEOUT) -> None:
        self.endpoints = tuple(endpoints)
        self._timeout = timeout
        self._files = (layout.tls("etcd/server-ca.crt"), layout.tls("etcd/client.crt"), layout.tls("etcd/client.key"))
        self._context: ssl.SSLContext | None = None
        # What is looked at before each change of the members; it raises when there must be none.
        self.before_change: Callable[[], object] = lambda: None

    def heard(self) -> Heard:
        """The cluster and its members as a majority knows them."""
        answer = self._ask("/v3/cluster/member/list", {"linearizable": True})
        return Heard(_identity(answer).cluster_id, tuple(map(_member, answer.get("members", []))))

    def members(self) -> list[Member]:
        """The members as a majority knows them."""
        return list(self.heard().members)

    def known_members(self) -> list[Member]:
        """The members as the first endpoint that answers knows them, whether or not there is a majority."""
        answer = self._ask("/v3/cluster/member/list", {"linearizable": False})
        return [_member(entry) for entry in answer.get("members", [])]

    def add_learner(self, peer_url: str) -> Member:
        """Announce a member that does not vote yet."""
        self.before_change()
        answer = self._ask("/v3/cluster/member/add", {"peerURLs": [peer_url], "isLearner": True})
        return _member(answer["member"])

    def promote(self, member_id: str) -> None:
        """Let a learner vote; refused until it has caught up."""
        self.before_change()
        self._ask("/v3/cluster/member/promote", {"ID": member_id})

    def remove(self, member_id: str) -> None:
        """Remove a member for good."""
        self.before_change()
        self._ask("/v3/cluster/member/remove", {"ID": member_id})

    def update(self, member_id: str, peer_urls: Sequence[str]) -> None:
        """Tell the others where a member is from now on."""
        self.before_change()
        self._ask("/v3/cluster/member/update", {"ID": member_id, "peerURLs": list(peer_urls)})

    def status(self) -> dict[str, Any]:
        """What the first endpoint that answers says of itself: its member, the leader, its errors."""
        return self._ask("/v3/maintenance/status", {})

    def identity(self) -> EtcdIdentity:
        """The cluster and the member that the first endpoint that answers is."""
        return _identity(self.status())

    def leader(self) -> str:
        """The id of the member that leads, as the first endpoint that answers knows it."""
        return str(self.status().get("leader", ""))

    def hand_over(self, successor: str) -> None:
        """Have another member lead, by its id; only the one that leads can be asked."""
        self._ask("/v3/maintenance/transfer-leadership", {"targetID": successor})

    def healthy(self, member: Member) -> bool:
        """Whether a member votes, has a leader and serves reads that a majority agrees with."""
        return any(self._ready(url) for url in member.client_urls)

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        found = self._ask("/v3/kv/range", {"key": _encoded(key.encode())}).get("kvs", [])
        return base64.b64decode(found[0].get("value", "")) if found else None

    def prefix(self, prefix: str) -> dict[str, bytes]:
        """The keys that begin so, with their values."""
        start = prefix.encode()
        end = start[:-1] + bytes([start[-1] + 1])
        found = self._ask("/v3/kv/range", {"key": _encoded(start), "range_end": _encoded(end)}).get("kvs", [])
        return {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv.get("value", "")) for kv in found}

    def put(self, key: str, value: bytes) -> None:
        """Set a key."""
        self._ask("/v3/kv/put", {"key": _encoded(key.encode()), "value": _encoded(value)})

    def delete(self, key: str) -> None:
        """Remove a key."""
        self._ask("/v3/kv/deleterange", {"key": _encoded(key.encode())})

    def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        failures: list[tuple[str, Exception]] = []
        for endpoint in self.endpoints:
            try:
                return self._post(endpoint, path, body)
            except (OSError, http.client.HTTPException, EtcdUnavailable) as error:
                failures.append((endpoint, error))
        reasons = "; ".join(f"{endpoint}: {str(error) or type(error).__name__}" for endpoint, error in failures)
        raise EtcdUnavailable(
            f"no member of etcd answers ({reasons})",
            answered=any(isinstance(error, EtcdUnavailable) for _endpoint, error in failures),
            untrusted=any(isinstance(error, ssl.SSLError) for _endpoint, error in failures),
        )

    def _post(self, endpoint: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        status, content = self._exchange(endpoint, "POST", path, json.dumps(body).encode(), self._timeout)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {"message": content[:200].decode(errors="replace").strip()}
            status = status if status != http.client.OK else http.client.BAD_GATEWAY
        if status != http.client.OK:
            failure = EtcdUnavailable if answer.get("code") in (FAILED_PRECONDITION, UNAVAILABLE) else EtcdError
            raise failure(str(answer.get("message") or answer.get("error") or f"HTTP status {status}"))
        return answer

    def _ready(self, endpoint: str) -> bool:
        try:
            return self._exchange(endpoint, "GET", "/readyz", None, PROBE_TIMEOUT)[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _exchange(self, endpoint: str, method: str, path: str, body: bytes | None, timeout: float) -> tuple[int, bytes]:
        if self._context is None:
            authority, certificate, key = self._files
            self._context = ssl.create_default_context(cafile=authority)
            self._context.load_cert_chain(certificate, key)
        where = urlsplit(endpoint)
        connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, timeout=PROBE_TIMEOUT, context=self._context
        )
        try:
            connection.connect()
            connection.sock.settimeout(timeout)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def client_url(host: str) -> str:
    """Where a member serves clients; a host is an address as it stands in a URL."""
    return f"https://{host}:2379"


def peer_url(host: str) -> str:
    """Where a member serves its peers."""
    return f"https://{host}:2380"


def _identity(answer: Mapping[str, Any]) -> EtcdIdentity:
    header = answer.get("header", {})
    return EtcdIdentity(str(header.get("cluster_id", "")), str(header.get("member_id", "")))


def _member(entry: Mapping[str, Any]) -> Member:
    return Member(
        id=str(entry["ID"]),
        name=entry.get("name", ""),
        peer_urls=tuple(entry.get("peerURLs", ())),
        client_urls=tuple(entry.get("clientURLs", ())),
        learner=bool(entry.get("isLearner", False)),
    )


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
