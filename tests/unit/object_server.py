# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on loopback that keeps objects as the Kubernetes API does: versions, conflicts, pages, merge patches, watches.

For what is about the order of requests and failures between them; that real clusters agree is the integration tests' part.
"""

from __future__ import annotations

import contextlib
import copy
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# How long a watch lasts here, whatever was asked for.
WATCH = 0.05


class Objects:
    """What the server keeps, by path; whatever is in `refusals` for (method, path) is answered first, once each."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.refusals: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.connections = 0
        self.version = 1
        self.log: list[tuple[int, str, str, dict[str, Any]]] = []
        self.lock = threading.RLock()
        # Called with method and path before a request is answered.
        self.before: Any = lambda method, path: None

    def put(self, path: str, body: dict[str, Any], kind: str = "MODIFIED") -> dict[str, Any]:
        with self.lock:
            self.version += 1
            kept = copy.deepcopy(body)
            metadata = kept.setdefault("metadata", {})
            metadata["resourceVersion"] = str(self.version)
            metadata.setdefault("name", path.rsplit("/", 1)[1])
            metadata.setdefault("creationTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            self.kept[path] = kept
            self.log.append((self.version, kind, path.rsplit("/", 1)[0], kept))
            return kept

    def add(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.put(path, body, "ADDED")

    def under(self, collection: str) -> list[dict[str, Any]]:
        return [body for path, body in sorted(self.kept.items()) if path.rsplit("/", 1)[0] == collection]

    def requests(self, method: str) -> list[str]:
        return [path for asked, path, _query in self.asked if asked == method]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.asked.append((method, path, query))
            self.before(method, path)
            refusals = self.refusals.get((method, path))
            if refusals:
                status, message = refusals.pop(0)
                return status, {"kind": "Status", "message": message, "code": status}
            return getattr(self, f"_{method.lower()}")(path, query, body)

    def _get(self, path: str, query: dict[str, str], _body: Any) -> tuple[int, dict[str, Any]]:
        if path in self.kept:
            return 200, self.kept[path]
        # The plural of a kind stands at even places below the group's version, or after the namespace.
        parts = path.split("/")[3 if path.startswith("/api/") else 4 :]
        if len(parts) % 2 == 0:
            return 404, {"message": f"{path} not found"}
        items = self.under(path)
        wanted = query.get("fieldSelector", "").partition("type=")[2]
        items = [item for item in items if not wanted or item.get("type") == wanted]
        start, size = int(query.get("continue", 0)), int(query.get("limit", 1000))
        metadata = {"resourceVersion": str(self.version)}
        if start + size < len(items):
            metadata["continue"] = str(start + size)
        return 200, {"metadata": metadata, "items": items[start : start + size]}

    def _post(self, path: str, _query: Any, body: Any) -> tuple[int, dict[str, Any]]:
        name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{self.version}"
        if f"{path}/{name}" in self.kept:
            return 409, {"message": f"{name} already exists"}
        return 201, self.add(f"{path}/{name}", body)

    def _put(self, path: str, _query: Any, body: Any) -> tuple[int, dict[str, Any]]:
        path = path[: -len("/approval")] if path.endswith("/approval") else path
        if path not in self.kept:
            return 404, {"message": f"{path} not found"}
        if body["metadata"].get("resourceVersion") != self.kept[path]["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        return 200, self.put(path, body)

    def _patch(self, path: str, _query: Any, body: Any) -> tuple[int, dict[str, Any]]:
        if path not in self.kept:
            return 404, {"message": f"{path} not found"}
        return 200, self.put(path, merged(self.kept[path], body))

    def _delete(self, path: str, _query: Any, _body: Any) -> tuple[int, dict[str, Any]]:
        gone = self.kept.pop(path, None)
        if gone is None:
            return 404, {"message": f"{path} not found"}
        self.version += 1
        self.log.append((self.version, "DELETED", path.rsplit("/", 1)[0], gone))
        return 200, {"status": "Success"}

    def events(self, path: str, after: int) -> list[tuple[int, dict[str, Any]]]:
        with self.lock:
            found = [entry for entry in self.log if entry[0] > after and entry[2] == path]
            return [(version, {"type": kind, "object": body}) for version, kind, _path, body in found]


def merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    found = {**old, **{key: merged(old.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in found.items() if key not in patch or patch[key] is not None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects: Objects

    def setup(self) -> None:
        super().setup()
        self.objects.connections += 1

    def answer(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if query.get("watch") == "true":
            self.stream(path, query)
            return
        status, answer = self.objects.answer(self.command, path, query, body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def stream(self, path: str, query: dict[str, str]) -> None:
        self.objects.asked.append(("WATCH", path, query))
        self.objects.before("WATCH", path)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        refusals = self.objects.refusals.get(("WATCH", path))
        if refusals:
            status, message = refusals.pop(0)
            self.chunk({"type": "ERROR", "object": {"code": status, "message": message}})
        version, end = int(query["resourceVersion"]), time.monotonic() + WATCH
        while time.monotonic() < end:
            for seen, event in self.objects.events(path, version):
                version = seen
                self.chunk(event)
            time.sleep(0.005)
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, event: dict[str, Any]) -> None:
        data = json.dumps(event).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *arguments: object) -> None:
        """Tests are silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: object) -> None:
        """A client that goes away is no error."""


@contextlib.contextmanager
def keeping() -> Iterator[tuple[Objects, str]]:
    """The objects of a running server, and its URL."""
    objects = Objects()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"objects": objects}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield objects, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
