# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import cni_state
from ansible_collections.k3a.cluster.plugins.module_utils._components.cni_state import Sandbox
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

WEB, DNS = "a" * 64, "b" * 64
BRIDGE = {"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.42.2.0/24"}]]}}
PORTMAP = {"type": "portmap"}


def conflist(*plugins):
    return json.dumps({"cniVersion": "1.0.0", "name": "cbr0", "plugins": plugins}).encode()


@pytest.fixture
def state(tmp_path, monkeypatch):
    """What the plugins keep on a node with two pods; the second of them nothing names."""
    monkeypatch.setattr(cni_state, "ADDRESSES", str(tmp_path / "cbr0"))
    monkeypatch.setattr(cni_state, "RESULTS", str(tmp_path / "results"))
    (tmp_path / "cbr0").mkdir()
    (tmp_path / "results").mkdir()
    for name, content in {
        "10.42.1.7": f"{WEB}\r\neth0",
        "fd00:42:0:1::7": f"{WEB}\r\neth0",
        "10.42.2.3": f"{DNS}\r\neth0",
        "last_reserved_ip.0": "10.42.1.7",
        "lock": "",
    }.items():
        (tmp_path / "cbr0" / name).write_text(content)
    given = [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_NAME", "web-0"]]
    (tmp_path / "results" / f"cbr0-{WEB}-eth0").write_text(json.dumps({"kind": "cniCacheV1", "cniArgs": given}))
    return tmp_path


@pytest.fixture
def crictl(tmp_path):
    """A runtime that knows some of the sandboxes and refuses to stop others, and writes down what it was asked."""

    def made(knows=(), refuses=()):
        path = tmp_path / "crictl"
        refusals = "".join(f"case $5 in {one}) echo plugin not initialized >&2; exit 1;; esac\n" for one in refuses)
        releases = "".join(f"[ $5 != {one} ] || grep -l {one} {tmp_path}/cbr0/* | xargs rm\n" for one in knows)
        path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n{refusals}{releases}')
        path.chmod(0o755)
        return str(path)

    return made


def soon():
    return time.monotonic() + 10


def test_the_subnets_are_those_of_the_bridge():
    six = {**BRIDGE, "ipam": {"ranges": [[{"subnet": "10.42.2.0/24"}], [{"subnet": "fd00:42:0:2::/64"}]]}}
    assert cni_state.subnets(conflist(BRIDGE, PORTMAP)) == ["10.42.2.0/24"]
    assert cni_state.subnets(conflist(PORTMAP, six)) == ["10.42.2.0/24", "fd00:42:0:2::/64"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"{}", b"\xff", conflist(), conflist(PORTMAP), conflist("bridge")),
        *(conflist({"type": "bridge"}), conflist({"type": "bridge", "ipam": {"ranges": [["10.42.2.0/24"]]}})),
        conflist({"type": "bridge", "ipam": {"ranges": [[{"subnet": "a network"}]]}}),
    ],
)
def test_of_a_configuration_that_is_not_flannels_no_subnet_is_known(content):
    assert cni_state.subnets(content) == []


@pytest.mark.parametrize(
    "subnets, expected",
    [
        (["10.42.1.0/24", "fd00:42::/64"], []),
        (["10.42.1.0/24", "fd00:42:0:9::/64"], ["fd00:42::7"]),
        (["10.42.2.0/24", "fd00:42::/64"], ["10.42.1.7"]),
        (["10.42.0.0/16"], ["fd00:42::7"]),
        ([], ["10.42.1.7", "fd00:42::7"]),
    ],
)
def test_an_address_of_none_of_the_subnets_is_outside(subnets, expected):
    assert cni_state.outside(["lock", "fd00:42::7", "last_reserved_ip.0", "10.42.1.7"], subnets) == expected


def test_a_sandbox_with_any_address_outside_is_told_by_its_pod(state):
    assert cni_state.sandboxes_outside(["10.42.2.0/24", "fd00:42:0:1::/64"]) == [
        Sandbox(WEB, "pod shop/web-0", ("10.42.1.7",))
    ]
    assert cni_state.sandboxes_outside(["10.42.2.0/24", "10.42.1.0/24", "fd00:42:0:1::/64"]) == []


def test_a_node_without_a_subnet_has_all_of_them_outside(state):
    assert cni_state.sandboxes_outside([]) == [
        Sandbox(WEB, "pod shop/web-0", ("10.42.1.7", "fd00:42:0:1::7")),
        Sandbox(DNS, f"sandbox {'b' * 13}", ("10.42.2.3",)),
    ]


def test_a_node_that_never_had_a_pod_has_none(state):
    for path in (state / "cbr0").iterdir():
        path.unlink()
    (state / "cbr0").rmdir()
    assert cni_state.sandboxes_outside(["10.42.2.0/24"]) == []


@pytest.mark.parametrize("content", ["", "abc\r\neth0", "--all\r\neth0", WEB, f"{WEB}\r\neth0\r\nmore"])
def test_an_address_that_the_runtime_has_not_asked_for_is_let_alone(state, content):
    (state / "cbr0/10.42.9.9").write_text(content)
    assert cni_state.sandboxes_outside(["10.42.0.0/22", "fd00:42::/48"]) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"cniArgs": [["K8S_POD_NAME", "web-0"]]}', '{"cniArgs": ["a"]}', '{"cniArgs": null}']
)
def test_a_sandbox_of_which_nothing_readable_is_kept_has_its_own_name(state, content):
    (state / f"results/cbr0-{WEB}-eth0").write_text(content)
    assert cni_state.pod_of(WEB, "eth0") == f"sandbox {'a' * 13}"


def test_a_diff_says_which_address_it_had_and_of_which_subnet_it_gets_one():
    sandbox = Sandbox(WEB, "pod shop/web-0", ("10.42.1.7", "fd00:42::7"))
    change = sandbox.change(["10.42.2.0/24"])
    assert (change.path, change.before) == ("pod shop/web-0", "10.42.1.7\nfd00:42::7\n")
    assert change.after == "made anew, with an address of 10.42.2.0/24\n"
    assert sandbox.change([]).after == "made anew, with an address of the subnet that the node gets\n"


def test_each_is_stopped_and_has_its_addresses_given_back(state, crictl):
    cni_state.stop(crictl(knows=[WEB, DNS]), cni_state.sandboxes_outside([]), soon())
    endpoint = "--runtime-endpoint unix:///run/k3a/containerd/containerd.sock"
    asked = (state / "asked").read_text().splitlines()
    assert asked == [f"{endpoint} --timeout=60s stopp {one}" for one in (WEB, DNS)]
    assert sorted(path.name for path in (state / "cbr0").iterdir()) == ["last_reserved_ip.0", "lock"]


def test_an_address_of_a_sandbox_that_the_runtime_does_not_know_is_given_back(state, crictl):
    cni_state.stop(crictl(), cni_state.sandboxes_outside(["10.42.2.0/24"]), soon())
    assert sorted(path.name for path in (state / "cbr0").iterdir()) == ["10.42.2.3", "last_reserved_ip.0", "lock"]


def test_one_that_cannot_be_stopped_is_named_and_found_again_and_keeps_no_other_from_it(state, crictl):
    with pytest.raises(K3aError, match=r"pod shop/web-0 \(10.42.1.7, fd00:42:0:1::7\): plugin not initialized$"):
        cni_state.stop(crictl(refuses=[WEB]), cni_state.sandboxes_outside([]), soon())
    assert [sandbox.identifier for sandbox in cni_state.sandboxes_outside([])] == [WEB]
