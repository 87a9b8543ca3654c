# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import data
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity
from ansible_collections.k3a.cluster.tests.unit.etcd_members import begin_data, frame

# The first 96 bytes of a log that etcd 3.7.3 has written, and what its gateway said of itself.
REAL = bytes.fromhex(
    "040000000000008408041000000000001f00000000000081080110fab382960e1a1508e9b8e1d7e4a39c837810ecd5cea1b99782eba101000e00"
    "000000000082080510cbd1a3fe061a040800100000007700000000000081080210c5f5948302"
)
SAID = EtcdIdentity("11661517886860798700", "8648724509332364393")


def test_a_log_of_etcd_begins_with_whose_it_is():
    assert data.identity_in(REAL + bytes(4000)) == SAID


def test_whose_data_a_directory_has_the_newest_log_says(tmp_path):
    begin_data(tmp_path, EtcdIdentity("1", "2"))
    assert data.kept_identity(str(tmp_path)) == EtcdIdentity("1", "2")
    (tmp_path / "member/wal/0000000000000001-00000000000186a0.wal").write_bytes(REAL)
    (tmp_path / "member/wal/1.tmp").write_bytes(bytes(64))
    assert data.kept_identity(str(tmp_path)) == SAID


@pytest.mark.parametrize("there", ["", "member", "member/wal", "member/snap"])
def test_without_a_log_there_is_no_data(tmp_path, there):
    """The log comes to its place when its head is written."""
    (tmp_path / "etcd" / there).mkdir(parents=True)
    assert data.kept_identity(str(tmp_path / "etcd")) is None
    assert data.has_remains(str(tmp_path / "etcd")) is (there != "")
    assert data.kept_identity(str(tmp_path / "none")) is None
    assert not data.has_remains(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", bytes(4096), b"entries", b"\xff" * 64, REAL[:30]),
        *(frame(b"\x08\x01"), frame(b"\x08"), frame(b"\x08\x01\x1a\x05"), frame(b"\x08\x01\x1d\x01")),
    ],
)
def test_one_that_does_not_say_it_is_refused_by_name(tmp_path, content):
    path = tmp_path / "member/wal/0.wal"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(data.DataDamaged) as raised:
        data.kept_identity(str(tmp_path))
    assert str(raised.value) == f"{path} does not say whose data it is; put the data of etcd back"
