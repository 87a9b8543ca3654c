# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import stat

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import identity as step
from ansible_collections.k3a.cluster.plugins.module_utils._identity import record_file
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import ca_hash
from ansible_collections.k3a.cluster.plugins.modules import identity

if os.geteuid() != 0:
    pytest.skip("a record belongs to root", allow_module_level=True)

CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
GIVEN = {"node_name": "s1", "node_ip": ["10.0.0.1"], "data_dir": "/srv/k3a"}


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Where the record of a host with the machine id m1 is."""
    path = tmp_path / "etc/identity.json"
    (tmp_path / "machine-id").write_text("m1\n")
    monkeypatch.setattr(step, "IDENTITY", str(path))
    monkeypatch.setattr(step, "MACHINE_ID", f"{tmp_path}/machine-id")
    monkeypatch.setattr(record_file, "DIRECTORY", f"{tmp_path}/etc")
    return path


def test_a_host_records_who_it_is_before_its_cluster_has_begun(run_module, record):
    found = run_module(identity, **GIVEN)
    assert (found["changed"], found["changes"]) == (True, [str(record.parent), str(record)])
    assert json.loads(record.read_text()) == {
        "format": 1,
        "machine_id": "m1",
        "cluster_id": "",
        "server_ca": "",
        "epoch": 1,
        "node_name": "s1",
        "node_ips": ["10.0.0.1"],
        "data_dir": "/srv/k3a",
        "cluster_cidr": ["10.42.0.0/16"],
        "service_cidr": ["10.43.0.0/16"],
        "cluster_domain": "cluster.local",
    }
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert run_module(identity, **GIVEN)["changed"] is False


def test_check_mode_shows_the_record_and_writes_none(run_module, record):
    found = run_module(identity, check=True, **GIVEN)
    assert found["changed"] and '"node_name": "s1"' in found["diff"][1]["after"]
    assert not record.exists()


def test_the_cluster_is_added_and_stays(run_module, record):
    run_module(identity, **GIVEN)
    assert run_module(identity, cluster_id="u1", ca_certificates={"server": CA}, **GIVEN)["changed"]
    kept = record.read_text()
    assert (json.loads(kept)["cluster_id"], json.loads(kept)["server_ca"]) == ("u1", ca_hash(CA))
    # While the API is away, and when the CAs are others: the first one is what the host was let in by.
    assert run_module(identity, **GIVEN)["changed"] is False
    other = {"server": CA.replace("AAAA", "BBBB")}
    assert run_module(identity, cluster_id="u1", ca_certificates=other, **GIVEN)["changed"] is False
    assert record.read_text() == kept


def test_an_epoch_that_a_restore_has_raised_stays(run_module, record):
    run_module(identity, cluster_id="u1", **GIVEN)
    record.write_text(record.read_text().replace('"epoch": 1', '"epoch": 3'))
    assert run_module(identity, cluster_id="u1", **{**GIVEN, "node_ip": ["10.0.0.9"]})["changed"]
    assert (json.loads(record.read_text())["epoch"], json.loads(record.read_text())["node_ips"]) == (3, ["10.0.0.9"])


@pytest.mark.parametrize("check", [True, False])
class TestRefused:
    def told(self, run_module, record, check, **given):
        before = record.read_text()
        found = run_module(identity, check=check, **{**GIVEN, **given})
        assert found["failed"] and record.read_text() == before
        return found["msg"]

    def test_a_record_of_another_cluster(self, run_module, record, check):
        run_module(identity, cluster_id="u1", **GIVEN)
        told = self.told(run_module, record, check, cluster_id="u2")
        assert "is of another cluster (u1, not u2); take k3a off this host with reset.yml --limit" in told

    def test_a_record_of_another_machine(self, run_module, record, check, tmp_path):
        run_module(identity, **GIVEN)
        (tmp_path / "machine-id").write_text("m2\n")
        told = self.told(run_module, record, check)
        assert "is of another machine (m1, this one is m2); take k3a off this host with reset.yml --limit" in told

    def test_a_record_that_cannot_be_read(self, run_module, record, check):
        record.parent.mkdir()
        record.write_text("{")
        assert "is damaged (" in self.told(run_module, record, check)
