# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.action import bootstrap as action
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap as shared
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
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
    assert (done["changed"], done["missing_paths"], done["diff"]) == (True, announced["missing_paths"], announced["diff"])
    assert sorted(done["ca_certificates"]) == sorted(leaves.AUTHORITIES)
    again = run_action(action, module, data_dir=data)
    assert (again["changed"], again["missing_paths"], again["ca_certificates"]) == (False, [], done["ca_certificates"])


def test_cas_that_are_made_together_are_valid_from_the_same_moment():
    """By that a cluster whose CAs came one after the other is told from one that always had them all."""
    made = action.material_for([shared.authority_paths(LAYOUT, name)[0] for name in shared.CN_PREFIXES], LAYOUT)
    certificates = [x509.load_pem_x509_certificate(made[shared.authority_paths(LAYOUT, name)[0]].encode()) for name in shared.CN_PREFIXES]
    assert len({certificate.not_valid_before_utc for certificate in certificates}) == 1


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
    assert (second["changed"], second["ca_certificates"]) == (True, first["ca_certificates"])
    assert (tmp_path / "k3a/server/cred").stat().st_mode & 0o777 == 0o700
    assert not run_action(action, module, data_dir=data)["changed"]


@pytest.mark.parametrize("killed_at", range(1, 15))
def test_a_run_that_is_killed_between_any_two_files_is_finished_by_the_next(
    run_action, tmp_path, monkeypatch, killed_at
):
    """Whatever was written before, in the end each CA's key belongs to its certificate."""
    written = []
    real = files.write_file

    def killed(file):
        if len(written) == killed_at:
            raise KeyboardInterrupt
        written.append(file.path)
        real(file)

    data = str(tmp_path / "k3a")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "write_file", killed)
        run_action(action, module, data_dir=data)
    done = run_action(action, module, data_dir=data)
    assert done["changed"]
    assert not run_action(action, module, data_dir=data)["changed"]
    layout = Layout(data)
    for name in shared.CN_PREFIXES:
        certificate, key = (open(path, "rb").read() for path in shared.authority_paths(layout, name))
        public = serialization.load_pem_private_key(key, None).public_key()
        assert x509.load_pem_x509_certificate(certificate).public_key() == public
        assert done["ca_certificates"][name].encode() == certificate


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


class TestLaterAuthority:
    """Servers that an earlier version installed get a CA that the first of them makes."""

    PATHS = ("server/tls/kubelet-serving-ca.crt", "server/tls/kubelet-serving-ca.key")

    @pytest.fixture
    def servers(self, run_action, tmp_path, monkeypatch):
        monkeypatch.setattr(shared.systemd, "unit_path", lambda name: str(tmp_path / name))
        first, other = tmp_path / "first", tmp_path / "other"
        run_action(action, module, data_dir=str(first))
        material = run_action(action, module, data_dir=str(first), export=True)["material"]
        run_action(action, module, data_dir=str(other), may_create=False, shared=material)
        for server in (first, other):
            for path in self.PATHS:
                (server / path).unlink()
        return str(first), str(other)

    def further(self, run_action, servers, check=False):
        """What the tasks of a role do for a server that is not the one which answers."""
        found = run_action(action, module, check=check, data_dir=servers[1], may_create=False)
        kept = run_action(action, module, check=check, data_dir=servers[0], export=True)
        assert len(found["missing_paths"]) == 2
        return run_action(
            action, module, check=check, data_dir=servers[1], may_create=False, shared=kept["material"]
        )

    def test_one_makes_it_and_the_others_are_given_it(self, run_action, servers):
        before = run_action(action, module, data_dir=servers[0], export=True)["material"]
        made = run_action(action, module, data_dir=servers[0])
        assert "kubelet-serving" in made["ca_certificates"]
        assert not self.further(run_action, servers).get("failed")
        exported = [run_action(action, module, data_dir=server, export=True)["material"] for server in servers]
        assert exported[0] == exported[1]
        assert {path: text for path, text in exported[0].items() if path not in self.PATHS} == before

    def test_check_mode_foresees_it(self, run_action, servers):
        first = run_action(action, module, check=True, data_dir=servers[0])
        other = self.further(run_action, servers, check=True)
        assert [entry["after_header"] for entry in first["diff"]] == [f"{servers[0]}/{path}" for path in reversed(self.PATHS)]
        assert [entry["after_header"] for entry in other["diff"]] == [f"{servers[1]}/{path}" for path in reversed(self.PATHS)]

    def test_a_server_without_it_cannot_give_it(self, run_action, servers):
        assert "does not have" in self.further(run_action, servers)["msg"]


