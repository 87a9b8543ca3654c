# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import data
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity
from ansible_collections.k3a.cluster.tests.unit.etcd_members import begin_data, frame, state

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
    assert data.kept_identity(str(tmp_path / "none")) is None


class TestSettingAside:
    @pytest.mark.parametrize("there", ["member", "member/wal", "member/snap"])
    def test_what_is_left_gets_another_name_beside_it(self, tmp_path, there):
        (tmp_path / "etcd" / there).mkdir(parents=True)
        data.set_aside(str(tmp_path / "etcd"), 7)
        assert (tmp_path / "etcd-old-7" / there).is_dir() and not (tmp_path / "etcd").exists()

    def test_where_nothing_is_left_nothing_is_made(self, tmp_path):
        data.set_aside(str(tmp_path / "etcd"), 7)
        (tmp_path / "etcd").mkdir()
        data.set_aside(str(tmp_path / "etcd"), 7)
        assert [path.name for path in tmp_path.iterdir()] == ["etcd"]

    def test_a_disk_of_its_own_stays_where_it_is_mounted(self, tmp_path, monkeypatch):
        """A mount point cannot be renamed, and a new file system is not empty."""
        monkeypatch.setattr(os.path, "ismount", lambda path: path == str(tmp_path))
        (tmp_path / "lost+found").mkdir()
        data.set_aside(str(tmp_path), 6)
        assert [path.name for path in tmp_path.iterdir()] == ["lost+found"]
        begin_data(tmp_path, EtcdIdentity("1", "2"))
        for moment in (7, 8):
            data.set_aside(str(tmp_path), moment)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["etcd-old-7", "lost+found"]
        assert data.kept_identity(str(tmp_path / "etcd-old-7")) == EtcdIdentity("1", "2")
        assert data.kept_identity(str(tmp_path)) is None


@pytest.mark.parametrize(
    "content",
    [
        *(b"", bytes(4096), b"entries", b"\xff" * 64, REAL[:30]),
        *(frame(b"\x08\x01"), frame(b"\x08"), frame(b"\x08\x01\x1a\x05"), frame(b"\x08\x01\x1d\x01")),
        # A number where the ids have to be, which is no size of anything; ids that are texts, or have no end.
        frame(b"\x08\x01\x18" + b"\xff" * 8 + b"\x7f"),
        frame(b"\x08\x01\x1a\x06\x0a\x01a\x12\x01b"),
        frame(b"\x08\x01\x1a\x10\x10\x01\x08" + b"\xff" * 12 + b"\x01"),
    ],
)
def test_one_that_does_not_say_it_is_refused_by_name(tmp_path, content):
    path = tmp_path / "member/wal/0.wal"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(data.DataDamaged) as raised:
        data.kept_identity(str(tmp_path))
    assert str(raised.value) == f"{path} does not say whose data it is; put the data of etcd back"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("../../elsewhere", path)])
def test_what_etcd_puts_there_instead_of_a_log_holds_nobody_up(tmp_path, make):
    (tmp_path / "elsewhere").write_bytes(REAL)
    (tmp_path / "member/wal").mkdir(parents=True)
    make(tmp_path / "member/wal/0.wal")
    with pytest.raises((data.DataDamaged, OSError)):
        data.kept_progress(str(tmp_path))


class TestProgress:
    MINE = EtcdIdentity("1", "2")

    @pytest.fixture(autouse=True)
    def recorded(self, tmp_path, monkeypatch):
        monkeypatch.setattr(data, "PROGRESS", str(tmp_path / "etcd-progress.json"))

    def test_the_last_state_says_how_far_a_majority_has_agreed(self, tmp_path):
        begin_data(tmp_path, self.MINE, 7, 300, 9000)
        assert data.kept_progress(str(tmp_path)) == data.Progress("1", "2", 9000)

    def test_where_nothing_was_agreed_on_it_is_nothing(self, tmp_path):
        assert data.kept_progress(str(tmp_path)) is None
        begin_data(tmp_path, self.MINE)
        assert data.kept_progress(str(tmp_path)) == data.Progress("1", "2", 0)

    @pytest.mark.parametrize("torn", [frame(b"\x08\x03\x10")[:10], b"\x01", b"\xff" * 20, frame(b"\x08\x03\x10\x01\x1a\x09\x08")])
    def test_what_is_torn_at_the_end_counts_for_nothing(self, torn):
        """The power went while it was written; etcd cuts it off."""
        assert data.commit_in(state(7) + state(9) + torn) == 9

    def test_a_number_that_etcd_does_not_write_counts_for_nothing(self):
        """The longest would take the time of all bytes of the log squared to read."""
        number = b"\xff" * 12 + b"\x00"
        assert data.commit_in(state(7) + frame(b"\x08\x03\x1a\x0e\x18" + number) + state(9)) == 7

    def test_it_is_written_down_and_only_grows(self, tmp_path):
        for commit in (7, 9, 8):
            data.record_progress(data.Progress("1", "2", commit))
        assert data.recorded_progress() == data.Progress("1", "2", 9)
        data.record_progress(None)
        data.record_progress(data.Progress("1", "3", 5))  # the member was replaced by a new one
        assert data.recorded_progress() == data.Progress("1", "3", 5)

    def test_data_that_says_less_than_it_did_is_an_old_copy(self):
        now = data.Progress("1", "2", 9)
        assert data.is_outdated(data.Progress("1", "2", 8), now)
        assert not data.is_outdated(now, now)
        assert not data.is_outdated(data.Progress("1", "3", 8), now)
        assert not data.is_outdated(data.Progress("0", "2", 8), now)
        assert not data.is_outdated(now, None)
        assert not data.is_outdated(None, now)

    def test_a_record_that_is_damaged_is_none(self, tmp_path):
        (tmp_path / "etcd-progress.json").write_text("{")
        assert data.recorded_progress() is None
