# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import contextlib
import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap as shared
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap as step
from ansible_collections.k3a.cluster.plugins.modules import bootstrap
from ansible_collections.k3a.cluster.tests.unit import authority_samples

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path / "k3a"))


@pytest.fixture
def run(run_module, layout):
    """Both steps: what is missing, and then the contents that the controller would make."""

    def converge(**arguments):
        found = run_module(bootstrap, data_dir=layout.data_dir, **arguments)
        if found.get("failed") or not found["changed"]:
            return found
        made = authority_samples.material(found["missing_paths"])
        return run_module(bootstrap, data_dir=layout.data_dir, material=made or {"none": ""}, **arguments)

    return converge


def mode(path):
    return os.stat(path).st_mode & 0o777


def test_without_material_nothing_is_written_and_everything_is_missing(run_module, layout):
    found = run_module(bootstrap, data_dir=layout.data_dir)
    assert found["changed"]
    assert found["missing_paths"] == step.wanted_paths(layout, True)
    assert len(found["missing_paths"]) == 15
    assert not os.path.exists(layout.data_dir)


def test_what_another_run_made_meanwhile_stays(run_module, layout, monkeypatch):
    """The first look is older than the lock: nothing that appeared in between is written over."""
    path = layout.tls("service.key")

    @contextlib.contextmanager
    def waited_for_another_run(_timeout):
        os.makedirs(os.path.dirname(path))
        with open(path, "w", encoding="ascii") as stream:
            stream.write("made by the other run")
        yield

    made = {path: f"content of {path}\n" for path in step.wanted_paths(layout, True)}
    monkeypatch.setattr(step.files, "make_directory", lambda _directory: None)
    run_module(bootstrap, lock=waited_for_another_run, data_dir=layout.data_dir, material=made)
    assert open(path, encoding="ascii").read() == "made by the other run"


def test_secrets_are_roots_alone(run, layout):
    run()
    for path in step.wanted_paths(layout, True):
        assert mode(path) == (0o644 if path.endswith(".crt") else 0o600)
    assert mode(layout.tls("")) == mode(layout.cred("")) == mode(layout.tls("etcd")) == 0o700
    assert mode(f"{layout.data_dir}/server") == 0o711


def test_what_exists_is_never_replaced(run, layout):
    run()
    before = {path: open(path, "rb").read() for path in step.wanted_paths(layout, True)}
    os.unlink(layout.cred("encryption-config.json"))
    del before[layout.cred("encryption-config.json")]
    again = run(secrets_encryption_provider="aescbc")
    assert again["missing_paths"] == [layout.cred("encryption-config.json")]
    assert {path: open(path, "rb").read() for path in before} == before
    assert not run()["changed"]


def test_a_token_is_made_and_pins_the_server_authority(run, layout):
    run()
    token = open(layout.token, encoding="ascii").read()
    pin, _server, password = token.strip().partition("::server:")
    assert pin == "K10" + shared.tokens.ca_hash(authority_samples.authority()[0])
    assert len(password) == 32


@pytest.mark.parametrize("form", ["short", "secure"])
def test_a_given_token_is_kept_and_then_the_same_in_either_form(run, layout, form):
    secure = shared.secure_token(authority_samples.authority()[0], "s3cr3t-word")
    run(token="s3cr3t-word" if form == "short" else secure)
    assert open(layout.token, encoding="ascii").read() == secure + "\n"
    assert not run(token="s3cr3t-word")["changed"]
    assert not run(token=secure)["changed"]
    assert not run()["changed"]


def test_another_token_than_the_kept_one_is_refused_and_not_shown(run, layout):
    run(token="s3cr3t-word")
    refused = run(token="another-word")
    assert refused["failed"]
    assert "differs from the server token" in refused["msg"]
    assert "another-word" not in json.dumps(refused)


def test_the_token_of_another_cluster_is_refused(run):
    run(token="s3cr3t-word")
    refused = run(token=shared.secure_token("other", "s3cr3t-word"))
    assert refused["failed"]
    assert "another cluster" in refused["msg"]


