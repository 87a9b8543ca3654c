# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket

import yaml
from ansible_collections.k3a.cluster.plugins.modules import port_check


def test_a_port_on_which_a_component_listens(run_module):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.getsockname()[1]
        target = {"host": "server-2", "ip": "127.0.0.1", "protocol": "tcp", "port": number}
        result = run_module(port_check, targets=[target])
    assert result["outcomes"] == [{**target, "outcome": "reached"}]
    assert result["changed"] is False and result["heard"] == result["opened"] == []
    # The host's name is for the action to add.
    assert yaml.safe_load(port_check.RETURN).keys() == result.keys() - {"changed"} | {"host"}


def test_options_are_those_that_are_documented():
    documented = yaml.safe_load(port_check.DOCUMENTATION)["options"]
    for name, option in port_check.OPTIONS.items():
        assert documented[name].get("suboptions", {}).keys() == option.get("options", {}).keys()
    assert documented.keys() == port_check.OPTIONS.keys()
