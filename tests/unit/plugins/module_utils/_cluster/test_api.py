# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def api():
    with keeping() as (objects, url):
        objects.add(f"{MAPS}/a", {"data": {"x": "1"}})
        client = node_api.NodeApi(url)
        client.objects = objects
        yield client
        client.close()


def test_reading_and_writing(api):
    assert api.get(f"{MAPS}/a")["data"] == {"x": "1"}
    assert api.get(f"{MAPS}/b") is None
    assert api.request("POST", MAPS, body={"metadata": {"name": "b"}})["metadata"]["name"] == "b"
    assert [item["metadata"]["name"] for item in api.get(MAPS, {"limit": "500"})["items"]] == ["a", "b"]
    api.request("PATCH", f"{MAPS}/b", body={"data": {"y": "2"}}, content_type=node_api.MERGE_PATCH)
    assert api.objects.kept[f"{MAPS}/b"]["data"] == {"y": "2"}
    api.request("DELETE", f"{MAPS}/b")
    assert api.get(f"{MAPS}/b") is None
    assert api.objects.asked[2:3] == [("POST", MAPS, {})]


def test_one_connection_is_enough(api):
    for _time in range(5):
        api.get(f"{MAPS}/a")
    assert api.objects.connections == 1


def test_a_refusal_has_status_and_words(api):
    api.objects.refusals[("PUT", f"{MAPS}/a")] = [(403, "cannot update")]
    with pytest.raises(node_api.ApiRefused, match="cannot update") as raised:
        api.request("PUT", f"{MAPS}/a", body={})
    assert (raised.value.status, raised.value.later) == (403, False)
    api.objects.refusals[("GET", f"{MAPS}/a")] = [(503, "not ready")]
    with pytest.raises(node_api.ApiRefused) as raised:
        api.get(f"{MAPS}/a")
    assert raised.value.later
    with pytest.raises(node_api.ApiRefused) as raised:
        api.request("GET", f"{MAPS}/none")
    assert raised.value.status == 404


# Answers of kube-apiserver v1.37.2.
TYPED_PATCH = {
    "kind": "Status",
    "status": "Failure",
    "message": "failed to create typed patch object (kube-system/x; apps/v1, Kind=Deployment): errors:\n"
    '  .spec.replicas: expected numeric (int or float), got string\n  .spec.template.spec.containers[name="a"].imagee: '
    "field not declared in schema",
    "code": 500,
}
INVALID = {
    "kind": "Status",
    "status": "Failure",
    "message": 'Service "q" is invalid: spec.ports[0].port: Invalid value: 700000: must be between 1 and 65535',
    "reason": "Invalid",
    "details": {
        "name": "q",
        "kind": "Service",
        "causes": [
            {
                "reason": "FieldValueInvalid",
                "message": "Invalid value: 700000: must be between 1 and 65535, inclusive",
                "field": "spec.ports[0].port",
            }
        ],
    },
    "code": 422,
}
NO_NAMESPACE = {
    "kind": "Status",
    "status": "Failure",
    "message": 'namespaces "nono" not found',
    "reason": "NotFound",
    "details": {"name": "nono", "kind": "namespaces"},
    "code": 404,
}
ETCD = {"kind": "Status", "status": "Failure", "message": "etcdserver: leader changed", "code": 500}


def refusal(status, answer):
    return node_api.ApiRefused(status, answer.get("message", ""), answer.get("reason", ""), answer.get("details"))


@pytest.mark.parametrize(
    ("status", "answer", "reasons"),
    [
        (
            500,
            TYPED_PATCH,
            [
                ".spec.replicas: expected numeric (int or float), got string",
                '.spec.template.spec.containers[name="a"].imagee: field not declared in schema',
            ],
        ),
        (422, INVALID, ["spec.ports[0].port: Invalid value: 700000: must be between 1 and 65535, inclusive"]),
        (404, NO_NAMESPACE, ['namespaces "nono" not found']),
    ],
)
def test_a_refusal_names_its_fields(status, answer, reasons):
    assert refusal(status, answer).reasons == reasons


def test_only_what_can_mend_is_asked_for_later():
    statuses = (400, 403, 404, 409, 422, 429, 500, 503, 504)
    assert [status for status in statuses if refusal(status, {}).later] == [429, 503, 504]
    assert refusal(500, ETCD).later and not refusal(500, TYPED_PATCH).later
    assert refusal(500, {"message": "rpc error: code = Unavailable desc = transport is closing"}).later
    assert not node_api.ApiError("no URL").later
    assert node_api.ApiUnreachable("x").later and not node_api.ApiUnreachable("x", untrusted=True).later


