# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Talking to the Kubernetes API from a node, with the standard library only.

Requests are plain JSON on paths, over one connection that is kept. No proxy of the environment is ever used: the API of
one's own cluster is not reached through one. Tries again nothing: who asks knows how long it may take.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
# JSON is YAML; the API has no other name for a body of server-side apply.
APPLY_PATCH = "application/apply-patch+yaml"

# The certificates of all API servers name it, whatever leads to them, and no other certificate of their CA does.
API_NAME = "kubernetes.default.svc"

# A CA that another one signed is an anchor as good as a root, as for Go (Python knows the name since 3.10).
PARTIAL_CHAIN = 0x80000

# What the API passes on of its datastore.
_DATASTORE = re.compile(r"\betcd|\brpc error: ")


class ApiError(K3aError):
    """What went wrong; the text is for the user."""

    @property
    def later(self) -> bool:
        """Whether it may mend by itself."""
        return False


class ApiUnreachable(ApiError):
    """The API did not answer; untrusted says that something else than the cluster's own API did."""

    def __init__(self, message: str, untrusted: bool = False) -> None:
        super().__init__(message)
        self.untrusted = untrusted

    @property
    def later(self) -> bool:
        """A wrong CA never becomes right by waiting; a handshake cut off by a restart does."""
        return not self.untrusted


