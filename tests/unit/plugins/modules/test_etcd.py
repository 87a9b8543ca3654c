# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd as step
from ansible_collections.k3a.cluster.plugins.modules import etcd
from ansible_collections.k3a.cluster.tests.unit.etcd_members import Cluster, begin_data, identity, member, url


class Joinable(Cluster):
    """A cluster whose members tell their names once they have begun to keep data."""

    def __init__(self, etcd_dir, *members):
        super().__init__(*members)
        self.majority = bool(members)
        self.etcd_dir = etcd_dir

    def members(self):
        if any(self.etcd_dir.glob("member/wal/*.wal")):
            self.kept = [replace(kept, name=kept.name or "s3") for kept in self.kept]
        return super().members()


@pytest.fixture
def run(run_module, init, bundle, tmp_path, monkeypatch):
    """The third server, whose etcd is a process that begins to keep data when it is started."""
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    wal = tmp_path / "k3a/server/db/etcd/member/wal"
    program = Path(bundle) / "bin/etcd"
    begin_data(tmp_path / "begun", identity(99))
    begun = f"mkdir -p {wal}; [ -e {wal}/*.wal ] || cp {tmp_path}/begun/member/wal/* {wal}"
    program.write_text(f"#!/bin/sh\n{begun}\nread x < {bundle}/never\n")
    program.chmod(0o755)
    monkeypatch.setattr(step.health, "POLL", 0.01)
    real = step.etcd_component

    def of_root(*arguments):
        """The user etcd comes with another module."""
        component = real(*arguments)
        return replace(component, directories=[replace(d, owner="root", group="root") for d in component.directories])

    monkeypatch.setattr(step, "etcd_component", of_root)

    def run(*members, check=False, **given):
        run.cluster = Joinable(wal.parents[1], *members)
        monkeypatch.setattr(step.joining, "Etcd", run.cluster)
        arguments = {"data_dir": str(tmp_path / "k3a"), "node_ip": ["10.0.0.3"], "node_name": "s3", "wait": False}
        endpoints = [url(number, 2379) for number in (1, 2, 3)]
        return run_module(etcd, check=check, bundle=bundle, endpoints=endpoints, **{**arguments, **given})

    return run


def test_the_first_server_begins_a_cluster_once(run, init, tmp_path):
    announced = run(check=True, first_server="s3")
    assert not (tmp_path / "k3a").exists()
    done = run(first_server="s3")
    assert done["changes"] == announced["changes"]
    assert done["changes"][-1] == "etcd members"
    assert done["diff"][-1]["after"] == "s3 https://10.0.0.3:2380\n"
    assert not (tmp_path / "k3a/server/db/etcd.env").exists()
    assert (tmp_path / "etc/etcd.json").exists()
    again = run(replace(member(3), id="99"), first_server="s3")
    assert (again["changed"], again["changes"], again["diff"]) == (False, [], [])


def test_a_further_server_joins_and_votes_before_the_module_ends(run, init):
    """Even if it is told not to wait: the next server can join only when this one votes."""
    announced = run(member(1), member(2), check=True)
    assert run.cluster.told == []
    done = run(member(1), member(2))
    assert done["changes"] == announced["changes"]
    assert run.cluster.told == ["add https://10.0.0.3:2380", "promote 99"]
    assert [kept.name for kept in run.cluster.kept if not kept.learner] == ["s1", "s2", "s3"]
    assert done["diff"][-1] == {
        "before_header": "etcd members",
        "after_header": "etcd members",
        "before": "s1 https://10.0.0.1:2380\ns2 https://10.0.0.2:2380\n",
        "after": "s1 https://10.0.0.1:2380\ns2 https://10.0.0.2:2380\ns3 https://10.0.0.3:2380\n",
    }


def test_a_run_that_was_killed_before_the_member_voted_is_finished(run):
    run(member(1), member(2))
    done = run(member(1), member(2), replace(member(3, learner=True), id="99"))
    assert (done["changed"], done["restarted"], done["changes"]) == (True, False, ["etcd members"])
    assert run.cluster.told == ["promote 99"]


def test_a_server_that_cannot_join_is_left_as_it_is(run, init, tmp_path):
    for check in (True, False):
        failed = run(check=check)
        assert failed["failed"]
        assert failed["msg"].startswith("s3 cannot join etcd: no majority of its members answers")
    assert not (tmp_path / "k3a").exists()
    assert init.told == []


def test_a_restart_that_would_cost_the_majority_is_refused_with_nothing_changed(run, init, monkeypatch):
    run(member(1), member(2))
    former = init.processes["k3a-etcd.service"].pid
    init.told.clear()
    monkeypatch.setattr(step.joining, "PATIENCE", 0.01)
    monkeypatch.setattr(Joinable, "healthy", lambda _self, asked: asked.name != "s1")
    failed = run(member(1), member(2), replace(member(3), id="99"), extra_args=["quota-backend-bytes=1"])
    assert failed["failed"]
    assert failed["msg"].startswith("etcd cannot be restarted now: 2 healthy members of etcd must remain, and s1 is")
    assert init.told == []
    assert init.processes["k3a-etcd.service"].pid == former


def test_the_first_of_the_nodes_addresses_is_the_members(run):
    result = run(check=True, first_server="s3", node_ip=["10.9.9.9", "fd00::9"])
    (unit,) = (
        diff["after"]
        for diff in result["diff"]
        if diff["after_header"].endswith("etcd.service") and "ExecStart" in diff["after"]
    )
    assert "--initial-advertise-peer-urls=https://10.9.9.9:2380" in unit
    assert result["diff"][-1]["after"] == "s3 https://10.9.9.9:2380\n"


def test_the_data_of_a_member_that_the_others_have_removed_is_set_aside_as_announced(run, init, tmp_path):
    assert run(member(1), member(2))["changed"]
    data = tmp_path / "k3a/server/db/etcd"
    log = data / "member/wal/0000000000000000-0000000000000000.wal"
    assert step.health.wait_for(lambda: None if log.exists() else "no log yet", time.monotonic() + 10) is None
    announced = run(member(1), member(2), check=True)
    done = run(member(1), member(2))
    record = str(tmp_path / "etc/etcd.json")
    assert done["changes"] == announced["changes"] == [str(data), "k3a-etcd.service", record, "etcd members"]
    assert len(list(data.parent.glob("etcd-old-*"))) == 1