def test_a_missing_namespace_is_told_from_a_missing_object():
    assert refusal(404, NO_NAMESPACE).missing_namespace
    assert not refusal(404, {"details": {"kind": "pods"}}).missing_namespace


def test_a_watch_gives_events_and_ends_when_the_server_ends_it(api):
    version = api.get(MAPS)["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "timeoutSeconds": "1"}
    assert list(api.watch(MAPS, query)) == []
    api.objects.put(f"{MAPS}/a", {"data": {"x": "ü"}})
    events = list(api.watch(MAPS, query))
    assert [(event["type"], event["object"]["data"]) for event in events] == [("MODIFIED", {"x": "ü"})]
    assert api.objects.connections == 2  # one for requests, one for watches


def test_a_watch_that_is_left_early_does_not_disturb_what_follows(api):
    api.objects.put(f"{MAPS}/a", {"data": {"x": "2"}})
    events = api.watch(MAPS, {"resourceVersion": "0"})
    assert next(events)["type"] == "ADDED"
    events.close()
    assert len(list(api.watch(MAPS, {"resourceVersion": "0"}))) == 2
    assert api.get(f"{MAPS}/a")["data"] == {"x": "2"}


def test_a_watch_that_has_lost_its_place_says_so(api):
    api.objects.refusals[("WATCH", MAPS)] = [(410, "too old")]
    with pytest.raises(node_api.ApiRefused, match="too old") as raised:
        list(api.watch(MAPS, {"resourceVersion": "1"}))
    assert raised.value.status == 410


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = node_api.NodeApi(url)
        with pytest.raises(node_api.ApiUnreachable, match=f"the API at {url} cannot be reached: Connection refused"):
            client.get("/")
        with pytest.raises(node_api.ApiUnreachable):
            list(client.watch(MAPS, {}))


def test_somebody_who_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = node_api.NodeApi(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)
        with pytest.raises(node_api.ApiUnreachable, match="did not answer in time"):
            client.get("/")


def test_an_answer_that_is_no_json(api):
    class Garbage(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(502)
            self.end_headers()
            self.wfile.write(b"<html>Bad gateway</html>")

        def log_message(self, *arguments):
            pass

    with served(Garbage) as server, pytest.raises(node_api.ApiRefused, match="Bad gateway"):
        node_api.NodeApi(f"http://127.0.0.1:{server.server_port}").get("/")


@pytest.mark.parametrize("url", ["", "10.0.0.1:6443", "ftp://x", "https://"])
def test_what_is_no_url(url):
    with pytest.raises(node_api.ApiError, match="is not the URL of an API"):
        node_api.NodeApi(url)


def test_a_connection_that_the_server_gave_up_is_made_again():
    class Closing(BaseHTTPRequestHandler):
        """Says that it keeps the connection, and does not."""

        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            self.close_connection = True

        def log_message(self, *arguments):
            pass

    with served(Closing) as server:
        client = node_api.NodeApi(f"http://127.0.0.1:{server.server_port}")
        assert [client.get("/") for _time in range(3)] == [{}, {}, {}]


def test_no_proxy_of_the_environment_is_used(api, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert api.get(f"{MAPS}/a")


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (("/api/v1", "nodes"), "/api/v1/nodes"),
        (("/api/v1", "secrets", "k3a-system"), "/api/v1/namespaces/k3a-system/secrets"),
        (("/api/v1", "nodes", "", "a/../b", "status"), "/api/v1/nodes/a%2F..%2Fb/status"),
    ],
)
def test_paths(parts, path):
    assert node_api.object_path(*parts) == path


class Says(BaseHTTPRequestHandler):
    """Tells who asks: the subject of the client's certificate, and its token."""

    def do_GET(self):
        subject = (self.connection.getpeercert() or {}).get("subject", ())
        data = json.dumps({"subject": [pair[0][1] for pair in subject], "token": self.headers.get("Authorization")})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *arguments):
        """Tests are silent."""