class ApiRefused(ApiError):
    """The API answered with an error."""

    def __init__(self, status: int, message: str, reason: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.details: Mapping[str, Any] = details or {}

    @property
    def later(self) -> bool:
        """The server asks to come back: too many requests, not ready yet, or its datastore was slow.

        Status 500 is etcd's while it changes its leader, but also that of a patch or an eviction that can never be;
        only the text tells them apart.
        """
        return self.status in (429, 503, 504) or (self.status == 500 and bool(_DATASTORE.search(self.message)))

    @property
    def missing_namespace(self) -> bool:
        """Whether what is missing is the namespace, and not the object."""
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


def existing(
    request: Callable[..., dict[str, Any]], path: str, query: Mapping[str, str] | None
) -> dict[str, Any] | None:
    """The object that a request finds, or None when there is none."""
    try:
        return request("GET", path, query)
    except ApiRefused as error:
        if error.status == 404:
            return None
        raise


class _NamedConnection(http.client.HTTPSConnection):
    """A connection to whoever proves to have a name, which need not be the one that is dialed."""

    def __init__(self, server_name: str, host: str, port: int, *, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._server_name = server_name
        self._tls = context

    def connect(self) -> None:
        """Connect as without TLS, and speak TLS then."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name)


class NodeApi:
    """The API at a URL, as the owner of a certificate or a token sees it.

    Without a CA (neither file nor data) the server is not verified: only for discovery, never with a secret. It has to
    prove that it is C(server_name): what a node dials is often a load balancer, and what answers behind an address may
    be somebody else. Empty is the host in the URL.
    C(longest) is how many bytes an answer may have; without it there is no bound.
    """

    longest: int | None = None

    def __init__(
        self,
        url: str,
        ca_file: str = "",
        ca_data: str = "",
        certificate: str = "",
        key: str = "",
        token: str = "",
        timeout: float = 5.0,
        server_name: str = API_NAME,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ApiError(f"{url!r} is not the URL of an API: https://<name or address>:<port> is one")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._timeout = timeout
        self._server_name = server_name or parts.hostname
        self._context = _context(ca_file, ca_data, certificate, key) if parts.scheme == "https" else None
        self._headers = {"Accept": JSON, "User-Agent": "k3a.cluster"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        # Connections that are idle: of a request, and of a watch.
        self._kept: http.client.HTTPConnection | None = None
        self._watching: http.client.HTTPConnection | None = None

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
        """Send one request and return the answer's object."""
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if body is None else {**self._headers, "Content-Type": content_type}
        kept, self._kept = self._kept, None
        try:
            connection, response = self._exchange(kept, self._timeout, method, _target(path, query), data, headers)
            content = response.read() if self.longest is None else response.read(self.longest + 1)
            if self.longest is not None and len(content) > self.longest:
                connection.close()
                raise ApiError(f"the API at {self.url} answers with more than {self.longest} bytes, as none does")
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        self._kept = None if response.will_close else connection
        answer = decoded(content)
        if response.status >= 300:
            raise _refused(response.status, answer)
        return answer

    def watch(
        self,
        path: str,
        query: Mapping[str, str],
        idle: float | None = None,
        waiting: contextlib.AbstractContextManager[Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The events of a watch until the server ends it; idle is how long, in seconds, no event may come.

        It waits for each event inside C(waiting). An event of type ERROR is raised as what it says (410: list again).
        """
        seconds = float(query.get("timeoutSeconds", 0)) + self._timeout if idle is None else idle
        target = _target(path, {**query, "watch": "true"})
        kept, self._watching = self._watching, None
        connection = None
        try:
            connection, response = self._exchange(kept, seconds, "GET", target, None, self._headers)
            if response.status >= 300:
                raise _refused(response.status, decoded(response.read()))
            while True:
                with waiting or contextlib.nullcontext():
                    line = response.readline()
                if not line:
                    break
                event = decoded(line)
                if event.get("type") == "ERROR":
                    status = event.get("object") or {}
                    raise _refused(int(status.get("code") or 500), status)
                yield event
            # Ended by the server as it was asked to: the connection is as good as before.
            if not response.will_close:
                self._watching, connection = connection, None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Give the kept connections up; the next request makes another."""
        for connection in (self._kept, self._watching):
            if connection is not None:
                connection.close()
        self._kept = self._watching = None

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return _NamedConnection(self._server_name, self._host, self._port, timeout=timeout, context=self._context)

    def _exchange(
        self,
        kept: http.client.HTTPConnection | None,
        timeout: float,
        method: str,
        target: str,
        data: bytes | None,
        headers: dict[str, str],
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        if kept is not None:
            try:
                kept.request(method, target, data, headers)
                return kept, kept.getresponse()
            except (ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError):
                # The server gave the idle connection up (or was restarted) before it saw this request.
                kept.close()
        connection = self._connection(timeout)
        connection.request(method, target, data, headers)
        return connection, connection.getresponse()

    def _unreachable(self, error: Exception) -> ApiUnreachable:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ApiUnreachable(f"the API at {self.url} is not trusted: {error.verify_message}", untrusted=True)
        reason = "it did not answer in time" if isinstance(error, socket.timeout) else None
        reason = reason or getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ApiUnreachable(f"the API at {self.url} cannot be reached: {reason}")


def object_path(root: str, plural: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The path of an object or a list: object_path("/api/v1", "secrets", "k3a-system", "x")."""
    parts = [root, *(["namespaces", quote(namespace)] if namespace else []), plural]
    parts += [quote(part, safe=":") for part in (name, subresource) if part]
    return "/".join(parts)


def _context(ca_file: str, ca_data: str, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca_file or ca_data:
            context.load_verify_locations(cafile=ca_file or None, cadata=ca_data or None)
            context.verify_flags |= PARTIAL_CHAIN
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except (OSError, ValueError) as error:
        what = ", ".join(path for path in (ca_file, certificate, key) if path) or "the CA's certificate"
        raise ApiError(f"{what} cannot be used for TLS: {getattr(error, 'strerror', None) or error}") from None
    return context


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return path + ("?" + urlencode(query) if query else "")


def decoded(data: bytes) -> dict[str, Any]:
    """The object in an answer of the API; of anything else, its text as a message."""
    try:
        answer = json.loads(data)
    except ValueError:
        return {"message": data[:300].decode("utf-8", "replace").strip()}
    return answer if isinstance(answer, dict) else {"message": str(answer)}


def _refused(status: int, answer: Mapping[str, Any]) -> ApiRefused:
    message = str(answer.get("message") or f"HTTP status {status}")
    return ApiRefused(status, message, str(answer.get("reason") or ""), answer.get("details"))
