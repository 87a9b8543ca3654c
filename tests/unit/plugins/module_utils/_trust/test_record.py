# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdError
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import TokenError
from ansible_collections.k3a.cluster.tests.unit.record_samples import Store, server

# Anything between two colons will do as a record here: a node never decrypts one.
RECORD = b"00112233445566aa:c2VhbGVk"


@pytest.fixture
def layout(tmp_path):
    return server(tmp_path)


@pytest.fixture
def etcd(layout):
    """A datastore with a current record."""
    store = Store()
    made = records.digest(RECORD, records.material(layout), "s3cr3t-word")
    records.write(layout, store, "s3cr3t-word", RECORD, made)
    return store


def test_the_key_of_a_record_is_k3s_s():
    """From a program in Go, by K3s's rule."""
    assert records.record_key("0123456789abcdef0123456789abcdef") == "/bootstrap/3eb1bd439947"
    assert records.record_key("größe") == "/bootstrap/d353a2671b67"
    assert records.digest_key("größe") == "/k3a/bootstrap/d353a2671b67"


def test_the_files_have_k3s_s_names():
    assert {name: path[len("/d/server/") :] for name, path in records.paths(Layout("/d")).items()} == {
        "ServerCA": "tls/server-ca.crt",
        "ServerCAKey": "tls/server-ca.key",
        "KubeletServingCA": "tls/kubelet-serving-ca.crt",
        "KubeletServingCAKey": "tls/kubelet-serving-ca.key",
        "ClientCA": "tls/client-ca.crt",
        "ClientCAKey": "tls/client-ca.key",
        "RequestHeaderCA": "tls/request-header-ca.crt",
        "RequestHeaderCAKey": "tls/request-header-ca.key",
        "ETCDServerCA": "tls/etcd/server-ca.crt",
        "ETCDServerCAKey": "tls/etcd/server-ca.key",
        "ETCDPeerCA": "tls/etcd/peer-ca.crt",
        "ETCDPeerCAKey": "tls/etcd/peer-ca.key",
        "ServiceKey": "tls/service.key",
        "EncryptionConfig": "cred/encryption-config.json",
    }


def test_what_is_recorded_is_what_is_on_disk(layout):
    assert records.material(layout)["ServiceKey"] == b"content of server/tls/service.key\n"
    assert len(records.material(layout)) == 14


def test_a_record_of_a_version_that_had_fewer_cas_is_stale(layout, etcd):
    assert records.status(layout, etcd) == records.CURRENT
    contents = {name: text for name, text in records.material(layout).items() if not name.startswith("KubeletServing")}
    etcd.put(records.digest_key("s3cr3t-word"), json.dumps(records.digest(RECORD, contents, "s3cr3t-word")).encode())
    assert records.status(layout, etcd) == records.STALE


def test_only_the_configuration_of_encryption_may_be_missing(layout):
    os.unlink(layout.cred("encryption-config.json"))
    assert "EncryptionConfig" not in records.material(layout)
    Path(layout.tls("etcd/peer-ca.key")).write_text("")
    with pytest.raises(records.RecordError, match=r"etcd/peer-ca\.key is missing, .*run k3a\.cluster\.site"):
        records.material(layout)


def test_the_times_are_written_as_k3s_writes_them(layout):
    os.utime(layout.tls("service.key"), ns=(0, 1_795_514_400_000_000_120))
    assert records.exported_files(layout)["ServiceKey"] == {
        "Timestamp": "2026-11-24T10:00:00.000000120Z",
        "Content": base64.b64encode(b"content of server/tls/service.key\n").decode(),
    }


def test_a_host_without_token_is_no_server(tmp_path, layout):
    assert records.own_password(layout) == "s3cr3t-word"
    Path(layout.token).write_text("\n")
    for other in (layout, Layout(str(tmp_path / "none"))):
        with pytest.raises(records.RecordError, match="is no server yet"):
            records.own_password(other)


def test_a_damaged_token_is_named_and_not_shown(layout):
    Path(layout.token).write_text("K10abc::server:s3cr3t-word\n")
    with pytest.raises(TokenError, match="server/token: invalid token CA hash length") as refused:
        records.own_password(layout)
    assert "s3cr3t" not in str(refused.value)


