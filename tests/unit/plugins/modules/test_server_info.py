# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.modules import server_info


@pytest.mark.parametrize(
    "given, url",
    [
        ({"node_ip": ["10.0.0.1"]}, "https://10.0.0.1:6443"),
        ({"node_ip": ["fd00::1"], "https_listen_port": 443}, "https://[fd00::1]:443"),
        ({"node_ip": ["10.0.0.1", "fd00::1"], "advertise_address": "192.0.2.1"}, "https://192.0.2.1:6443"),
    ],
)
def test_the_url_is_that_of_this_server(run_module, tmp_path, given, url):
    found = run_module(server_info, data_dir=str(tmp_path), **given)
    assert (found["url"], found["authorities"], found["changed"]) == (url, {}, False)


def test_the_public_part_of_the_authorities_is_returned_and_no_key(run_module, tmp_path):
    tls = tmp_path / "server/tls"
    tls.mkdir(parents=True)
    for name in ("server-ca.crt", "server-ca.key", "client-ca.crt", "client-ca.key", "service.key"):
        (tls / name).write_text(f"content of {name}\n")
    found = run_module(server_info, data_dir=str(tmp_path), node_ip=["10.0.0.1"])
    assert found["authorities"] == {"server": "content of server-ca.crt\n", "client": "content of client-ca.crt\n"}
    assert ".key" not in str(found["authorities"])


def test_check_mode_looks_as_well(run_module, tmp_path):
    found = run_module(server_info, check=True, data_dir=str(tmp_path), node_ip=["10.0.0.1"])
    assert found["url"] == "https://10.0.0.1:6443"


def test_an_address_that_cannot_be_found_is_one_sentence(run_module, tmp_path, monkeypatch):
    monkeypatch.setattr(server_info.address, "node_addresses", list)
    found = run_module(server_info, data_dir=str(tmp_path))
    assert found["failed"]
    assert "set k3a_node_ip" in found["msg"]


def test_the_role_asks_with_the_servers_own_variables():
    """The task runs for any node, delegated to a server: an address in its options must be that server's."""
    role = Path(server_info.__file__).parents[2] / "roles/agent/tasks/runtime.yml"
    (block,) = yaml.safe_load(role.read_text())
    (task,) = [task for task in block["block"] if "k3a.cluster.server_info" in task]
    options = task["k3a.cluster.server_info"]
    assert all("hostvars[_k3a_server_host]" in options[name] for name in ("node_ip", "advertise_address"))
