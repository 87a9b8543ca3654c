# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import health

VERBOSE = """\
[+]ping ok
[-]etcd failed: reason withheld
[+]log ok
[-]poststarthook/rbac/bootstrap-roles failed: not finished
readyz check failed
"""


class Answer(http.server.BaseHTTPRequestHandler):
    ANSWERS = {
        "/ok": (200, b"ok"),
        "/bad": (500, VERBOSE.encode()),
        "/empty": (503, b""),
        "/denied": (401, b"Denied\nx"),
    }

    def do_GET(self):
        status, body = self.ANSWERS[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def port():
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)) as number:
        yield number


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server with a certificate for localhost: its port, and the file to trust it with."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out crt -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as number:
        yield number, str(folder / "crt")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_200_is_well(port):
    assert health.answers_ok(f"http://127.0.0.1:{port}/ok")() is None


def test_a_proxy_of_the_environment_is_not_asked(port, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert health.answers_ok(f"http://127.0.0.1:{port}/ok")() is None


@pytest.mark.parametrize(
    "path, reason",
    [
        (
            "bad",
            "answers 500: [-]etcd failed: reason withheld; [-]poststarthook/rbac/bootstrap-roles failed: not finished",
        ),
        ("empty", "answers 503: no reason given"),
        ("denied", "answers 401: Denied"),
    ],
)
def test_another_status_is_told_with_the_checks_that_fail(port, path, reason):
    url = f"http://127.0.0.1:{port}/{path}"
    assert health.answers_ok(url)() == f"{url} {reason}"


def test_a_refused_connection_is_told_as_such():
    url = f"http://127.0.0.1:{free_port()}/ok"
    assert "Connection refused" in health.answers_ok(url)()


def test_something_that_does_not_speak_http_is_not_well():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk():
            client, _address = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(b"220 mail ready\r\n")

        speaker = threading.Thread(target=talk)
        speaker.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/ok"
        assert health.answers_ok(url)().startswith(f"{url} does not answer")
        speaker.join()


def test_a_connection_that_breaks_off_is_not_well():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up():
            client, _address = listener.accept()
            client.recv(1000)
            client.close()

        speaker = threading.Thread(target=hang_up)
        speaker.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/ok"
        assert health.answers_ok(url)().startswith(f"{url} does not answer")
        speaker.join()


def test_an_answer_that_does_not_come_ends_with_the_probe(monkeypatch):
    monkeypatch.setattr(health, "PROBE_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/ok"
        assert "timed out" in health.answers_ok(url)()


def test_a_certificate_is_verified_with_the_authority_that_is_given(tls):
    port, authority = tls
    assert health.answers_ok(f"https://localhost:{port}/ok", authority)() is None
    assert "CERTIFICATE_VERIFY_FAILED" in health.answers_ok(f"https://127.0.0.1:{port}/ok", authority)()


def test_a_certificate_that_a_component_made_for_itself_is_accepted_without_authority(tls):
    port, _authority = tls
    assert health.answers_ok(f"https://127.0.0.1:{port}/ok")() is None


def test_an_authority_that_is_not_there_is_a_reason_and_no_traceback(tls, tmp_path):
    port, _authority = tls
    assert "No such file" in health.answers_ok(f"https://localhost:{port}/ok", str(tmp_path / "no.crt"))()


def test_a_socket_listens_when_it_accepts_connections(tmp_path):
    path = str(tmp_path / "s")
    assert health.listens(path)() == f"{path} does not accept connections: No such file or directory"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert health.listens(path)() == f"{path} does not accept connections: Connection refused"
        server.listen()
        assert health.listens(path)() is None


def test_a_file_that_appears(tmp_path):
    condition = health.exists(str(tmp_path / "f"))
    assert condition() == f"{tmp_path}/f is not there yet"
    (tmp_path / "f").touch()
    assert condition() is None


@pytest.mark.parametrize(
    "body, told",
    [("", "no reason given"), ("\n\n", "no reason given"), ("\n no etcd \nmore", "no etcd"), ("[+]a ok", "[+]a ok")],
)
def test_the_reason_in_a_body(body, told):
    assert health.failing_checks(body) == told


def test_a_condition_that_comes_true_is_waited_for(monkeypatch):
    monkeypatch.setattr(health, "POLL", 0.001)
    answers = iter(["starting", "starting", None])
    assert health.wait_for(lambda: next(answers), time.monotonic() + 20) is None
    assert list(answers) == []


def test_at_the_deadline_the_last_reason_is_told(monkeypatch):
    monkeypatch.setattr(health, "POLL", 0.01)
    started = time.monotonic()
    assert health.wait_for(lambda: "starting", started + 0.05) == "starting"
    assert time.monotonic() - started >= 0.05


def test_a_condition_is_asked_at_least_once_even_after_the_deadline():
    assert health.wait_for(lambda: None, time.monotonic() - 1) is None
    assert health.wait_for(lambda: "late", time.monotonic() - 1) == "late"


def test_what_is_hopeless_is_not_waited_for():
    assert health.wait_for(lambda: "starting", time.monotonic() + 3600, lambda: "it fails") == "it fails (starting)"


def test_what_is_well_is_well_even_if_it_seemed_hopeless():
    assert health.wait_for(lambda: None, time.monotonic() + 3600, lambda: "it fails") is None