@contextlib.contextmanager
def served(handler, context=None):
    class Quiet(HTTPServer):
        def handle_error(self, *arguments):
            """A client that does not trust it goes away."""

    server = Quiet(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Path:
    """A CA of its own, one that a root has signed, and a certificate of each for the server and for w1."""
    folder = tmp_path_factory.mktemp("pki")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "root", "other"):
        where = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
        openssl("req", "-x509", *key, *where, "-subj", f"/CN={name}", "-days", "2")
    issued = [
        ("middle", "root", "/CN=middle", "basicConstraints=critical,CA:true"),
        ("server", "ca", "/CN=s", "subjectAltName=IP:127.0.0.1,DNS:kubernetes.default.svc"),
        ("deep", "middle", "/CN=s", "subjectAltName=IP:127.0.0.1,DNS:kubernetes.default.svc"),
        ("elsewhere", "ca", "/CN=s", "subjectAltName=IP:10.9.9.9,DNS:kubernetes.default.svc"),
        ("kubelet", "ca", "/O=system:nodes/CN=system:node:w2", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:w2"),
        ("w1", "ca", "/CN=system:node:w1", "keyUsage=digitalSignature"),
    ]
    for name, by, subject, extension in issued:
        (folder / "extension").write_text(extension)
        openssl("req", *key, "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr", "-subj", subject)
        openssl("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{by}.crt", "-CAkey", f"{folder}/{by}.key",
                "-CAcreateserial", "-days", "1", "-extfile", f"{folder}/extension", "-out", f"{folder}/{name}.crt")  # fmt: skip
    return folder


@contextlib.contextmanager
def secure(pki: Path, certificate: str = "server"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / f"{certificate}.crt", pki / f"{certificate}.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    with served(Says, context) as server:
        yield f"https://127.0.0.1:{server.server_port}"


def test_a_client_has_a_certificate_or_a_token(pki):
    with secure(pki) as url:
        by_certificate = node_api.NodeApi(
            url, ca_file=str(pki / "ca.crt"), certificate=str(pki / "w1.crt"), key=str(pki / "w1.key")
        )
        assert by_certificate.get("/") == {"subject": ["system:node:w1"], "token": None}
        by_token = node_api.NodeApi(url, ca_data=(pki / "ca.crt").read_text(), token="abcdef.0123456789abcdef")
        assert by_token.get("/") == {"subject": [], "token": "Bearer abcdef.0123456789abcdef"}


@pytest.mark.parametrize("certificate, authority", [("server", "other"), ("kubelet", "ca"), ("deep", "ca")])
def test_another_server_is_not_talked_to(pki, certificate, authority):
    with secure(pki, certificate) as url:
        client = node_api.NodeApi(url, ca_file=str(pki / f"{authority}.crt"), token="secret")
        with pytest.raises(node_api.ApiUnreachable, match="is not trusted") as raised:
            client.get("/")
        assert raised.value.untrusted


def test_the_api_is_known_by_its_own_name_whatever_leads_to_it(pki):
    """A load balancer, or an address that the servers' certificates do not have."""
    with secure(pki, "elsewhere") as url:
        assert node_api.NodeApi(url, ca_file=str(pki / "ca.crt")).get("/")["token"] is None


def test_who_wants_the_name_in_the_url_says_so(pki):
    authority = str(pki / "ca.crt")
    with secure(pki, "kubelet") as url:
        assert node_api.NodeApi(url, ca_file=authority, server_name="").get("/")["token"] is None
    with secure(pki, "elsewhere") as url, pytest.raises(node_api.ApiUnreachable, match="is not trusted"):
        node_api.NodeApi(url, ca_file=authority, server_name="").get("/")


def test_an_authority_below_a_root_is_enough(pki):
    with secure(pki, "deep") as url:
        assert node_api.NodeApi(url, ca_file=str(pki / "middle.crt")).get("/")["token"] is None


def test_discovery_needs_no_authority(pki):
    with secure(pki, "elsewhere") as url:
        assert node_api.NodeApi(url).get("/")["subject"] == []


def test_files_that_cannot_be_used_are_named(pki, tmp_path):
    with pytest.raises(node_api.ApiError, match="none.crt cannot be used for TLS: No such file"):
        node_api.NodeApi("https://127.0.0.1", ca_file=str(tmp_path / "none.crt"))
    (tmp_path / "bad.crt").write_text("x")
    with pytest.raises(node_api.ApiError, match="bad.crt"):
        node_api.NodeApi("https://127.0.0.1", certificate=str(tmp_path / "bad.crt"))
    with pytest.raises(node_api.ApiError, match="the CA's certificate cannot be used"):
        node_api.NodeApi("https://127.0.0.1", ca_data="x")
