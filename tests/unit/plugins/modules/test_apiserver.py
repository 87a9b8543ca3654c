# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._components import apiserver as step
from ansible_collections.k3a.cluster.plugins.modules import apiserver


def announced_unit(result):
    (unit,) = (diff["after"] for diff in result["diff"] if "ExecStart" in diff["after"])
    return unit


def test_check_mode_names_all_that_the_run_writes(run_module, init, bundle, tmp_path):
    result = run_module(apiserver, check=True, bundle=bundle, data_dir=str(tmp_path / "k3a"), node_ip=["10.9.9.9"])
    for path in ("etc/authentication.yaml", "etc/admission.yaml", "etc/audit-policy.yaml", "logs"):
        assert f"{tmp_path}/k3a/server/{path}" in result["changes"]
    assert "k3a-apiserver.service" in result["changes"]
    assert "--advertise-address=10.9.9.9" in announced_unit(result)
    assert not (tmp_path / "k3a").exists()
    assert init.told == []


def test_another_address_can_be_published(run_module, init, bundle, tmp_path):
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "node_ip": ["10.9.9.9"]}
    result = run_module(apiserver, check=True, advertise_address="192.0.2.1", **given)
    assert "--advertise-address=192.0.2.1" in announced_unit(result)


def test_secrets_that_are_encrypted_stay_readable_whatever_the_option_says(run_module, init, bundle, tmp_path):
    given = {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "node_ip": ["10.9.9.9"], "secrets_encryption": False}
    assert "encryption" not in announced_unit(run_module(apiserver, check=True, **given))
    (tmp_path / "k3a/server/cred").mkdir(parents=True)
    (tmp_path / "k3a/server/cred/encryption-config.json").write_text("{}")
    assert "--encryption-provider-config=" in announced_unit(run_module(apiserver, check=True, **given))


def test_a_family_without_address_is_one_sentence(run_module, init, bundle, monkeypatch):
    monkeypatch.setattr(step.address, "node_addresses", list)
    result = run_module(apiserver, check=True, bundle=bundle)
    assert result["failed"]
    assert "set k3a_node_ip" in result["msg"]


def test_an_unknown_level_of_pod_security_is_refused(run_module, bundle):
    result = run_module(apiserver, check=True, bundle=bundle, pod_security_level="paranoid")
    assert result["failed"]
    assert "pod_security_level" in result["msg"]


def test_an_audit_policy_with_which_it_does_not_start_is_refused(run_module, bundle):
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": []}
    result = run_module(apiserver, check=True, bundle=bundle, audit_policy=policy)
    assert result["failed"]
    assert result["msg"] == (
        "audit_policy is none with which the API server starts: it has no list of rules, of at least one;"
        " correct it, or leave it out"
    )
