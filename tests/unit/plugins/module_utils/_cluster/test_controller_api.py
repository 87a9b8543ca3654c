# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from http.server import HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("kubernetes")

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import controller_api as _api
from ansible_collections.k3a.cluster.tests.unit.api_server import Answers, answering, kubeconfig_for


@pytest.fixture
def server():
    with answering() as server:
        yield server


def api_at(port: int, folder: Path, timeout: float = 5, patience: float | None = None) -> _api.Api:
    return _api.Api(kubeconfig_for(port, folder), timeout, str(folder), patience)


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
        (502, {}, ["HTTP status 502"]),
    ],
)
def test_a_refusal_names_its_fields(status: int, answer: dict, reasons: list[str]) -> None:
    assert _api.Refused(status, answer).reasons == reasons


def test_only_what_can_mend_is_tried_again() -> None:
    assert [status for status in (400, 403, 404, 409, 422, 429, 500, 503, 504) if _api.Refused(status, {}).later] == [
        429,
        503,
        504,
    ]
    assert _api.Refused(404, NO_NAMESPACE).missing_namespace
    assert not _api.Refused(404, {"details": {"kind": "pods"}}).missing_namespace


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
    assert _api.Resource(*resource).path(namespace, name) == path


def test_an_api_that_is_not_ready_is_asked_again(server: HTTPServer, tmp_path: Path) -> None:
    Answers.queue = [(503, {"message": "not ready"}), (429, b"later"), (200, {"items": [1]})]
    assert api_at(server.server_port, tmp_path).request("GET", "/api/v1/nodes", {"a": "b c"}) == {"items": [1]}
    assert Answers.asked == ["/api/v1/nodes?a=b c"] * 3


def test_a_refusal_is_not_repeated(server: HTTPServer, tmp_path: Path) -> None:
    Answers.queue = [(422, INVALID), (404, NO_NAMESPACE)]
    api = api_at(server.server_port, tmp_path)
    with pytest.raises(_api.Refused, match="is invalid"):
        api.request("GET", "/x")
    assert api.get("/y") is None
    assert len(Answers.asked) == 2


def test_a_group_is_discovered_once(server: HTTPServer, tmp_path: Path) -> None:
    Answers.queue = [(200, DISCOVERY), (404, {}), (200, DISCOVERY)]
    api = api_at(server.server_port, tmp_path)
    assert api.resource("apps/v1", "Deployment") == _api.Resource("/apis/apps/v1", "deployments", True)
    assert api.resource("apps/v1", "Scale") is None
    assert api.resource("demo.io/v1", "Widget") is None
    api.forget()
    assert api.resource("apps/v1", "Deployment") is not None
    assert Answers.asked == ["/apis/apps/v1", "/apis/demo.io/v1", "/apis/apps/v1"]


def test_nobody_there(server: HTTPServer, tmp_path: Path) -> None:
    closed = HTTPServer(("127.0.0.1", 0), Answers)
    closed.server_close()
    for timeout, patience in ((0.3, None), (60, 0.3)):
        api = api_at(closed.server_port, tmp_path, timeout, patience)
        with pytest.raises(
            _api.Unreachable, match=f"http://127.0.0.1:{closed.server_port} cannot be reached: .*refused"
        ):
            api.request("GET", "/")


def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(_api.Unreachable, match="no kubeconfig"):
        _api.Api(str(tmp_path / "none"), 1, str(tmp_path))
    (tmp_path / "broken").write_text("clusters: []\ncurrent-context: x\n")
    with pytest.raises(_api.ApiFailure, match="cannot be used"):
        _api.Api(str(tmp_path / "broken"), 1, str(tmp_path))
    (tmp_path / "text").write_text("a: [b\n")
    with pytest.raises(_api.ApiFailure, match="cannot be used"):
        _api.Api(str(tmp_path / "text"), 1, str(tmp_path))
