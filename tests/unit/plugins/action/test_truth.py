# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As tests/unit/test_truth.py, of the steps in which the controller has a part: certificates, shared secrets, bundles."""

from __future__ import annotations

import datetime
import os
import shutil
import stat
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.k3a.cluster.plugins.action import bootstrap as bootstrap_action
from ansible_collections.k3a.cluster.plugins.action import bundle as bundle_action
from ansible_collections.k3a.cluster.plugins.action import certificate as certificate_action
from ansible_collections.k3a.cluster.plugins.action import certificate_signature as signature
from ansible_collections.k3a.cluster.plugins.action import drift as drift_action
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap as shared
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.modules import bootstrap as bootstrap_module
from ansible_collections.k3a.cluster.plugins.modules import bundle as bundle_module
from ansible_collections.k3a.cluster.plugins.modules import certificate as certificate_module
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit import bundle_samples, leaf_samples
from cryptography import x509

if os.geteuid() != 0:
    pytest.skip("the files belong to root", allow_module_level=True)

DAY = datetime.timedelta(days=1)


def told(run, *given, **more):
    """What a task says that it changes, and its refusal."""
    try:
        result = run(*given, **more)
    except AnsibleActionFail as refused:
        return set(), str(refused), {}
    return {each["after_header"] for each in result.get("diff", ())}, result.get("msg", ""), result


# ---- certificates


@pytest.fixture(scope="module")
def authorities():
    return {name: pki.new_authority(name) for name in leaves.AUTHORITIES}


@pytest.fixture(scope="module")
def others():
    return {name: pki.new_authority(name) for name in leaves.AUTHORITIES}


def issued(leaf, authority, monkeypatch, moment=None):
    """A certificate for the key that is there, as another time, another authority or another hand has made it."""
    key = Path(leaf["key"]).read_text() if os.path.exists(leaf["key"]) else Path(leaf["certificate"]).read_text()
    key = key[key.index("-----BEGIN", 0 if "CERTIFICATE" not in key else key.rindex("-----BEGIN")) :]
    with monkeypatch.context() as then:
        if moment:
            then.setattr(pki, "now", lambda: moment)
            then.setattr(
                pki, "valid_authority", lambda _name, pem, _moment: x509.load_pem_x509_certificate(pem.encode())
            )
        signed = pki.sign(leaf, pki.request_of(key), *authority[leaf["authority"]])
    write_certificate(leaf, signed, key)


def write_certificate(leaf, text, key):
    Path(leaf["certificate"]).write_text(text + (key if leaf["pair"] else ""))


def ways(leaf, authorities, others, monkeypatch):
    """What can be wrong with a certificate and its key, and which of it is refused."""
    certificate, key = Path(leaf["certificate"]), Path(leaf["key"])
    now = pki.now()
    yield "it is missing", certificate.unlink, False
    yield "it is empty", lambda: certificate.write_bytes(b""), False
    yield "it is no text", lambda: certificate.write_bytes(b"\xff\xfe"), False
    yield (
        "it is damaged",
        lambda: certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----\n"),
        False,
    )
    yield "it is another authority's", lambda: issued(leaf, others, monkeypatch), False
    yield "it has expired", lambda: issued(leaf, authorities, monkeypatch, now - 400 * DAY), False
    yield "it is not yet valid", lambda: issued(leaf, authorities, monkeypatch, now + 30 * DAY), False
    yield "it is another's", lambda: issued({**leaf, "common_name": "somebody"}, authorities, monkeypatch), False
    if leaf["pair"]:
        return
    yield "it is due", lambda: issued(leaf, authorities, monkeypatch, now - 300 * DAY), False
    if leaf["dns"]:
        names = {"dns": ["elsewhere"], "ips": []}
        yield "it has other names", lambda: issued({**leaf, **names}, authorities, monkeypatch), False
    usages = {"usages": ["client"] if list(leaf["usages"]) == ["server"] else ["server"]}
    yield "it has other usages", lambda: issued({**leaf, **usages}, authorities, monkeypatch), False
    yield "its key is missing", key.unlink, False
    yield "its key is empty", lambda: key.write_bytes(b""), False
    yield "its key is another", lambda: key.write_text(pki.key_pem(pki.new_key())), False
    yield "its key is no text", lambda: key.write_bytes(b"\xff\xfe"), True
    yield (
        "its key is damaged",
        lambda: key.write_text("-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n"),
        True,
    )
    yield "its key is a directory", lambda: (key.unlink(), key.mkdir()), True


def one_of_each_kind(declared):
    """Of a kind all are alike, and a process makes each request."""
    kinds = {(tuple(each["usages"]), each["names"], each["pair"] != ""): each for each in declared}
    return list(kinds.values())