class TestFurtherServer:
    """A server that joins has what the first one has, and nothing of its own."""

    @pytest.fixture
    def first(self, run_action, tmp_path):
        data = str(tmp_path / "first")
        run_action(action, module, data_dir=data)
        return run_action(action, module, data_dir=data, export=True)

    def join(self, run_action, tmp_path, material, check=False, **more):
        shared = {"shared": material} if material is not None else {}
        return run_action(action, module, check=check, data_dir=str(tmp_path / "other"), may_create=False, **shared, **more)

    def test_it_makes_nothing(self, run_action, tmp_path):
        found = self.join(run_action, tmp_path, None)
        assert (found["changed"], found["ca_certificates"]) == (False, {})
        assert len(found["missing_paths"]) == 15
        assert run_action.exchanges == [False]
        assert not (tmp_path / "other").exists()

    def test_it_gets_what_is_missing(self, run_action, tmp_path, first):
        announced = self.join(run_action, tmp_path, first["material"], check=True)
        assert not (tmp_path / "other").exists()
        run_action.exchanges.clear()
        done = self.join(run_action, tmp_path, first["material"])
        assert (done["changed"], done["missing_paths"], done["diff"]) == (True, announced["missing_paths"], announced["diff"])
        assert done["ca_certificates"] == first["ca_certificates"]
        for path, content in first["material"].items():
            assert (tmp_path / "other" / path).read_text() == content
        assert run_action.exchanges == [False, True]
        assert not self.join(run_action, tmp_path, first["material"])["changed"]

    def test_no_secret_is_in_what_comes_out(self, run_action, tmp_path, first):
        done = json.dumps(self.join(run_action, tmp_path, first["material"]))
        assert "PRIVATE KEY" not in done
        assert first["material"]["server/token"].strip() not in done

    def test_a_run_that_was_killed_is_finished_with_the_same(self, run_action, tmp_path, first):
        self.join(run_action, tmp_path, first["material"])
        for path in ("server/tls/client-ca.crt", "server/token"):
            (tmp_path / "other" / path).unlink()
        done = self.join(run_action, tmp_path, first["material"])
        assert len(done["missing_paths"]) == 3  # a key whose certificate is missing has signed nothing
        for path, content in first["material"].items():
            assert (tmp_path / "other" / path).read_text() == content

    def test_what_the_other_one_does_not_have_either_is_named(self, run_action, tmp_path, first):
        partial = {path: text for path, text in first["material"].items() if path != "server/token"}
        for check in (True, False):
            failed = self.join(run_action, tmp_path, partial, check=check)
            assert failed["failed"]
            assert failed["msg"] == f"the other server does not have {tmp_path}/other/server/token either"
        assert not (tmp_path / "other").exists()

    def test_one_that_encrypts_nothing_is_no_hindrance(self, run_action, tmp_path):
        data = str(tmp_path / "first")
        run_action(action, module, data_dir=data, secrets_encryption=False)
        material = run_action(action, module, data_dir=data, export=True)["material"]
        assert "server/cred/encryption-config.json" not in material
        assert not self.join(run_action, tmp_path, material, secrets_encryption=False).get("failed")

    def test_from_a_server_that_has_nothing_nothing_is_made(self, run_action, tmp_path):
        assert self.join(run_action, tmp_path, {}, check=True)["changed"]  # the first run of all has not been there
        failed = self.join(run_action, tmp_path, {})
        assert failed["failed"]
        assert not (tmp_path / "other").exists()
