# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.tests.unit import leaf_samples
from ansible_collections.k3a.cluster.tests.unit.component_samples import params_for


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"changed": False}, ""),
        ({"changed": False, "missing_paths": [], "complete": True, "unhealthy_reason": ""}, ""),
        ({"failed": True, "msg": "no DNS server"}, "no DNS server"),
        ({"changed": False, "missing_paths": ["/tls/server-ca.crt"]}, "/tls/server-ca.crt is missing"),
        ({"changed": False, "complete": False}, "the bundle is not complete"),
        ({"changed": True, "changes": ["/a", "/b"]}, "/a, /b would change"),
        ({"changed": True, "diff": [{"after_header": "/a"}]}, "/a would change"),
        ({"changed": True}, "what it does not name would change"),
        ({"changed": True, "changes": [], "diff": [{"after_header": ""}, {}]}, "what it does not name would change"),
        ({"failed": True, "msg": ""}, "it would fail, and does not say why"),
        ({"failed": True}, "it would fail, and does not say why"),
        ({"changed": False, "unhealthy_reason": "k3a-kubelet.service is failed"}, "k3a-kubelet.service is failed"),
    ],
)
def test_what_a_result_says_of_the_host(result, reason):
    assert drift.difference(result) == reason


@pytest.fixture
def server(tmp_path):
    """A server whose administrator's kubeconfig is as it should be."""
    if os.geteuid() != 0:
        pytest.skip("the files belong to root")
    layout = Layout(str(tmp_path))
    for path in kubeconfig.sources(layout):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.write_file(files.File(path, path.encode(), mode=0o600))
    options = {"path": str(tmp_path / "k3a.yaml"), "data_dir": str(tmp_path)}
    contents = [path.encode() for path in kubeconfig.sources(layout)]
    files.write_file(kubeconfig.wanted_file(params_for(kubeconfig, **options), contents))
    return {"name": "kubeconfig", "options": options}


def test_nothing_is_said_of_what_is_as_it_should_be(server):
    assert drift.first_difference([server, server]) == ("", [])


def test_the_first_that_differs_is_named_and_nothing_is_changed(server, tmp_path):
    path = tmp_path / "k3a.yaml"
    path.write_text("edited")
    broken = {"name": "kubelet", "options": {}}
    assert drift.first_difference([server, broken]) == (f"kubeconfig: {path} would change", [])
    assert path.read_text() == "edited"


def test_what_a_step_refuses_is_a_difference(server, tmp_path):
    reason, _certificates = drift.first_difference([{**server, "options": {**server["options"], "mode": "rw"}}])
    assert reason == "kubeconfig: mode is 'rw'; write it as quoted octal digits, such as '0600'"
    reason, _certificates = drift.first_difference([{"name": "kubelet", "options": {"data_dir": str(tmp_path)}}])
    assert reason == "kubelet: missing required arguments: bundle, server_url"


def test_the_certificates_of_all_steps_are_for_the_controller_to_judge(server, tmp_path):
    step = {
        "name": "certificate",
        "options": {
            "profile": "server",
            "declared": leaf_samples.declared("server"),
            "ca_certificates": {},
            "data_dir": str(tmp_path / "another"),
            "node_name": "n",
            "node_ip": ["10.0.0.1"],
        },
    }
    reason, certificates = drift.first_difference([step, server, step])
    assert reason == ""
    assert len(certificates) == 2
    assert {leaf["current"] for leaf in certificates[0]} == {""}


@pytest.mark.parametrize("error", [OSError(5, "Input/output error", "/etc/x"), K3aError("the disk is full")])
def test_what_cannot_be_looked_at_is_a_difference_of_this_host(server, monkeypatch, error):
    def refuse(_path):
        raise error

    monkeypatch.setattr(kubeconfig.files, "read_bytes", refuse)
    reason, _certificates = drift.first_difference([server])
    assert reason == ("kubeconfig: /etc/x: Input/output error" if isinstance(error, OSError) else "kubeconfig: the disk is full")


def test_a_damaged_record_of_the_host_is_a_difference_of_this_host(tmp_path):
    (tmp_path / "host.json").write_text("{")
    reason, _certificates = drift.first_difference([{"name": "host", "options": {"data_dir": str(tmp_path)}}])
    assert reason.startswith(f"host: {tmp_path}/host.json is damaged")
