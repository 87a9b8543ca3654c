# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._steps import etcd
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    directives,
    params_for,
    unknown_flags,
)
from ansible_collections.k3a.cluster.tests.unit.etcd_members import Cluster, member, url

RUN = "/run/credentials/k3a-etcd.service"


def component_of(ip="10.0.0.1", **given):
    return etcd.etcd_component(params_for(etcd, **given), "a", ip)


def test_the_arguments():
    unit = component_of().unit
    assert command(unit) == [
        f"{BUNDLE}/bin/etcd",
        "--advertise-client-urls=https://10.0.0.1:2379",
        f"--cert-file={RUN}/server-client.crt",
        "--client-cert-auth=true",
        "--data-dir=/var/lib/k3a/server/db/etcd",
        "--feature-gates=InitialCorruptCheck=true",
        "--initial-advertise-peer-urls=https://10.0.0.1:2380",
        f"--key-file={RUN}/server-client.key",
        "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379",
        "--listen-metrics-urls=http://127.0.0.1:2381",
        "--listen-peer-urls=https://10.0.0.1:2380",
        "--log-outputs=stderr",
        "--logger=zap",
        "--name=a",
        f"--peer-cert-file={RUN}/peer-server-client.crt",
        "--peer-client-cert-auth=true",
        f"--peer-key-file={RUN}/peer-server-client.key",
        f"--peer-trusted-ca-file={RUN}/peer-ca.crt",
        "--snapshot-count=10000",
        "--tls-min-version=TLS1.3",
        f"--trusted-ca-file={RUN}/server-ca.crt",
        "--watch-progress-notify-interval=5s",
    ]
    assert unknown_flags(unit) == []


def test_an_ipv6_address_in_its_urls():
    words = command(component_of("fd00::1").unit)
    assert "--listen-client-urls=https://127.0.0.1:2379,https://[fd00::1]:2379" in words
    assert "--initial-advertise-peer-urls=https://[fd00::1]:2380" in words


def test_what_counts_for_the_first_start_only_is_no_part_of_the_unit():
    """The members change; a unit that named them would have to be restarted each time."""
    assert directives(component_of().unit)["EnvironmentFile"] == ["-/var/lib/k3a/server/db/etcd.env"]
    assert not [word for word in command(component_of().unit) if word.startswith("--initial-cluster")]


@pytest.mark.parametrize(
    "exposed, urls", [(False, "http://127.0.0.1:2381"), (True, "http://127.0.0.1:2381,http://10.0.0.1:2381")]
)
def test_metrics_leave_the_host_only_when_asked_to(exposed, urls):
    assert f"--listen-metrics-urls={urls}" in command(component_of(expose_metrics=exposed).unit)


def test_nobody_reaches_the_datastore_without_a_certificate():
    words = command(component_of().unit)
    assert {"--client-cert-auth=true", "--peer-client-cert-auth=true"} <= set(words)
    listening = [word for word in words if word.startswith(("--listen-client", "--listen-peer"))]
    assert not [word for word in listening if "http://" in word]


def test_it_runs_as_its_own_user_in_its_own_directory():
    component = component_of()
    lines = directives(component.unit)
    assert (lines["User"], lines["ReadWritePaths"]) == (["etcd"], ["/var/lib/k3a/server/db/etcd"])
    db, data = component.directories
    assert (db.mode, db.owner) == (0o711, "root")
    assert (data.path, data.mode, data.owner) == ("/var/lib/k3a/server/db/etcd", 0o700, "etcd")


def test_every_credential_that_is_read_is_loaded_and_counts():
    component = component_of()
    loaded = dict(line.split(":", 1) for line in directives(component.unit)["LoadCredential"])
    read = {word.split("=")[1].rpartition("/")[2] for word in command(component.unit) if f"={RUN}/" in word}
    assert read == set(loaded)
    assert component.inputs == tuple(loaded.values())


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
    program.write_text(f"#!/bin/sh\nmkdir -p {wal}; : > {wal}/0.wal\nread x < {bundle}/never\n")
    program.chmod(0o755)
    monkeypatch.setattr(etcd.health, "POLL", 0.01)
    real = etcd.etcd_component

    def of_root(*arguments):
        """The user etcd comes with another module."""
        component = real(*arguments)
        return replace(component, directories=[replace(d, owner="root", group="root") for d in component.directories])

    monkeypatch.setattr(etcd, "etcd_component", of_root)

    def run(*members, check=False, **given):
        run.cluster = Joinable(wal.parents[1], *members)
        monkeypatch.setattr(etcd.joining, "Etcd", run.cluster)
        arguments = {"data_dir": str(tmp_path / "k3a"), "node_ip": ["10.0.0.3"], "node_name": "s3", "wait": False}
        endpoints = [url(number, 2379) for number in (1, 2, 3)]
        return run_module(etcd, check=check, bundle=bundle, endpoints=endpoints, **{**arguments, **given})

    return run


def test_the_founder_begins_a_cluster_once(run, init, tmp_path):
    announced = run(check=True, founder="s3")
    assert not (tmp_path / "k3a").exists()
    done = run(founder="s3")
    assert done["changes"] == announced["changes"]
    assert done["changes"][-1] == "etcd members"
    assert done["diff"][-1]["after"] == "s3 https://10.0.0.3:2380\n"
    assert not (tmp_path / "k3a/server/db/etcd.env").exists()
    again = run(member(3), founder="s3")
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
    done = run(member(1), member(2), member(3, learner=True))
    assert (done["changed"], done["restarted"], done["changes"]) == (True, False, ["etcd members"])
    assert run.cluster.told == ["promote 3"]


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
    monkeypatch.setattr(Joinable, "healthy", lambda _self, asked: asked.name != "s1")
    failed = run(member(1), member(2), member(3), extra_args=["quota-backend-bytes=1"])
    assert failed["failed"]
    assert failed["msg"].startswith("etcd cannot be restarted now: 2 healthy members of etcd must remain, and s1 is")
    assert init.told == []
    assert init.processes["k3a-etcd.service"].pid == former


def test_the_first_of_the_nodes_addresses_is_the_members(run):
    result = run(check=True, founder="s3", node_ip=["10.9.9.9", "fd00::9"])
    (unit,) = (
        diff["after"]
        for diff in result["diff"]
        if diff["after_header"].endswith("etcd.service") and "ExecStart" in diff["after"]
    )
    assert "--initial-advertise-peer-urls=https://10.9.9.9:2380" in unit
    assert result["diff"][-1]["after"] == "s3 https://10.9.9.9:2380\n"
