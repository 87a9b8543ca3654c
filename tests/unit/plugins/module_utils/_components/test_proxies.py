# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import containerd, kubelet, proxies
from ansible_collections.k3a.cluster.tests.unit.component_samples import content_of, directives, params_for

URL = "http://me:s3cr3t@proxy.example.org:3128"
GIVEN: dict[str, Any] = {"https_proxy": URL, "no_proxy": ["10.0.0.0/8", ".example.org"]}
PLACES = {
    "containerd": "/var/lib/k3a/agent/etc/containerd/proxy.env",
    "kubelet": "/var/lib/k3a/agent/etc/kubelet-proxy.env",
}


def component_of(name: str, **given: Any) -> Any:
    """The component, as a node has it."""
    if name == "containerd":
        return containerd.containerd_component(params_for(containerd, **given))
    given = {"server_url": "https://127.0.0.1:6444", **given}
    return kubelet.kubelet_component(params_for(kubelet, **given), "w1", ["10.0.0.1"], "/etc/resolv.conf")


def params(**given: Any) -> dict[str, Any]:
    return {"http_proxy": "", "https_proxy": "", "no_proxy": [], **given}


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, {}),
        ({"no_proxy": ["10.0.0.0/8"]}, {}),
        ({"http_proxy": "http://a"}, {"HTTP_PROXY": "http://a", "NO_PROXY": ""}),
        (GIVEN, {"HTTPS_PROXY": URL, "NO_PROXY": "10.0.0.0/8,.example.org"}),
    ],
)
def test_the_environment(given: dict[str, Any], expected: dict[str, str]) -> None:
    assert proxies.environment(params(**given)) == expected


@pytest.mark.parametrize("name", sorted(PLACES))
def test_a_unit_has_its_proxy_in_a_file_that_nobody_else_reads(name: str) -> None:
    wanted = component_of(name, **GIVEN)
    assert directives(wanted.unit)["EnvironmentFile"] == [PLACES[name]]
    assert content_of(wanted, PLACES[name]) == f"HTTPS_PROXY={URL}\nNO_PROXY=10.0.0.0/8,.example.org\n"
    (file,) = (file for file in wanted.files if file.path == PLACES[name])
    assert (file.mode, file.owner, file.secret) == (0o600, "root", True)
    assert "s3cr3t" not in wanted.unit
    assert wanted.absent_secrets == ()


@pytest.mark.parametrize("name", sorted(PLACES))
def test_without_a_proxy_the_file_goes(name: str) -> None:
    wanted = component_of(name, no_proxy=["10.0.0.0/8"])
    assert "EnvironmentFile" not in directives(wanted.unit)
    assert wanted.absent_secrets == (PLACES[name],)
    assert PLACES[name] not in {file.path for file in wanted.files}


def test_only_what_asks_registries_has_a_proxy() -> None:
    assert {"http_proxy", "https_proxy", "no_proxy"} <= containerd.OPTIONS.keys() & kubelet.OPTIONS.keys()
