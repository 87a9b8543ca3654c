# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust.record import record_key
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import record as codec

# K3s's tests only go round trip, so these are of a program in Go that does with crypto/pbkdf2, crypto/aes and
# crypto/cipher what K3s's pkg/cluster/encrypt.go does, and writes the files with encoding/json as pkg/bootstrap does;
# salt and nonce were given to it.
PASSWORD = "0123456789abcdef0123456789abcdef"
SALT, NONCE = "00112233445566aa", b"nonce-of-12b"
CONTENT = (
    b'{"PasswdFile":{"Timestamp":"2026-11-24T12:00:00.123456789+02:00",'
    b'"Content":"eCxzZXJ2ZXIsc2VydmVyLGszczpzZXJ2ZXIK"},'
    b'"ServerCA":{"Timestamp":"2026-11-24T10:00:00.123456789Z",'
    b'"Content":"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="},'
    b'"ServerCAKey":{"Timestamp":"2026-11-24T10:00:00.123456789Z",'
    b'"Content":"LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCk1IY0MKLS0tLS1FTkQgRUMgUFJJVkFURSBLRVktLS0tLQo="}}\n'
)
RECORD = (
    b"00112233445566aa:bm9uY2Utb2YtMTJiSIZmGldn7PdOqEA9VAIsuYqcxuoaT2/Vy6rd+yfr5Uf9XFY+I12pATRfwQT4b33MQvYtXnU"
    b"dPR1Z0ATRj0APyJt17vDhyTuqk9xHo5Fo8wMo1Y8yokO183v/CHPWYXaaENl0cshZvjAKRXbdJLoRgFvqNLIqbA9ZXKZYd4xwogRPA9S"
    b"9ZoI+NCcoXiZFAbK5dEztzt6e9fnmq0FMf3YU44f2S9aQc9rbo7cp1i/OBT1ZLsyFyjLkMfiEmZ7A++XkFdnIzxYbxQdilSqIKjO/BnD"
    b"ke+CamxfGQMPn6vBFDs98D+vPx4X0/L54zqHo+pdDcwQojV8gV5KAWxhs+e4Y7XFUvTh2VTn4YoBG5nCRLQKHA3Uflib3aqJPFTocCXz"
    b"A+p4qXWPGXB3zPYT4uX1ti9UAkM7qR4K3LH6fUMX/IqqG4/wl/+xXvmAcXesGtZg9RwycMG9wPb84Nwizb1Fz0HnCKd0YzkXLhJ2cY6r"
    b"6s4btmNHLc4q7RqH+FBAdJQ8DTxxtSqC/BDhJqsc1GSwig6N0fX8eJd+NXFtBJiQVZdBG3CFLL9KKGnIUerMQilV48q6+L932Z5s/AW2"
    b"3UQ=="
)
FILES = {
    "PasswdFile": b"x,server,server,k3s:server\n",
    "ServerCA": b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "ServerCAKey": b"-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n",
}
SMALL = b"deadbeefdeadbeef:YWJjZGVmZ2hpamtsktGc6f13JtFNZHE68Vm9wDrHcUyhWsY="


def test_a_record_of_k3s_is_read():
    assert codec.decrypt(PASSWORD, RECORD) == CONTENT
    assert codec.decode(CONTENT) == FILES
    assert codec.decrypt("größe", SMALL) == b"payload"


def test_with_the_same_salt_and_nonce_the_record_is_k3s_s():
    assert codec.encrypt(PASSWORD, CONTENT, SALT, NONCE) == RECORD
    assert codec.encrypt("größe", b"payload", "deadbeefdeadbeef", b"abcdefghijkl") == SMALL


def test_the_content_is_written_as_k3s_writes_it():
    files = {
        "ServerCAKey": {"Timestamp": "2026-11-24T10:00:00.123456789Z", "Content": base64.b64encode(FILES["ServerCAKey"]).decode()},
        "ServerCA": {"Timestamp": "2026-11-24T10:00:00.123456789Z", "Content": base64.b64encode(FILES["ServerCA"]).decode()},
        "PasswdFile": {"Timestamp": "2026-11-24T12:00:00.123456789+02:00", "Content": base64.b64encode(FILES["PasswdFile"]).decode()},
    }
    assert codec.encode(files) == CONTENT


def test_no_two_records_of_the_same_are_alike():
    first, second = codec.encrypt("strong-passphrase", b"payload"), codec.encrypt("strong-passphrase", b"payload")
    assert codec.decrypt("strong-passphrase", first) == codec.decrypt("strong-passphrase", second) == b"payload"
    salts = [record.partition(b":")[0] for record in (first, second)]
    nonces = [base64.b64decode(record.partition(b":")[2])[:12] for record in (first, second)]
    assert len(set(salts)) == len(set(nonces)) == 2
    assert all(len(salt) == 16 and bytes.fromhex(salt.decode()) for salt in salts)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"invalid-format", "no colon"),
        (b"", "no colon"),
        (b"salt:***", "not base64"),
        (b"salt:YWJj", "changed or cut off"),
        (b"salt:", "changed or cut off"),
        (RECORD[:-4], "changed or cut off"),
        (RECORD[:40] + b"A" + RECORD[41:], "changed or cut off"),
        (b"1" + RECORD[1:], "changed or cut off"),
        (b"\xff\xfe:YWJj", "changed or cut off"),
    ],
)
def test_a_damaged_record_says_what_is_wrong_with_it(record, reason):
    with pytest.raises(codec.Damaged, match=reason):
        codec.decrypt(PASSWORD, record)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"text", b'{"ServerCA": {}}', b'{"ServerCA": 1}', b'{"ServerCA": {"Content": "***"}}', b'{"a": {"Content": null}}']
)
def test_what_is_no_map_of_files_is_damaged(content):
    with pytest.raises(codec.Damaged, match="not the files"):
        codec.decode(content)


def test_the_record_of_a_token_is_found_among_others():
    records = {record_key(PASSWORD): RECORD, record_key("another"): b"whatever"}
    assert codec.find(PASSWORD, records) == FILES
    assert codec.find(PASSWORD, {}) is None


def test_a_wrong_token_is_told_from_a_damaged_record():
    with pytest.raises(codec.OtherToken, match="but of another token .*the server token that this record was encrypted with") as refused:
        codec.find("s3cr3t-word", {record_key(PASSWORD): RECORD})
    assert "s3cr3t" not in str(refused.value)
    with pytest.raises(codec.Damaged, match=r"the token is right, but its bootstrap record /bootstrap/3eb1bd439947 is damaged: .*a server.s disk"):
        codec.find(PASSWORD, {record_key(PASSWORD): RECORD[:-4]})
