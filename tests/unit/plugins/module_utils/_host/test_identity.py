# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._host import identity
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import Identity
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import ca_hash
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import Authority

TEXTS = json.loads((Path(__file__).parents[3] / "unit_texts.json").read_text())
RECORDED = {name.replace("_", "-"): units[0]["unit"] for name, units in TEXTS.items()}
PROGRAM = "/data/files/" + "a" * 64
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def unit(data_dir, program, *arguments):
    """A unit as a component writes it, in the parts that are read."""
    lines = " \\\n  ".join([f"{data_dir}{PROGRAM}/{program}", *arguments])
    return f"[Service]\nEnvironment=PATH={data_dir}{PROGRAM}:/usr/bin\nExecStart={lines}\nRestart=always\n"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "client")


class TestImplied:
    """Who a host is that was installed before there were records."""

    def test_without_services_of_ours_it_is_nobody(self):
        assert identity.implied({}, "m1") == Identity()

    def test_a_server(self, tmp_path):
        data_dir = str(tmp_path / "k3a")
        layout = Layout(data_dir)
        os.makedirs(layout.tls(""))
        Path(layout.tls("server-ca.crt")).write_text(CA)
        units = {
            "kubelet": unit(data_dir, "kubelet", "--node-ip=10.0.0.1,fd00::1", "--hostname-override=s1"),
            "etcd": unit(data_dir, "etcd", "--name=s1", "--data-dir=/x"),
            "controller-manager": unit(data_dir, "kube-controller-manager", "--cluster-cidr=10.42.0.0/16,fd42::/56"),
            "apiserver": unit(
                data_dir,
                "kube-apiserver",
                "--service-cluster-ip-range=10.43.0.0/16",
                "--service-account-issuer=https://kubernetes.default.svc.example.org",
            ),
            "approver": "[Service]\nExecStart=/usr/bin/python3 \\\n  /elsewhere/k3a.pyz\n",
        }
        assert identity.implied(units, "m1", f"{tmp_path}/none") == Identity(
            machine_id="m1",
            server_ca=ca_hash(CA),
            node_name="s1",
            node_ips=("10.0.0.1", "fd00::1"),
            data_dir=data_dir,
            cluster_cidr=("10.42.0.0/16", "fd42::/56"),
            service_cidr=("10.43.0.0/16",),
            cluster_domain="example.org",
        )

    def test_a_host_that_was_renamed_meanwhile_is_known_by_the_kubelets_certificate(self, tmp_path, authority):
        """The kubelet was given no name: it took the host's, as that was when it started."""
        subject = {"common_name": "system:node:old", "organization": "system:nodes"}
        certificate, key = authority.issue(subject, "extendedKeyUsage=clientAuth\n")
        (tmp_path / "pair.pem").write_text(certificate + key)
        units = {"kubelet": unit("/var/lib/k3a", "kubelet", "--node-ip=10.0.0.1")}
        found = identity.implied(units, "m1", f"{tmp_path}/pair.pem")
        assert (found.node_name, found.data_dir, found.cluster_cidr) == ("old", "/var/lib/k3a", ())

    def test_a_server_without_a_node_is_known_by_its_etcd(self):
        units = {"etcd": unit("/var/lib/k3a", "etcd", "--name=s1", "--initial-advertise-peer-urls=https://10.0.0.1:2380")}
        assert identity.implied(units, "m1", "/none").node_name == "s1"

    def test_units_are_read_as_the_components_write_them(self):
        """Not as this file believes: of the units that are recorded of all components."""
        assert identity.implied(RECORDED, "m1", "/none") == Identity(
            machine_id="m1",
            node_name="s1",
            node_ips=("10.89.0.11",),
            data_dir="/var/lib/k3a",
            cluster_cidr=("10.42.0.0/16",),
            service_cidr=("10.43.0.0/16",),
            cluster_domain="cluster.local",
        )
        for name, text in RECORDED.items():
            # Python runs these, with the library as their program.
            known = "" if name in ("approver", "certificate-monitor", "certificate-renewal", "etcd-progress") else "/var/lib/k3a"
            assert identity.implied({name: text}, "m1", "/none").data_dir == known, name


class TestDirectory:
    """Where a host has all that is ours, for who takes it away."""

    @pytest.fixture
    def given(self, monkeypatch, tmp_path):
        monkeypatch.setattr(identity, "IDENTITY", f"{tmp_path}/identity.json")
        monkeypatch.setattr(identity.own_units, "installed", dict)
        return "/given"

    def test_it_is_the_recorded_one(self, given, tmp_path):
        (tmp_path / "identity.json").write_text('{"format": 1, "data_dir": "/recorded"}')
        assert identity.own_data_dir(given) == "/recorded"

    @pytest.mark.parametrize("damaged", [True, False])
    def test_else_that_of_the_services(self, given, monkeypatch, tmp_path, damaged):
        if damaged:
            (tmp_path / "identity.json").write_text("{")
        assert identity.own_data_dir(given) == given
        monkeypatch.setattr(identity.own_units, "installed", lambda: {"kubelet": unit("/running", "kubelet")})
        assert identity.own_data_dir(given) == "/running"


class TestCertificate:
    def test_the_node_of_a_kubelets_certificate(self, tmp_path, authority):
        certificate, _key = authority.issue({"common_name": "someone"}, "extendedKeyUsage=clientAuth\n")
        (tmp_path / "other.crt").write_text(certificate)
        assert pem.common_name(certificate) == "someone"
        assert identity.node_of(f"{tmp_path}/other.crt") == identity.node_of(f"{tmp_path}/none") == ""

    @pytest.mark.parametrize("text", ["", "text", CA])
    def test_one_that_cannot_be_read_names_nobody(self, text):
        assert pem.common_name(text) == ""


class TestState:
    def test_a_directory_that_is_not_mounted_holds_nothing(self, tmp_path):
        assert not identity.has_state(f"{tmp_path}/none")
        assert not identity.has_state(str(tmp_path))
        (tmp_path / "agent").mkdir()
        assert identity.has_state(str(tmp_path))