def test_a_record_that_holds_what_is_on_disk_is_current(layout, etcd):
    assert records.status(layout, etcd) == records.CURRENT
    other = server(Path(layout.data_dir) / "another-server")
    os.utime(other.tls("service.key"), (0, 0))
    for name, path in records.paths(layout).items():
        Path(records.paths(other)[name]).write_bytes(Path(path).read_bytes())
    Path(other.token).write_text(Path(layout.token).read_text())
    assert records.status(other, etcd) == records.CURRENT


def test_every_file_counts(layout, etcd):
    for path in records.paths(layout).values():
        content = Path(path).read_bytes()
        if path == records.paths(layout)["ServerCA"]:
            continue  # the token pins it
        Path(path).write_bytes(content + b" ")
        assert records.status(layout, etcd) == records.STALE, path
        Path(path).write_bytes(content)
    assert records.status(layout, etcd) == records.CURRENT


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"not JSON", b'{"record": 1}', b"\xff", None])
def test_a_digest_that_does_not_fit_makes_a_record_stale(layout, etcd, damage):
    key = records.digest_key("s3cr3t-word")
    if damage is None:
        del etcd.keys[key]
    else:
        etcd.keys[key] = damage
    assert records.status(layout, etcd) == records.STALE


def test_a_changed_or_emptied_record_is_stale(layout, etcd):
    for damage in (RECORD + b"=", RECORD[:-2], b""):
        etcd.keys[records.record_key("s3cr3t-word")] = damage
        assert records.status(layout, etcd) == records.STALE


def test_no_record_and_that_of_another_token_are_told_apart(layout, etcd):
    assert records.status(layout, Store()) == records.ABSENT
    assert records.status(layout, etcd, "another") == records.OTHER_TOKEN
    Path(layout.token).write_text("another\n")
    assert records.status(layout, etcd) == records.OTHER_TOKEN


def test_records_of_both_tokens_may_be_there_while_it_rotates(layout, etcd):
    made = records.digest(b"salt:new", records.material(layout), "new")
    records.write(layout, etcd, "new", b"salt:new", made)
    assert records.status(layout, etcd) == records.status(layout, etcd, "new") == records.CURRENT
    assert records.others(etcd, "new") == [records.record_key("s3cr3t-word"), records.digest_key("s3cr3t-word")]
    assert records.others(Store(), "new") == []


def test_the_digest_depends_on_all_that_it_ties_together_and_shows_none_of_it(layout):
    contents = records.material(layout)
    base = records.digest(RECORD, contents, "s3cr3t-word")
    assert base == records.digest(RECORD, dict(reversed(list(contents.items()))), "s3cr3t-word")
    assert base["content"] != records.digest(RECORD, contents, "another")["content"]
    assert base["content"] != records.digest(b"salt:" + RECORD, contents, "s3cr3t-word")["content"]
    assert base["content"] != records.digest(RECORD, {**contents, "ServiceKey": b""}, "s3cr3t-word")["content"]
    assert base["record"] != records.digest(RECORD + b"=", contents, "s3cr3t-word")["record"]
    assert set(base) == {"record", "content"} and "s3cr3t" not in json.dumps(base)


def test_a_record_of_what_is_on_disk_no_more_is_not_kept(layout):
    store = Store()
    made = records.digest(RECORD, records.material(layout), "s3cr3t-word")
    Path(layout.tls("service.key")).write_text("changed\n")
    with pytest.raises(records.RecordError, match="changed while it was made"):
        records.write(layout, store, "s3cr3t-word", RECORD, made)
    assert store.keys == {}


def test_a_write_that_is_killed_leaves_a_record_that_is_written_again(layout, etcd):
    etcd.killed_at = len(etcd.changes) + 1
    made = records.digest(b"salt:again", records.material(layout), "s3cr3t-word")
    with pytest.raises(KeyboardInterrupt):
        records.write(layout, etcd, "s3cr3t-word", b"salt:again", made)
    assert records.status(layout, etcd) == records.STALE


def test_a_datastore_that_does_not_answer_is_no_absent_record(layout, etcd):
    etcd.answers = False
    with pytest.raises(EtcdError):
        records.status(layout, etcd)
