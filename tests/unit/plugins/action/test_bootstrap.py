# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import bootstrap as action
from ansible_collections.k3a.cluster.plugins.module_utils import _bootstrap as shared
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.modules import bootstrap as module
from cryptography import x509
from cryptography.hazmat.primitives import serialization

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)

LAYOUT = Layout("/d")


def test_material_is_made_for_what_is_missing_and_nothing_else():
    missing = [*shared.authority_paths(LAYOUT, "client"), LAYOUT.token, LAYOUT.tls("service.key")]
    made = action.material_for(missing, LAYOUT)
    assert sorted(made) == sorted([*shared.authority_paths(LAYOUT, "client"), LAYOUT.tls("service.key")])
    certificate = x509.load_pem_x509_certificate(made[LAYOUT.tls("client-ca.crt")].encode())
    key = serialization.load_pem_private_key(made[LAYOUT.tls("client-ca.key")].encode(), None)
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.rfc4514_string().startswith("CN=k3a-client-ca@")
    assert action.material_for([], LAYOUT) == {}


def test_a_key_without_certificate_is_made_anew_with_it_and_a_certificate_without_key_is_not_touched():
    certificate, key = shared.authority_paths(LAYOUT, "server")
    assert set(action.material_for([certificate], LAYOUT)) == {certificate, key}
    assert action.material_for([key], LAYOUT) == {}


def test_a_first_run_makes_everything_and_a_second_nothing(run_action, tmp_path):
    data = str(tmp_path / "k3a")
    announced = run_action(action, module, check=True, data_dir=data)
    assert not os.path.exists(data)
    done = run_action(action, module, data_dir=data)
    assert (done["changed"], done["missing"], done["diff"]) == (True, announced["missing"], announced["diff"])
    assert sorted(done["authorities"]) == ["client", "etcd-peer", "etcd-server", "request-header", "server"]
    again = run_action(action, module, data_dir=data)
    assert (again["changed"], again["missing"], again["authorities"]) == (False, [], done["authorities"])


def test_only_the_exchange_that_brings_keys_is_kept_out_of_the_log(run_action, tmp_path):
    run_action(action, module, data_dir=str(tmp_path / "k3a"))
    assert run_action.exchanges == [False, True]


def test_no_result_holds_a_secret(run_action, tmp_path):
    done = json.dumps(run_action(action, module, data_dir=str(tmp_path / "k3a"), token="s3cr3t-word"))
    token = (tmp_path / "k3a/server/token").read_text()
    assert token.endswith("::server:s3cr3t-word\n")
    assert "s3cr3t-word" not in done
    assert "PRIVATE KEY" not in done


def test_a_directory_with_a_wrong_mode_is_corrected_without_new_material(run_action, tmp_path):
    data = str(tmp_path / "k3a")
    first = run_action(action, module, data_dir=data)
    (tmp_path / "k3a/server/cred").chmod(0o755)
    second = run_action(action, module, data_dir=data)
    assert (second["changed"], second["authorities"]) == (True, first["authorities"])
    assert (tmp_path / "k3a/server/cred").stat().st_mode & 0o777 == 0o700
    assert not run_action(action, module, data_dir=data)["changed"]


@pytest.mark.parametrize("killed_at", range(1, 13))
def test_a_run_that_is_killed_between_any_two_files_is_finished_by_the_next(
    run_action, tmp_path, monkeypatch, killed_at
):
    """Whatever was written before, in the end each authority's key belongs to its certificate."""
    written = []
    real = module.files.write_file

    def killed(file):
        if len(written) == killed_at:
            raise KeyboardInterrupt
        written.append(file.path)
        real(file)

    data = str(tmp_path / "k3a")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module.files, "write_file", killed)
        run_action(action, module, data_dir=data)
    done = run_action(action, module, data_dir=data)
    assert done["changed"]
    assert not run_action(action, module, data_dir=data)["changed"]
    layout = Layout(data)
    for name in shared.CN_PREFIXES:
        certificate, key = (open(path, "rb").read() for path in shared.authority_paths(layout, name))
        public = serialization.load_pem_private_key(key, None).public_key()
        assert x509.load_pem_x509_certificate(certificate).public_key() == public
        assert done["authorities"][name].encode() == certificate


def test_a_lost_key_is_refused_before_anything_is_made(run_action, tmp_path):
    data = str(tmp_path / "k3a")
    run_action(action, module, data_dir=data)
    key = tmp_path / "k3a/server/tls/client-ca.key"
    key.unlink()
    failed = run_action(action, module, data_dir=data)
    assert failed["failed"]
    assert f"{key} does not: put the key back from a backup" in failed["msg"]
    assert not key.exists()


def test_material_given_by_a_user_is_not_taken(run_action, tmp_path):
    data = str(tmp_path / "k3a")
    own = {f"{data}/server/tls/service.key": "weak"}
    run_action(action, module, data_dir=data, material=own)
    assert "BEGIN EC PRIVATE KEY" in (tmp_path / "k3a/server/tls/service.key").read_text()