@pytest.mark.parametrize("provider", ["secretbox", "aescbc", "aesgcm"])
def test_encryption_has_a_key_of_32_bytes_of_its_own(run, layout, provider):
    run(secrets_encryption_provider=provider)
    configuration = json.load(open(layout.cred("encryption-config.json"), encoding="ascii"))
    (key,) = configuration["resources"][0]["providers"][0][provider]["keys"]
    assert len(base64.b64decode(key["secret"])) == 32


def test_without_encryption_there_is_no_configuration_of_it(run, layout):
    run(secrets_encryption=False)
    assert not os.path.exists(layout.cred("encryption-config.json"))
    assert not run(secrets_encryption=False)["changed"]


def test_a_certificate_without_its_key_is_refused(run, layout):
    run()
    os.unlink(layout.tls("etcd/peer-ca.key"))
    refused = run()
    assert refused["failed"]
    assert "etcd/peer-ca.key does not: put the key back" in refused["msg"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("name", ["client-ca.crt", "client-ca.key", "etcd/peer-ca.key"])
@pytest.mark.parametrize("content", ["", "text", authority_samples.authority("another")[1]])
def test_a_damaged_authority_stops_its_server_by_name_and_is_not_replaced(run, run_module, layout, check, name, content):
    run()
    with open(layout.tls(name), "w", encoding="ascii") as stream:
        stream.write(content)
    for more in ({}, {"export": True}):
        refused = run_module(bootstrap, check=check, data_dir=layout.data_dir, **more)
        stem = layout.tls(name)[: -len(".crt")]
        assert refused["msg"].startswith(f"{stem}.crt or its key, {stem}.key, is damaged")
        assert "put both back from another server or from a backup" in refused["msg"]
    assert open(layout.tls(name), encoding="ascii").read() == content


def test_check_mode_writes_nothing_even_with_material(run_module, layout):
    found = run_module(bootstrap, check=True, data_dir=layout.data_dir, material={layout.tls("service.key"): "x"})
    assert found["changed"]
    assert not os.path.exists(layout.data_dir)


def test_the_diff_names_paths_and_shows_no_content(run_module, layout):
    diff = run_module(bootstrap, data_dir=layout.data_dir)["diff"]
    made = [entry for entry in diff if entry["after_header"] == layout.token]
    assert [(entry["before"], entry["after"]) for entry in made] == [("", "(secret, made)")]


class TestFurtherServer:
    """What a server that joins is given, and what it never makes itself."""

    @pytest.fixture
    def kept(self, run, run_module, layout):
        """What a first server keeps, in a data directory of its own."""
        run(token="s3cr3t-word")
        return run_module(bootstrap, data_dir=layout.data_dir, export=True)["material"]

    @pytest.fixture
    def other(self, tmp_path):
        return Layout(str(tmp_path / "other"))

    def test_a_server_tells_all_that_it_keeps_by_the_path_below_its_data_directory(self, kept, layout):
        paths = step.wanted_paths(layout, True)
        assert sorted(kept) == sorted(os.path.relpath(path, layout.data_dir) for path in paths)
        assert kept["server/tls/service.key"] == f"content of {layout.tls('service.key')}\n"
        assert kept["server/token"].endswith("::server:s3cr3t-word\n")

    def test_asking_changes_nothing_and_tells_what_there_is(self, run_module, layout):
        found = run_module(bootstrap, data_dir=layout.data_dir, export=True)
        assert (found["changed"], found["material"], found["ca_certificates"]) == (False, {}, {})
        assert not os.path.exists(layout.data_dir)

    @pytest.mark.parametrize("check", [True, False])
    def test_one_that_must_not_found_a_cluster_says_what_is_missing_and_makes_nothing(self, run_module, other, check):
        found = run_module(bootstrap, check=check, data_dir=other.data_dir, may_create=False)
        assert (found["changed"], found["diff"]) == (False, [])
        assert found["missing_paths"] == step.wanted_paths(other, True)
        assert not os.path.exists(other.data_dir)

    def test_that_something_will_be_brought_announces_it(self, run_module, other):
        found = run_module(bootstrap, data_dir=other.data_dir, may_create=False, shared={"from": "another server"})
        assert found["changed"]
        assert found["missing_paths"] == step.wanted_paths(other, True)
        assert not os.path.exists(other.data_dir)

    def test_what_is_brought_is_kept_as_it_is(self, run_module, kept, other):
        brought = {f"{other.data_dir}/{path}": content for path, content in kept.items()}
        done = run_module(bootstrap, data_dir=other.data_dir, may_create=False, material=brought)
        assert done["changed"]
        for path, content in brought.items():
            assert open(path, encoding="ascii").read() == content
            assert mode(path) == (0o644 if path.endswith(".crt") else 0o600)
        settled = run_module(bootstrap, data_dir=other.data_dir, may_create=False)
        assert (settled["changed"], settled["missing_paths"]) == (False, [])
        assert settled["ca_certificates"]["server"] == kept["server/tls/server-ca.crt"]


class TestLaterAuthority:
    """A server that an earlier version installed has no CA for kubelets; it is made once, and then kept."""

    OWN = "kubelet-serving"

    @pytest.fixture
    def units(self, monkeypatch, tmp_path):
        monkeypatch.setattr(step.systemd, "unit_path", lambda name: str(tmp_path / name))
        return tmp_path / "k3a-controller-manager.service"

    @pytest.fixture
    def earlier(self, run, layout, units):
        run()
        os.makedirs(f"{layout.etcd}/member/wal")
        open(f"{layout.etcd}/member/wal/0.wal", "w").close()
        for path in step.authority_paths(layout, self.OWN):
            os.unlink(path)
        units.write_text(f"LoadCredential=server-ca.key:{layout.tls('server-ca.key')}\n")
        return layout

    def test_it_is_made_and_nothing_else(self, run, earlier):
        assert step.lacks_later(earlier)
        kept = {path: open(path, "rb").read() for path in step.wanted_paths(earlier, True) if os.path.exists(path)}
        assert step.lost_by(earlier) == ""
        assert sorted(run()["missing_paths"]) == sorted(step.authority_paths(earlier, self.OWN))
        assert {path: open(path, "rb").read() for path in kept} == kept
        assert not step.lacks_later(earlier)
        assert not run()["changed"]

    def test_one_that_is_in_use_is_not_made_anew(self, run, earlier, units):
        certificate, key = step.authority_paths(earlier, self.OWN)
        units.write_text(f"LoadCredential=x.crt:{certificate}\nLoadCredential=x.key:{key}\n")
        told = run()["msg"]
        assert told == f"{key} is gone; put it back from another server or from a backup of this one"
        assert step.lost_by(earlier) == key

    def test_a_token_that_is_lost_says_nothing_of_it(self, earlier):
        os.unlink(earlier.token)
        assert step.lacks_later(earlier)

    def test_a_server_that_is_being_installed_lacks_nothing_later(self, tmp_path):
        assert not step.lacks_later(Layout(str(tmp_path / "new")))


@pytest.mark.parametrize("path", ["server/tls/server-ca.crt", "server/tls/service.key", "server/token"])
def test_what_is_no_text_is_one_sentence(run_module, tmp_path, path):
    data = str(tmp_path / "k3a")
    damaged = tmp_path / "k3a" / path
    damaged.parent.mkdir(parents=True)
    damaged.with_suffix(".key").write_bytes(b"\xff\xfe")
    damaged.write_bytes(b"\xff\xfe")
    for check in (True, False):
        told = run_module(bootstrap, check=check, data_dir=data, export=True, may_create=False)["msg"]
        assert told.startswith(str(damaged)) and " is damaged" in told
        assert told.endswith("back from another server or from a backup of this one")
