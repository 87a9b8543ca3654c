# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd_guard
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import client, data, guard
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdUnavailable
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity, record_file
from ansible_collections.k3a.cluster.tests.unit.etcd_members import ID, begin_data
from ansible_collections.k3a.cluster.tests.unit.etcd_members import identity as ids


class Host:
    """A server's disk, and the etcd that answers on it."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.db = folder / "server/db"
        self.silent, self.answering = 0, ids(3)
        monkeypatch.setattr(identity, "ETCD", str(folder / "etcd.json"))
        monkeypatch.setattr(data, "PROGRESS", str(folder / "etcd-progress.json"))
        real = files.write_file
        monkeypatch.setattr(files, "write_file", lambda file: real(files.owned_by_me(file.path, file.content)))
        monkeypatch.setattr(client, "Etcd", lambda _layout, endpoints: self if endpoints == ["https://127.0.0.1:2379"] else None)
        monkeypatch.setattr(guard, "POLL", 0)

    def identity(self):
        if self.silent:
            self.silent -= 1
            raise EtcdUnavailable("no member of etcd answers")
        return self.answering

    def records(self, recorded):
        files.write_file(record_file.as_file(identity.ETCD, recorded))

    def keeps(self, kept, *commits):
        begin_data(self.db / "etcd", kept, *commits)

    def ask(self, what):
        return guard.main([what, str(self.folder)])


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


class TestEtcd:
    def test_it_starts_with_the_data_that_was_recorded(self, host):
        host.keeps(ids(3))
        assert host.ask("etcd") is None  # a server of before the record
        host.records(ids(3))
        assert host.ask("etcd") is None

    def test_it_starts_where_there_is_no_space_to_record_how_far_it_is(self, host, monkeypatch, capsys):
        """Disks fill up together: with all servers' etcd down nobody could even look."""
        host.keeps(ids(3))

        def full(_file):
            raise OSError(errno.ENOSPC, "No space left on device", data.PROGRESS)

        monkeypatch.setattr(files, "write_file", full)
        assert host.ask("etcd") is None
        assert f"cannot be recorded: {data.PROGRESS}: No space left on device" in capsys.readouterr().err

    def test_it_starts_without_data_where_it_is_told_of_its_peers(self, host):
        host.db.mkdir(parents=True)
        (host.db / "etcd.env").touch()
        assert host.ask("etcd") is None

    @pytest.mark.parametrize("recorded", [False, True])
    def test_it_never_begins_by_itself(self, host, recorded):
        if recorded:
            host.records(ids(3))
        assert host.ask("etcd") == (
            f"the data of etcd is gone from {host.db}/etcd, and etcd begins no cluster by itself; mount its disk or put "
            "its data back, and site.yml says what else can be done"
        )

    @pytest.mark.parametrize("other", [ids(4), ids(3, cluster="7")], ids=["member", "cluster"])
    def test_it_does_not_start_with_the_data_of_another(self, host, other):
        host.keeps(other)
        host.records(ids(3))
        assert host.ask("etcd") == (
            f"the data in {host.db}/etcd is of the member {other.member_id} of the cluster {other.cluster_id} of etcd, "
            f"and by {identity.ETCD} this host is the member 3 of the cluster {ID}; put its own data back, and site.yml "
            "says what else can be done"
        )

    def test_it_does_not_start_with_an_old_copy_of_its_data(self, host):
        """A voter that forgot what it agreed to could lose what was acknowledged."""
        host.keeps(ids(3), 7)
        assert host.ask("etcd") is None
        host.keeps(ids(3), 7, 300)
        assert host.ask("progress") is None
        host.keeps(ids(3), 7)
        told = host.ask("etcd")
        assert told.startswith(f"the data in {host.db}/etcd is an old copy: what was written since is not in it; put the")
        # After a start that was refused, systemd tells that it has stopped.
        assert host.ask("progress") is None
        assert host.ask("etcd") == told
        host.keeps(ids(3), 7, 300, 301)
        assert host.ask("etcd") is None

    def test_a_host_without_data_has_nothing_to_write_down(self, host):
        assert host.ask("progress") is None
        assert not host.folder.joinpath("etcd-progress.json").exists()

    def test_what_cannot_be_read_is_told_by_its_name(self, host):
        host.keeps(ids(3))
        host.folder.joinpath("etcd.json").write_text("{")
        assert host.ask("etcd").startswith(f"{identity.ETCD} is damaged (")


class TestApiServer:
    @pytest.mark.parametrize("known", ["record", "data"])
    def test_it_waits_for_the_etcd_of_its_host(self, host, capsys, known):
        host.silent = 3
        (host.records if known == "record" else host.keeps)(ids(3))
        assert host.ask("apiserver") is None
        assert capsys.readouterr().err == "the API server waits for its datastore: no member of etcd answers\n"

    def test_it_does_not_start_before_another_one(self, host):
        """Of before, which was emptied and began anew; or started by hand."""
        host.keeps(ids(3))
        host.records(ids(3))
        host.answering = ids(3, cluster="7")
        assert host.ask("apiserver") == (
            f"an etcd answers whose cluster is 7, and this host belongs to {ID}; put the data of etcd back, and site.yml "
            "says what else can be done"
        )

    def test_it_does_not_start_where_nothing_says_which_is_its_own(self, host):
        assert "and this host has neither its data nor " in host.ask("apiserver")


def test_a_start_of_etcd_does_not_wait_for_what_asks_others(tmp_path):
    """ssl and http.client took two thirds of the time of each start."""
    path = tmp_path / "guard.pyz"
    path.write_bytes(etcd_guard.program_file(str(tmp_path), sys.executable).content)
    words = [sys.executable, "-X", "importtime", "-IS", str(path), "guard", "etcd", str(tmp_path)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert "the data of etcd is gone" in done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "json" in loaded and not loaded & {"ssl", "http.client", "socket"}
