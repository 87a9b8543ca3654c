# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import renewal
from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate as step
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem
from ansible_collections.k3a.cluster.plugins.modules import certificate
from ansible_collections.k3a.cluster.tests.unit import leaf_samples

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


@pytest.fixture
def arguments(tmp_path):
    return {
        "profile": "agent",
        "declared": leaf_samples.declared("agent", str(tmp_path / "kubelet/pki/kubelet-client-current.pem")),
        "ca_certificates": {"server": "server ca\n", "client": "client ca\n"},
        "data_dir": str(tmp_path / "k3a"),
        "node_name": "w1",
        "node_ip": ["10.0.0.2"],
    }


def signed_for(key, days="1"):
    """A certificate of a key that is in a file."""
    command = ("req", "-x509", "-new", "-key", str(key), "-subj", "/CN=x", "-days", days)
    return pem._openssl(*command).decode()


def by_name(result):
    return {found["name"]: found for found in result["certificates"]}


def test_the_first_step_makes_keys_that_stay_and_returns_requests_of_them(run_module, arguments, tmp_path):
    first = run_module(certificate, **arguments)
    keys = {path: path.read_bytes() for path in (tmp_path / "k3a/agent/tls").glob("*.key")}
    assert {path.name for path in keys} == {
        *("serving-kubelet.key", "client-kubelet.key", "client-kube-proxy.key", "client-flannel.key")
    }
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert all(found["request"].startswith("-----BEGIN CERTIFICATE REQUEST") for found in first["certificates"])
    assert "PRIVATE KEY" not in str(first)
    run_module(certificate, **arguments)
    assert {path: path.read_bytes() for path in keys} == keys


def test_check_mode_makes_no_key(run_module, arguments, tmp_path):
    found = run_module(certificate, check=True, **arguments)
    assert {each["request"] for each in found["certificates"]} == {None}
    assert not (tmp_path / "k3a").exists()


def test_an_agent_gets_the_authorities_that_it_verifies_others_with(run_module, arguments, tmp_path):
    first = run_module(certificate, **arguments)
    assert first["paths"] == [f"{tmp_path}/k3a/agent/tls/server-ca.crt", f"{tmp_path}/k3a/agent/tls/client-ca.crt"]
    assert (tmp_path / "k3a/agent/tls/client-ca.crt").read_text() == "client ca\n"
    assert run_module(certificate, **arguments)["changed"] is False
    renewed = {**arguments, "ca_certificates": {"server": "server ca\n", "client": "new ca\n"}}
    assert run_module(certificate, **renewed)["paths"] == [f"{tmp_path}/k3a/agent/tls/client-ca.crt"]


def test_a_server_keeps_the_authorities_that_it_has(run_module, arguments):
    assert run_module(certificate, **{**arguments, "profile": "server"})["paths"] == []


def test_a_signed_certificate_is_put_where_it_is_read(run_module, arguments, tmp_path):
    run_module(certificate, **arguments)
    path = tmp_path / "k3a/agent/tls/client-flannel.crt"
    signed = signed_for(path.with_suffix(".key"))
    done = run_module(certificate, signed={"client-flannel": signed}, **arguments)
    assert (done["changed"], done["paths"], done["certificates"]) == (True, [str(path)], [])
    assert path.read_text() == signed
    assert by_name(run_module(certificate, **arguments))["client-flannel"]["current"] == signed


def test_a_certificate_for_a_key_that_was_replaced_meanwhile_is_refused(run_module, arguments, tmp_path):
    """The node renews by itself, with a new key each time."""
    run_module(certificate, **arguments)
    path = tmp_path / "k3a/agent/tls/client-flannel.crt"
    signed = {name: signed_for(path.with_name(f"{name}.key")) for name in ("client-kube-proxy", "client-flannel")}
    pem.write_new_key(str(path.with_suffix(".key")))
    failed = run_module(certificate, signed=signed, **arguments)
    told = f"{path.with_suffix('.key')} is not the key that client-flannel was signed for; run again, which asks anew"
    assert (failed["failed"], failed["msg"]) == (True, told)
    assert not path.exists() and not path.with_name("client-kube-proxy.crt").exists()