@pytest.mark.parametrize("profile", ["server", "agent"])
def test_certificates(profile, run_action, authorities, others, tmp_path, monkeypatch):
    pair = str(tmp_path / "kubelet/pki/kubelet-client-current.pem")
    monkeypatch.setattr(
        steps.registry, "certificates", lambda role: one_of_each_kind(leaf_samples.declared(role, pair))
    )
    options = {
        "profile": profile,
        "ca_certificates": {name: certificate for name, (certificate, _key) in authorities.items()},
        "data_dir": str(tmp_path / "k3a"),
        "node_name": "w1",
        "node_ip": ["10.0.0.2"],
    }

    def looked():
        step = {"name": "certificate", "options": steps.completed_arguments("certificate", options)}
        reason, found = drift.first_difference([step])
        return reason or next(filter(None, (drift_action.due(step, each) for each in found)), "")

    def converged():
        """The three tasks of the roles: request, sign, install."""
        names, refusal, requested = told(run_action, certificate_action, certificate_module, **options)
        if refusal or not requested["requests"]:
            return names, refusal
        signed = signature.sign_all({"w1": requested["requests"]}, authorities)[0]["w1"]
        installed = run_action(certificate_action, certificate_module, signed=signed, **options)
        assert not installed.get("failed"), installed
        assert set(installed["paths"]) <= names
        return names, refusal

    first, _refusal = converged()
    leaf_list = drift.check("certificate", steps.completed_arguments("certificate", options))["certificates"]
    assert {leaf["certificate"] for leaf in leaf_list} <= first
    assert looked() == ""
    wrong = []
    for leaf in leaf_list:
        paths = [path for path in (leaf["certificate"], leaf["key"]) if os.path.lexists(path)]
        for way, perturb, refuses in list(ways(leaf, authorities, others, monkeypatch)):
            kept = {path: Path(path).read_bytes() for path in paths if Path(path).is_file()}
            perturb()
            reason = looked()
            names, refusal, _result = told(run_action, certificate_action, certificate_module, check=True, **options)
            done = converged()
            if done != (names, refusal) or not reason or bool(refusal) != refuses or refusal not in reason:
                wrong.append(f"{leaf['name']}, {way}: {reason!r}, {names, refusal}, {done}")
            for path, content in kept.items() if refuses else ():
                if os.path.isdir(path):
                    os.rmdir(path)
                Path(path).write_bytes(content)
            if looked():
                wrong.append(f"{leaf['name']}, {way}: afterwards {looked()}")
                converged()
    if profile == "agent":
        tls = tmp_path / "k3a/agent/tls"
        for way, perturb in (
            ("mode", lambda: tls.chmod(0o755)),
            ("CA missing", (tls / "server-ca.crt").unlink),
            ("CA edited", lambda: (tls / "client-ca.crt").write_bytes(b"\xff\xfe")),
        ):
            perturb()
            reason = looked()
            names, refusal, _result = told(run_action, certificate_action, certificate_module, check=True, **options)
            if not reason or (names, refusal) != converged() or looked():
                wrong.append(f"{way}: {reason}, {names, refusal}")
    assert wrong == []


@pytest.mark.parametrize(
    ("way", "said"), [("expired", "expired on"), ("unreadable", "is unreadable"), ("future", "is not valid before")]
)
def test_a_certificate_authority_that_cannot_sign(way, said, run_action, authorities, tmp_path, monkeypatch):
    with monkeypatch.context() as then:
        moment = pki.now() + {"expired": -4000 * DAY, "future": 10 * DAY, "unreadable": 0 * DAY}[way]
        then.setattr(pki, "now", lambda: moment)
        bad = pki.new_authority("server")[0] if way != "unreadable" else "-----BEGIN"
    options = {
        "profile": "server",
        "ca_certificates": {**{name: pair[0] for name, pair in authorities.items()}, "server": bad},
        "data_dir": str(tmp_path / "k3a"),
        "node_name": "w1",
        "node_ip": ["10.0.0.2"],
    }
    step = {"name": "certificate", "options": steps.completed_arguments("certificate", options)}
    _reason, (found,) = drift.first_difference([step])
    seen = drift_action.due(step, found)
    check, real = (
        told(run_action, certificate_action, certificate_module, check=check, **options)[:2] for check in (True, False)
    )
    assert check == real == (set(), seen)
    assert said in seen


# ---- what all servers share


