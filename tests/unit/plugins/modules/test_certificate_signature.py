# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.modules import certificate_signature


def requests_of(*ca_certificates):
    return {"a": [{"authority": name} for name in ca_certificates], "b": [{"authority": "client"}], "c": []}


def test_only_the_authorities_that_requests_want_are_needed():
    assert certificate_signature.needed(requests_of("server", "client", "server")) == ["client", "server"]
    assert certificate_signature.needed({"a": []}) == []


def test_the_pairs_that_are_needed_are_read_and_no_others(run_module, tmp_path):
    tls = tmp_path / "server/tls"
    tls.mkdir(parents=True)
    for name in ("client-ca.crt", "client-ca.key", "server-ca.crt", "server-ca.key"):
        (tls / name).write_text(f"{name}\n")
    found = run_module(certificate_signature, requests=requests_of("client"), data_dir=str(tmp_path))
    assert found["signing_cas"] == {"client": ["client-ca.crt\n", "client-ca.key\n"]}
    assert found["changed"] is False


def test_a_half_pair_is_no_authority(run_module, tmp_path):
    (tmp_path / "server/tls").mkdir(parents=True)
    (tmp_path / "server/tls/client-ca.crt").write_text("certificate\n")
    found = run_module(certificate_signature, requests=requests_of("client"), data_dir=str(tmp_path))
    assert found["failed"]
    assert found["msg"] == "the client CA is not on this host; sign on a server of the cluster"