def test_what_the_node_has_renewed_is_as_good_as_what_a_run_installed(run_module, arguments, tmp_path):
    """Key and certificate are one file then, which both names lead to; a certificate of a run takes its own place again."""
    run_module(certificate, **arguments)
    path = tmp_path / "k3a/agent/tls/client-flannel.crt"
    run_module(certificate, signed={"client-flannel": signed_for(path.with_suffix(".key"))}, **arguments)
    (tmp_path / "new").write_bytes(pem.new_key())
    renewed = signed_for(tmp_path / "new")
    leaf = {"key": str(path.with_suffix(".key")), "certificate": str(path)}
    renewal.put(leaf, renewed.encode(), (tmp_path / "new").read_bytes())
    for check in (True, False):
        found = run_module(certificate, check=check, **arguments)
        own = by_name(found)["client-flannel"]
        assert (found["changed"], own["current"], own["has_key"]) == (False, renewed, True)
        assert "PRIVATE KEY" not in str(found)
    assert pem._openssl("req", "-noout", "-pubkey", given=own["request"].encode()) == pem._openssl(
        "x509", "-noout", "-pubkey", given=renewed.encode()
    )
    again = signed_for(path.with_suffix(".key"))
    run_module(certificate, signed={"client-flannel": again}, **arguments)
    assert (path.is_symlink(), path.read_text()) == (False, again)
    assert by_name(run_module(certificate, **arguments))["client-flannel"]["has_key"]
    # The host belongs to the inventory by now; nothing of a former certificate stays.
    assert not path.is_symlink() and not path.with_suffix(".key").is_symlink()
    assert (path.with_suffix(".key").read_bytes(), path.with_suffix(".pem").exists()) == ((tmp_path / "new").read_bytes(), False)


def test_what_an_earlier_version_or_a_killed_run_left_of_a_former_certificate_goes(run_module, arguments, tmp_path):
    run_module(certificate, **arguments)
    tls = tmp_path / "k3a/agent/tls"
    path, key = tls / "client-flannel.crt", pem.new_key()
    (tmp_path / "key").write_bytes(key)
    signed = signed_for(tmp_path / "key")
    path.write_text(signed)
    (tls / "client-flannel.pem").write_bytes(key + signed.encode())
    (tls / "client-flannel.key").unlink()
    (tls / "client-flannel.key").symlink_to("client-flannel.pem")
    (tls / "client-kube-proxy.pem").write_text("of a former certificate")
    (tls / ".serving-kubelet.pem.new").write_text("half")
    (tls / "client-mine.pem").write_text("somebody else's")
    left = [tls / ".serving-kubelet.pem.new", tls / "client-kube-proxy.pem", tls / "client-flannel.pem"]
    announced = run_module(certificate, check=True, **arguments)
    assert all(map(os.path.exists, left)) and "PRIVATE KEY" not in str(announced["diff"])
    done = run_module(certificate, **arguments)
    assert done["changed"] and done["diff"] == announced["diff"] and done["paths"] == list(map(str, left))
    assert not any(map(os.path.lexists, left)) and (tls / "client-mine.pem").exists()
    assert (path.read_text(), (tls / "client-flannel.key").read_bytes()) == (signed, key)
    assert by_name(done)["client-flannel"]["has_key"]
    assert not run_module(certificate, **arguments)["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_a_key_left_beside_the_kubelets_pair_is_not_taken_for_its_key(run_module, arguments, tmp_path, check):
    """A run was killed before it removed the key; the kubelet has made other ones since."""
    run_module(certificate, **arguments)
    left = tmp_path / "k3a/agent/tls/client-kubelet.key"
    run_module(certificate, signed={"client-kubelet": signed_for(left)}, **arguments)
    (tmp_path / "new").write_bytes(pem.new_key())
    pair = tmp_path / "kubelet/pki/kubelet-client-current.pem"
    pair.write_text(signed_for(tmp_path / "new") + (tmp_path / "new").read_text())
    left.write_bytes(pem.new_key())
    found = run_module(certificate, check=check, **arguments)
    assert by_name(found)["client-kubelet"]["has_key"]
    assert (found["paths"], left.exists()) == ([str(left)], check)


def test_the_kubelets_own_is_a_link_to_a_dated_file_of_both_and_its_key_is_kept(run_module, arguments, tmp_path):
    request = by_name(run_module(certificate, **arguments))["client-kubelet"]["request"]
    key = (tmp_path / "k3a/agent/tls/client-kubelet.key").read_bytes()
    run_module(certificate, signed={"client-kubelet": CERTIFICATE}, **arguments)
    link = tmp_path / "kubelet/pki/kubelet-client-current.pem"
    target = os.readlink(link)
    assert re.fullmatch(r".*/kubelet-client-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.pem", target)
    assert link.read_bytes() == CERTIFICATE.encode() + key
    assert os.stat(target).st_mode & 0o777 == 0o600
    assert link.parent.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "k3a/agent/tls/client-kubelet.key").exists()
    again = by_name(run_module(certificate, **arguments))["client-kubelet"]
    assert again["current"] == CERTIFICATE
    public = [pem._openssl("req", "-noout", "-pubkey", given=text.encode()) for text in (request, again["request"])]
    assert public[0] == public[1]
    assert not (tmp_path / "k3a/agent/tls/client-kubelet.key").exists()


