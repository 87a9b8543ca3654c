# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._identity import record_file
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity, Identity

MINE = Identity(machine_id="m", cluster_id="u", node_name="n1", node_ips=("10.0.0.1",), data_dir="/var/lib/k3a")


class TestRead:
    def test_what_was_written_is_read_again(self, tmp_path):
        for record in (MINE, EtcdIdentity("1", "2")):
            file = record_file.as_file(f"{tmp_path}/record.json", record)
            assert file.mode == 0o600
            (tmp_path / "record.json").write_bytes(file.content)
            assert record_file.read(file.path, type(record)) == record

    def test_where_there_is_no_file_there_is_no_record(self, tmp_path):
        assert record_file.read(f"{tmp_path}/record.json", Identity) is None
        assert record_file.read(f"{tmp_path}/none/record.json", Identity) is None

    @pytest.mark.parametrize(
        "text, told",
        [
            ("", "Expecting value"),
            ("[]", "it is no mapping"),
            ("{}", "its format is None, and this version knows 1"),
            ('{"format": 0}', "its format is 0, and this version knows 1"),
            ('{"format": "2"}', "its format is '2', and this version knows 1"),
            ('{"format": 1, "node_ips": "10.0.0.1"}', "its node_ips is '10.0.0.1', which is no tuple[str, ...]"),
            ('{"format": 1, "epoch": true}', "its epoch is True, which is no int"),
            ("\xff", "can't decode byte"),
            ("[" * 100_000, "maximum recursion depth"),
        ],
    )
    def test_what_cannot_be_read_is_refused_by_name(self, tmp_path, text, told):
        path = tmp_path / "record.json"
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(record_file.RecordDamaged) as error:
            record_file.read(str(path), Identity)
        assert told in str(error.value)
        assert str(error.value).startswith(f"{path} is damaged (")

    def test_what_a_newer_version_wrote_is_no_damage(self, tmp_path):
        path = tmp_path / "record.json"
        path.write_text('{"format": 2}')
        with pytest.raises(record_file.RecordDamaged) as error:
            record_file.read(str(path), Identity)
        assert str(error.value) == f"{path} was written by a newer k3a (its format is 2, and this one knows 1); use that one"

    def test_what_a_later_version_adds_is_no_damage(self):
        assert record_file.record_of({"format": 1, "cluster_id": "1", "more": 1}, EtcdIdentity) == EtcdIdentity("1")
