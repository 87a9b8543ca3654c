# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.modules import drift
from ansible_collections.k3a.cluster.tests.unit import authority_samples, leaf_samples

PASSWORD = "s3cr3t-word"


@pytest.fixture
def steps(tmp_path):
    """What a server with that password as its token, which has all that servers share, is asked for."""
    if os.geteuid() != 0:
        pytest.skip("the files belong to root")
    layout = Layout(str(tmp_path / "k3a"))
    for directory in bootstrap.directories(layout):
        files.make_directory(directory)
    paths = bootstrap.wanted_paths(layout, encryption=True)
    params = {
        "material": authority_samples.material(paths),
        "token": PASSWORD,
        "secrets_encryption_provider": "secretbox",
    }
    for path in paths:
        files.write_file(files.File(path, bootstrap.content_of(path, layout, params).encode(), mode=0o600))
    node = {"data_dir": layout.data_dir, "node_name": "n", "node_ip": ["10.0.0.1"]}
    return [
        {"name": "bootstrap", "options": {"data_dir": layout.data_dir}},
        {"name": "certificate", "options": {"profile": "server", "declared": leaf_samples.declared("server"), "ca_certificates": {}, **node}},
    ]


@pytest.mark.parametrize("check", [True, False])
def test_a_server_that_is_as_it_should_be(run_module, steps, tmp_path, check):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    secrets = {"bootstrap": {"token": PASSWORD}}
    result = run_module(drift, check=check, steps=steps, secrets=secrets)
    assert (result["changed"], result["reason"]) == (False, "")
    (certificates,) = result["certificates"]
    assert f"{tmp_path}/k3a/server/tls/client-admin.crt" in [leaf["certificate"] for leaf in certificates]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_secret_reaches_its_step_and_is_not_in_the_result(run_module, steps):
    secrets = {"bootstrap": {"token": "an0ther-word"}}
    result = run_module(drift, steps=steps, secrets=secrets)
    assert result["reason"].startswith("bootstrap: k3a_token differs from the server token")
    assert result["certificates"] == []
    assert not [word for word in (PASSWORD, "an0ther-word") if word in json.dumps(result)]


def test_secrets_are_those_of_one_step_alone(run_module, steps, tmp_path):
    """They are joined by the step's name: another step would refuse an option that it does not know."""
    (tmp_path / "k3a/server/tls/service.key").unlink()
    steps.reverse()
    result = run_module(drift, steps=steps, secrets={"bootstrap": {"token": PASSWORD}})
    assert result["reason"].startswith(f"bootstrap: {tmp_path}/k3a/server/tls/service.key is gone; put it back")
    assert len(result["certificates"]) == 1