def test_a_certificate_for_the_kubelets_existing_key_replaces_the_pair(run_module, arguments, tmp_path):
    run_module(certificate, **arguments)
    run_module(certificate, signed={"client-kubelet": CERTIFICATE}, **arguments)
    link = tmp_path / "kubelet/pki/kubelet-client-current.pem"
    key = pem.private_key_in(link.read_bytes())
    newer = CERTIFICATE.replace("MA==", "MQ==")
    run_module(certificate, signed={"client-kubelet": newer}, **arguments)
    assert link.read_bytes() == newer.encode() + key


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("content", ["damaged", "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n", None])
def test_an_unreadable_key_is_named_and_stays(run_module, arguments, tmp_path, check, content):
    run_module(certificate, **arguments)
    path = tmp_path / "k3a/agent/tls/client-flannel.key"
    if content is None:  # one that asks for a password
        command = ("pkey", "-aes256", "-passout", "pass:secret")
        content = pem._openssl(*command, given=path.read_bytes()).decode()
    path.write_text(content)
    failed = run_module(certificate, check=check, **arguments)
    assert failed["failed"]
    assert failed["msg"].startswith(f"the private key in {path}, of the certificate client-flannel, is unreadable; ")
    assert path.read_text() == content


def test_what_was_not_signed_is_named_before_anything_is_written(run_module, arguments, tmp_path):
    run_module(certificate, **arguments)
    signed = {"client-kube-proxy": CERTIFICATE, "client-flannel": ""}
    failed = run_module(certificate, signed=signed, **arguments)
    assert failed["msg"] == "client-flannel: not signed; the task that signs has the reason"
    assert not (tmp_path / "k3a/agent/tls/client-kube-proxy.crt").exists()


def test_an_unusable_address_is_one_sentence(run_module, arguments, monkeypatch):
    monkeypatch.setattr(step.address, "node_addresses", list)
    result = run_module(certificate, **{**arguments, "node_ip": []})
    assert result["failed"]
    assert "set k3a_node_ip" in result["msg"]


def test_the_directory_of_the_keys_is_corrected_and_that_is_told(run_module, arguments, tmp_path):
    run_module(certificate, **arguments)
    directory = tmp_path / "k3a/agent/tls"
    directory.chmod(0o755)
    announced = run_module(certificate, check=True, **arguments)
    assert directory.stat().st_mode & 0o777 == 0o755
    done = run_module(certificate, **arguments)
    assert done["changed"] and done["diff"] == announced["diff"]
    assert [each["after_header"] for each in done["diff"]] == [str(directory)]
    assert not run_module(certificate, **arguments)["changed"]


def test_a_certificate_that_is_no_text_is_for_the_controller_to_find_unreadable(run_module, arguments, tmp_path):
    run_module(certificate, **arguments)
    path = tmp_path / "k3a/agent/tls/serving-kubelet.crt"
    path.write_bytes(CERTIFICATE.encode().replace(b"MA==", b"\xff\xfe"))
    for check in (True, False):
        found = by_name(run_module(certificate, check=check, **arguments))["serving-kubelet"]
        assert found["current"].startswith("-----BEGIN") and not found["has_key"]
