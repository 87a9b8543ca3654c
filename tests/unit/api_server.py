# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on loopback that gives prepared answers, for what is about requests and not about a cluster."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import unquote_plus


class Answers(BaseHTTPRequestHandler):
    """Answers a path as `paths` says, or else with the next of `queue`; keeps what was asked."""

    paths: dict[str, Any] = {}
    queue: list[tuple[int, Any]] = []
    asked: list[str] = []

    def do_GET(self) -> None:
        asked = unquote_plus(self.path)
        self.asked.append(asked)
        status, body = (200, self.paths[asked]) if asked in self.paths else [*self.queue, (404, {})][0]
        if asked not in self.paths:
            self.queue[:1] = []
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Tests are silent."""


@contextmanager
def answering() -> Iterator[str]:
    """The URL of a running server."""
    Answers.paths, Answers.queue, Answers.asked = {}, [], []
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
