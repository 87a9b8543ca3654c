# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import (
    ApiError,
    ApiRefused,
    ApiUnreachable,
    NodeApi,
)
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import Resource, ServerApi
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.tests.unit import joinable_cluster
from ansible_collections.k3a.cluster.tests.unit.api_server import Answers, answering

DISCOVERY = {
    "kind": "APIResourceList",
    "groupVersion": "apps/v1",
    "resources": [
        {
            "name": "deployments",
            "singularName": "deployment",
            "namespaced": True,
            "kind": "Deployment",
            "verbs": ["get"],
        },
        {"name": "deployments/scale", "singularName": "", "namespaced": True, "kind": "Scale", "verbs": ["get"]},
    ],
}


@pytest.fixture
def api() -> Iterator[ServerApi]:
    with answering() as url:
        yield ServerApi(NodeApi(url), 5)


@pytest.mark.parametrize(
    ("resource", "namespace", "name", "path"),
    [
        (("/api/v1", "pods", True), "kube-system", "a", "/api/v1/namespaces/kube-system/pods/a"),
        (("/api/v1", "pods", True), "", "", "/api/v1/pods"),
        (("/api/v1", "nodes", False), "ignored", "n1", "/api/v1/nodes/n1"),
        (
            ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
            "",
            "system:k3a-flannel",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:k3a-flannel",
        ),
    ],
)
def test_paths(resource: tuple, namespace: str, name: str, path: str) -> None:
    assert Resource(*resource).path(namespace, name) == path


def test_an_api_that_is_not_ready_is_asked_again(api: ServerApi) -> None:
    Answers.queue = [(503, {"message": "not ready"}), (429, b"later"), (200, {"items": [1]})]
    assert api.request("GET", "/api/v1/nodes", {"a": "b c"}) == {"items": [1]}
    assert Answers.asked == ["/api/v1/nodes?a=b c"] * 3


def test_a_refusal_is_not_repeated(api: ServerApi) -> None:
    Answers.queue = [(422, {"message": "it is invalid"}), (404, {})]
    with pytest.raises(ApiRefused, match="is invalid"):
        api.request("GET", "/x")
    assert api.get("/y") is None
    assert len(Answers.asked) == 2


def test_once_is_once(api: ServerApi) -> None:
    Answers.queue = [(429, {"message": "a budget"})]
    with pytest.raises(ApiRefused, match="a budget"):
        api.once("GET", "/x")
    assert Answers.asked == ["/x"]


def test_a_group_is_discovered_once(api: ServerApi) -> None:
    Answers.queue = [(200, DISCOVERY), (404, {}), (200, DISCOVERY)]
    assert api.resource("apps/v1", "Deployment") == Resource("/apis/apps/v1", "deployments", True)
    assert api.resource("apps/v1", "Scale") is None
    assert api.resource("demo.io/v1", "Widget") is None
    api.forget()
    assert api.resource("apps/v1", "Deployment") is not None
    assert Answers.asked == ["/apis/apps/v1", "/apis/demo.io/v1", "/apis/apps/v1"]


@pytest.mark.parametrize("timeout, patience", [(0.3, None), (60, 0.3)])
def test_nobody_there_is_told_when_the_time_or_the_patience_is_over(timeout: float, patience: float | None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ApiUnreachable, match=f"{url} cannot be reached: Connection refused"):
            ServerApi(NodeApi(url), timeout, patience).request("GET", "/")


def called(data_dir: Path, port: int = 6443, check_mode: bool = False) -> Any:
    params = {"data_dir": str(data_dir), "https_listen_port": port, "timeout": 7}
    return SimpleNamespace(params=params, check_mode=check_mode)


@pytest.mark.parametrize("lost", ["server-ca.crt", "client-admin.crt", "client-admin.key"])
def test_a_host_that_is_no_server_has_no_api(tmp_path: Path, lost: str) -> None:
    tls = tmp_path / "server/tls"
    tls.mkdir(parents=True)
    for name in {"server-ca.crt", "client-admin.crt", "client-admin.key"} - {lost}:
        (tls / name).write_text("")
    with pytest.raises(ApiUnreachable, match=f"this host is no server of a cluster, or not yet: .*/{lost} is missing"):
        server_api.connect(called(tmp_path))


def test_a_damaged_certificate_is_no_cluster_to_come(tmp_path: Path) -> None:
    (tmp_path / "server/tls").mkdir(parents=True)
    for name in ("server-ca.crt", "client-admin.crt", "client-admin.key"):
        Path(Layout(str(tmp_path)).tls(name)).write_text("x")
    with pytest.raises(ApiError, match="server-ca.crt.* cannot be used for TLS") as raised:
        server_api.connect(called(tmp_path))
    assert not isinstance(raised.value, ApiUnreachable)


def test_a_server_asks_itself_as_its_administrator(tmp_path: Path, ca_certificates: Any) -> None:
    tls = tmp_path / "server/tls"
    tls.mkdir(parents=True)
    server, client = ca_certificates
    certificate, key = client.issue({"common_name": "system:admin"}, "extendedKeyUsage=clientAuth\n")
    for name, text in (("client-admin.crt", certificate), ("client-admin.key", key), ("server-ca.crt", server.text)):
        (tls / name).write_text(text)
    cluster = joinable_cluster.Cluster(server, client)
    with joinable_cluster.serving(cluster, tmp_path) as url:
        api = server_api.connect(called(tmp_path, urlsplit(url).port or 0))
        api.get("/api/v1/nodes")
    assert cluster.asked[-1] == ("GET", "/api/v1/nodes", "system:admin")
    assert 6 < api.left <= 7
