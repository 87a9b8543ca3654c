# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member of etcd as its clients see it: JSON over TLS, for who has a certificate of its CA."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import Authority


class Gateway:
    """Answers a path with what `answers` has for it, bytes as they are; keeps what was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, Any]] = []
        # A member that hangs takes a request and says nothing until the test is over.
        self.hangs = threading.Event()
        self.hangs.set()


class Handler(BaseHTTPRequestHandler):
    gateway: Gateway

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.gateway.asked.append((self.path, json.loads(body) if body else None))
        self.gateway.hangs.wait()
        status, content = self.gateway.answers.get(self.path, (404, b"Not Found\n"))
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer

    def log_message(self, *arguments: object) -> None:
        """Tests are silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: object) -> None:
        """A client that goes away is no error."""


@contextmanager
def member(authority: Authority, name: str = "member") -> Iterator[Gateway]:
    """A running member with a certificate of a CA; it lets in who has one, too."""
    extensions = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
    certificate, key = authority.issue({"common_name": name}, extensions)
    pair = authority.folder / f"{name}.pem"
    pair.write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    handler = type("Bound", (Handler,), {})
    server = Server(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    handler.gateway = gateway = Gateway(f"https://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        gateway.hangs.set()
        server.shutdown()
        thread.join()
        server.server_close()


def client_of(authority: Authority, data_dir: Path) -> Layout:
    """A server whose API server has a certificate for etcd."""
    layout = Layout(str(data_dir))
    (data_dir / "server/tls/etcd").mkdir(parents=True)
    certificate, key = authority.issue({"common_name": "apiserver"}, "extendedKeyUsage=clientAuth\n")
    for name, text in (("server-ca.crt", authority.text), ("client.crt", certificate), ("client.key", key)):
        Path(layout.tls(f"etcd/{name}")).write_text(text)
    return layout
