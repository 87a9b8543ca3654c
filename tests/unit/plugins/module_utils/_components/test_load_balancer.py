# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import load_balancer
from ansible_collections.k3a.cluster.plugins.module_utils._engine.component import digest_of
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    component_of_step,
    directives,
    document,
    own_options,
    params_for,
    programs_elsewhere,
)

SERVERS = ["10.0.0.12:6443", "10.0.0.11:6443"]
CONFIG = "/var/lib/k3a/agent/etc/load-balancer.json"
SOURCES = Path(__file__).parents[5] / "bundle/load_balancer"


def component_of(**given):
    params = params_for(load_balancer, **{"servers": SERVERS, **given})
    return load_balancer.load_balancer_component(params, load_balancer.configuration(params))


def test_the_servers_in_an_order_of_their_own():
    expected = {"servers": ["10.0.0.11:6443", "10.0.0.12:6443"], "prefer": "", "fallback": []}
    assert document(component_of(), CONFIG) == expected
    assert document(component_of(servers=[*reversed(SERVERS), SERVERS[0]]), CONFIG) == expected


def test_the_preferred_server_is_one_of_the_servers_and_a_fallback_is_not():
    written = document(
        component_of(prefer="[fd00::1]:6443", fallback=["lb.example:443", "10.0.0.11:6443", "a.example:443"]), CONFIG
    )
    assert written == {
        "servers": ["10.0.0.11:6443", "10.0.0.12:6443", "[fd00::1]:6443"],
        "prefer": "[fd00::1]:6443",
        "fallback": ["lb.example:443", "a.example:443"],
    }


def test_a_fallback_is_enough():
    assert document(component_of(servers=[], fallback=["lb.example:443"]), CONFIG)["servers"] == []


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "https://10.0.0.1:6443", "10.0.0.1:0", "10.0.0.1:65536", ":6443", "fd00::1:6443", "a:https", "a b:1"],
)
@pytest.mark.parametrize("option", ["servers", "prefer", "fallback"])
def test_what_is_no_address_is_named(option, address):
    with pytest.raises(load_balancer.LoadBalancerError, match=re.escape(f"{address!r} is no address of a server")):
        component_of(**{option: address if option == "prefer" else [address]})


def test_nobody_to_bring_connections_to():
    with pytest.raises(load_balancer.LoadBalancerError, match="at least one address"):
        component_of(servers=[])


@pytest.mark.parametrize("port, complaint", [(0, "no port"), (65536, "no port"), (6445, "health endpoint")])
def test_ports_that_cannot_be(port, complaint):
    with pytest.raises(load_balancer.LoadBalancerError, match=complaint):
        component_of(port=port)


def test_the_arguments():
    assert command(component_of(port=7444).unit) == [
        f"{BUNDLE}/bin/k3a-load-balancer",
        "--ca-file=/run/credentials/k3a-load-balancer.service/server-ca.crt",
        f"--config={CONFIG}",
        "--health=127.0.0.1:6445",
        "--listen=127.0.0.1:7444",
    ]


def test_the_program_knows_the_arguments_and_the_keys_of_the_file():
    component = component_of()
    flags = re.findall(r'flag\.\w+Var\(&options\.\w+, "([\w-]+)"', (SOURCES / "main.go").read_text())
    assert {word.partition("=")[0].lstrip("-") for word in command(component.unit)[1:]} == set(flags)
    keys = re.findall(r'`json:"(\w+)"`', (SOURCES / "config.go").read_text())
    assert set(document(component, CONFIG)) == set(keys)


def test_it_is_not_root_but_reads_its_files():
    component = component_of()
    lines = directives(component.unit)
    assert lines["DynamicUser"] == ["yes"]
    assert lines["LoadCredential"] == ["server-ca.crt:/var/lib/k3a/agent/tls/server-ca.crt"]
    assert [file.mode for file in component.reloaded] == [0o644]


def test_other_servers_restart_nothing_and_another_port_does():
    digest = digest_of(component_of())
    assert digest_of(component_of(servers=["10.0.0.13:6443"], prefer="10.0.0.14:6443")) == digest
    assert digest_of(component_of(port=7444)) != digest
    assert digest_of(component_of(), pending=["/var/lib/k3a/agent/tls/server-ca.crt"]) != digest


GIVEN = {"servers": ["10.0.0.1:6443"]}
OTHERS = {
    "bundle": "/var/lib/k3a/data/def",
    "data_dir": "/srv/k3a",
    "fallback": ["lb.example:443"],
    "port": 7444,
    "prefer": "10.0.0.2:6443",
    "programs": programs_elsewhere(),
    "servers": ["10.0.0.3:6443"],
}


@pytest.mark.parametrize("option", sorted(own_options(load_balancer) - {"state"}))
def test_every_option_reaches_the_component(monkeypatch, option):
    usual = component_of_step(monkeypatch, "load_balancer", **GIVEN)
    assert component_of_step(monkeypatch, "load_balancer", **GIVEN) == usual
    assert component_of_step(monkeypatch, "load_balancer", **{**GIVEN, option: OTHERS[option]}) != usual
