# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as a machine sees it that joins: TLS, authentication by token and certificate, the certificates API."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens

INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/k3a-config"
NODES = "/api/v1/nodes"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
JOIN = "/api/v1/namespaces/k3a-join/secrets"
VALUES = {
    "cluster_cidr": ["10.42.0.0/16"],
    "service_cidr": ["10.43.0.0/16"],
    "cluster_dns": ["10.43.0.10"],
    "cluster_domain": "cluster.local",
    "flannel_backend": "vxlan",
    "proxy_mode": "nftables",
    "https_listen_port": 6443,
    "servers": ["192.0.2.10:6443", "192.0.2.11:6443"],
}


class Authority:
    """A CA with its files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        self.key.write_bytes(pem.new_key())
        # Some versions of Python insist on it, and real CAs have it.
        usage = "keyUsage=critical,keyCertSign,cRLSign"
        request = ["req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-addext", usage]
        self._openssl(*request, "-days", "9", to=self.certificate)

    @property
    def text(self) -> str:
        return self.certificate.read_text()

    def sign(self, request: bytes, extensions: str, days: str = "9") -> str:
        """A certificate for the subject of a request."""
        extension_file = self.folder / "extensions"
        extension_file.write_text(extensions)
        command = ["x509", "-req", "-CA", self.certificate, "-CAkey", self.key, "-set_serial", "7", "-days", days]
        return self._openssl(*command, "-extfile", extension_file, given=request).decode()

    def issue(self, subject: dict, extensions: str, days: str = "9") -> tuple[str, str]:
        """A certificate and its new key."""
        key = pem.new_key()
        return self.sign(pem.request_for(key, **subject).encode(), extensions, days), key.decode()

    def node(self, name: str, days: str = "9") -> tuple[str, str]:
        """The client certificate of a kubelet."""
        subject = {"common_name": f"system:node:{name}", "organization": "system:nodes"}
        return self.issue(subject, "extendedKeyUsage=clientAuth\n", days)

    def _openssl(self, *arguments: object, given: bytes = b"", to: Path | None = None) -> bytes:
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        if to:
            to.write_bytes(done.stdout)
        return done.stdout


class Cluster:
    """What is known and kept; tests change it at will."""

    def __init__(self, server: Authority, client: Authority) -> None:
        self.server, self.client = server, client
        self.kubelets = Authority(server.folder, "kubelet-serving")
        self.published = server.text
        self.tokens: dict[str, str] = {}
        self.unsigned: set[str] = set()
        self.values = dict(VALUES)
        self.objects: dict[str, dict] = {}
        self.asked: list[tuple[str, str, str]] = []
        # The answers that come before the right one.
        self.hiccups: list[tuple[int, str]] = []
        # What the approver makes of a request: the type of the condition and its message; nothing is to wait.
        self.approver = lambda request, password: ("Approved", "it is a node")
        self.signs = True
        self.url = ""

    @property
    def ca_certificates(self) -> dict[str, str]:
        """The CAs as a machine that joins comes to know them."""
        return {"server": self.server.text, "client": self.client.text, "kubelet-serving": self.kubelets.text}

    def token(self, identity: str = "f00bar", secret: str = "0123456789abcdef", pinned: bool = True) -> str:
        """A token that the cluster knows."""
        self.tokens[identity] = secret
        short = f"{identity}.{secret}"
        return f"K10{hashlib.sha256(self.published.encode()).hexdigest()}::{short}" if pinned else short

    def answer(self, method: str, path: str, user: str, body: dict) -> tuple[int, dict]:
        if self.hiccups:
            status, message = self.hiccups.pop(0)
            return status, {"message": message}
        if user == "?":
            return 401, {"message": "Unauthorized"}
        if path == INFO:
            return 200, {"data": self._info()}
        if not user:
            return 403, {"message": f"anonymous may not {method} {path}"}
        if path == CONFIG:
            authorities = {f"{name}-ca.crt": self.ca_certificates[name] for name in ("client", "kubelet-serving")}
            return 200, {"data": {"config.json": json.dumps(self.values), **authorities}}
        if method == "POST":
            return self._create(path, user, body)
        if method == "PATCH":
            return self._patch(path, user, body)
        return self._look(path) if path in self.objects else (404, {"message": f"{path} is not there"})

    def _info(self) -> dict[str, str]:
        content = kubeconfig.embedded(self.url, self.published.encode(), b"", b"")
        signed = {key: secret for key, secret in self.tokens.items() if key not in self.unsigned}
        signatures = {f"jws-kubeconfig-{key}": tokens.signature(content, key, value) for key, value in signed.items()}
        return {"kubeconfig": content, **signatures}

    def _create(self, path: str, user: str, body: dict) -> tuple[int, dict]:
        if path == JOIN and not user.startswith("system:bootstrap:"):
            return 403, {"message": f"{user} may not bring a password"}
        place = f"{path}/{body['metadata']['name']}"
        if place in self.objects:
            return 409, {"message": f"{place} already exists", "reason": "AlreadyExists"}
        self.objects[place] = {**body, "user": user}
        return 201, body

    def _patch(self, path: str, user: str, body: dict) -> tuple[int, dict]:
        """A node changes itself, by a merge of its metadata; not its taints."""
        if path != f"{NODES}/{user.removeprefix('system:node:')}" or "spec" in body:
            return 403, {"message": f"{user} may not change that of {path}"}
        if path not in self.objects:
            return 404, {"message": f"{path} is not there"}
        for field, pairs in body["metadata"].items():
            kept = self.objects[path]["metadata"].setdefault(field, {})
            kept.update(pairs)
            for key in [key for key, value in kept.items() if value is None]:
                del kept[key]
        return 200, self.objects[path]

    def _look(self, path: str) -> tuple[int, dict]:
        """A request is judged when it is first looked at again, and signed after that."""
        found = self.objects[path]
        if path.startswith(REQUESTS) and not found.get("status"):
            name, token = found["metadata"]["name"], found["user"].rpartition(":")[2]
            brought = self.objects.get(f"{JOIN}/{node_password.place(token, name)}")
            password = node_password.value_in(brought, name)
            judged = self.approver(found, password)
            conditions = [{"type": judged[0], "message": judged[1]}] if judged else []
            found["status"] = {"conditions": conditions} if judged else {}
        elif self.signs and [c["type"] for c in found.get("status", {}).get("conditions", [])] == ["Approved"]:
            serving = found["spec"]["signerName"] == "kubernetes.io/kubelet-serving"
            authority, usage = (self.kubelets, "serverAuth") if serving else (self.client, "clientAuth")
            request = base64.b64decode(found["spec"]["request"])
            asked = csr.parse(request)
            names = ",".join([*(f"DNS:{name}" for name in asked.dns), *(f"IP:{ip}" for ip in asked.ips)])
            extensions = f"extendedKeyUsage={usage}\n" + (f"subjectAltName={names}\n" if names else "")
            signed = authority.sign(request, extensions)
            found["status"]["certificate"] = base64.b64encode(signed.encode()).decode()
        return 200, found

    def user(self, handler: BaseHTTPRequestHandler) -> str:
        """Who asks: nothing is anybody, a question mark is somebody with a wrong token."""
        bearer = handler.headers.get("Authorization", "").partition("Bearer ")[2]
        if bearer:
            identity, _dot, secret = bearer.partition(".")
            return f"system:bootstrap:{identity}" if self.tokens.get(identity) == secret else "?"
        subject = (handler.connection.getpeercert() or {}).get("subject", ())  # type: ignore[attr-defined]
        return next((value for part in subject for key, value in part if key == "commonName"), "")


@contextmanager
def serving(cluster: Cluster, folder: Path, names: str = "IP:127.0.0.1,DNS:kubernetes.default.svc") -> Iterator[str]:
    """Serve a cluster on loopback, with a certificate of its server CA for these names."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        do_PATCH = do_POST

        def _answer(self, body: dict) -> None:
            user = cluster.user(self)
            cluster.asked.append((self.command, self.path, user))
            status, answer = cluster.answer(self.command, self.path, user, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            """Tests are silent."""

    extensions = f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n"
    certificate, key = cluster.server.issue({"common_name": "kube-apiserver"}, extensions)
    pair = folder / "serving.pem"
    pair.write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.load_verify_locations(cluster.client.certificate)
    context.verify_mode = ssl.CERT_OPTIONAL

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not trust the server hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    cluster.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield cluster.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
