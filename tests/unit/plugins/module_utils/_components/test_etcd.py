# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    directives,
    params_for,
    unknown_flags,
)

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


def test_root_runs_no_python_that_others_can_write(monkeypatch):
    """As that of a virtual environment in a home, which need not be mounted yet either."""
    monkeypatch.setattr("sys.executable", "/home/ann/venv/bin/python")
    (guard,) = component_of().reloaded
    assert guard.content.startswith(b"#!/usr/bin/python3 -IS\n")