def test_what_servers_share(run_action, tmp_path, monkeypatch):
    options = {"data_dir": str(tmp_path / "k3a"), "token": "s3cr3t-of-the-servers"}
    layout = Layout(options["data_dir"])
    unit = tmp_path / "k3a-apiserver.service"
    # What a server works with; a CA that came later and is not in use yet would be made.
    later = [path for name in shared.LATER for path in shared.authority_paths(layout, name)]
    (tmp_path / "k3a-controller-manager.service").write_text("".join(f"LoadCredential=x:{path}\n" for path in later))
    monkeypatch.setattr(shared.systemd, "UNIT_DIRECTORY", str(tmp_path))
    run_action(bootstrap_action, bootstrap_module, **options)
    wrong = []

    def states():
        for name in shared.CN_PREFIXES:
            certificate, key = (Path(path) for path in shared.authority_paths(layout, name))
            yield f"{name}: no key", key.unlink, key
            yield f"{name}: no certificate", certificate.unlink, certificate
            yield f"{name}: no text", lambda c=certificate: c.write_bytes(b"\xff\xfe"), certificate
            yield f"{name}: a directory", lambda c=certificate: (c.unlink(), c.mkdir()), certificate
        service, encryption = Path(layout.tls("service.key")), Path(layout.cred("encryption-config.json"))
        yield "no service key", service.unlink, service
        yield "no encryption yet", encryption.unlink, None
        unit.write_text("Description=x (k3a)\nExecStart=kube-apiserver \\\n  --encryption-provider-config=/x\n")
        yield "no encryption any more", encryption.unlink, encryption
        token = Path(layout.token)
        yield "no token", token.unlink, None
        for name, content in (("no text", b"\xff\xfe"), ("another", b"other\n"), ("cut off", b"K10abc")):
            yield f"token: {name}", lambda content=content: token.write_bytes(content), token
        for directory in shared.directories(layout):
            yield f"{directory.path}: mode", lambda path=directory.path: os.chmod(path, 0o777), None

    for name, perturb, refused in states():
        kept = refused.read_bytes() if refused else b""
        perturb()
        reason = drift.first_difference([{"name": "bootstrap", "options": options}])[0]
        check, real = (told(run_action, bootstrap_action, bootstrap_module, check=c, **options) for c in (True, False))
        if check[:2] != real[:2] or not reason or bool(real[1]) != bool(refused) or (real[1] and real[1] not in reason):
            wrong.append(f"{name}: {reason!r}, {check[:2]}, {real[:2]}")
        if refused:
            if refused.is_dir():
                refused.rmdir()
            refused.write_bytes(kept)
        after = drift.first_difference([{"name": "bootstrap", "options": options}])[0]
        if after:
            wrong.append(f"{name}: afterwards {after}")
    assert wrong == []


# ---- bundles


def test_bundles(run_action, tmp_path, monkeypatch):
    options = {
        "bundle": str(tmp_path / "bundle"),
        "data_dir": str(tmp_path / "k3a"),
        "command_dir": str(tmp_path / "bin"),
    }
    identity = bundle_samples.make_bundle(tmp_path / "bundle")
    other = bundle_samples.make_bundle(tmp_path / "other", {**bundle_samples.CONTENTS, "bin/etcd": b"another"})
    monkeypatch.setattr(bundle_action.shipping, "login_user", lambda _action: 0)
    monkeypatch.setattr(bundle_action.shipping, "run_directory", lambda: str(tmp_path))
    monkeypatch.setattr(bundle_action.shipping, "put", lambda _action, source, target: shutil.copy(source, target))
    root = tmp_path / "k3a/data"

    def looked():
        return drift.first_difference([{"name": "bundle", "options": steps.completed_arguments("bundle", options)}])[0]

    def at(path, perturb):
        return f"{path.relative_to(tmp_path)}: {perturb.__name__}", lambda: perturb(path)

    def missing(path):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def edited(path):
        path.write_bytes(path.read_bytes()[:-1] + b"#")

    def cut_off(path):
        path.write_bytes(path.read_bytes()[:-1])

    def of_another_mode(path):
        path.chmod(stat.S_IMODE(path.stat().st_mode) ^ 0o100)

    def replaced_by_a_directory(path):
        path.unlink()
        path.mkdir()

    def elsewhere(path):
        path.unlink()
        path.symlink_to(root / "elsewhere")

    def states():
        directory = root / identity
        for path in sorted(path for path in (root / "files").rglob("*") if path.is_file() and not path.is_symlink()):
            for perturb in (missing, edited, cut_off, of_another_mode):
                yield at(path, perturb)
        for path in sorted(path for path in (*(root / "files").rglob("*"), *directory.rglob("*")) if path.is_symlink()):
            yield at(path, missing)
            yield at(path, elsewhere)
        for perturb in (missing, edited, cut_off):
            yield at(directory / "manifest.json", perturb)
        yield at(directory, missing)
        yield at(root / "files", missing)
        yield at(root, missing)
        yield at(root / "current", missing)
        yield at(root / "current", elsewhere)
        for name in store.COMMANDS:
            if (tmp_path / "bin" / name).is_symlink():
                yield at(tmp_path / "bin" / name, missing)
                yield at(tmp_path / "bin" / name, elsewhere)
        yield "a run was killed", lambda: (root / f".{identity}.new/bin").mkdir(parents=True)
        yield "another bundle is staged", lambda: shutil.copytree(directory, root / other, symlinks=True)
        yield "the index is damaged", lambda: ((root / "verified.json").write_text("5"), (root / "current").unlink())

    run_action(bundle_action, bundle_module, **options)
    assert looked() == ""
    wrong = []
    for name, perturb in states():
        perturb()
        reason = looked()
        check, real = (told(run_action, bundle_action, bundle_module, check=c, **options) for c in (True, False))
        if check[:2] != real[:2] or not reason or real[1] or check[2]["diff"] != real[2]["diff"]:
            wrong.append(f"{name}: {reason!r}, {check[:2]}, {real[:2]}")
        if looked():
            wrong.append(f"{name}: afterwards {looked()}")
    assert wrong == []
