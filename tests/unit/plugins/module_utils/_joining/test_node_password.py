# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import re

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password

# scrypt of RFC 7914, its third vector, in the form of K3s.
RFC = (
    "pleaseletmein",
    "$1:" + b"SodiumChloride".hex() + ":14:8:1:"
    "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
)
SALT = bytes.fromhex("0011223344556677")


def test_a_known_hash():
    assert node_password.verify(*RFC)
    assert not node_password.verify("pleaseletmeout", RFC[1])


def test_the_form_is_the_one_of_k3s():
    hashed = node_password.hash_of("0123456789abcdef", SALT)
    assert re.fullmatch(r"\$1:0011223344556677:15:8:1:[A-Za-z0-9+/]{86}", hashed)
    assert node_password.hash_of("0123456789abcdef", SALT) == hashed
    assert node_password.verify("0123456789abcdef", hashed)
    assert not node_password.verify("0123456789abcdee", hashed)


def test_each_hash_has_a_salt_of_its_own():
    assert node_password.hash_of("x") != node_password.hash_of("x")


@pytest.mark.parametrize(
    "hashed",
    [
        "",
        "x",
        "$1:0011:15:8:1",
        RFC[1].replace("$1", "$2"),
        RFC[1].replace(":14:", ":30:"),
        RFC[1].replace(":8:1:", ":8:1000:"),
        RFC[1].replace(":8:", ":x:"),
        RFC[1].replace("53", "5", 1),
        RFC[1].rsplit(":", 1)[0] + ":",
        RFC[1] + "!",
    ],
)
def test_a_hash_that_cannot_be_read_is_nobodys(hashed):
    assert not node_password.verify(RFC[0], hashed)
    assert not node_password.verify("", hashed)


@pytest.mark.parametrize("cost", [(17, 32, 1), (17, 8, 1), (16, 16, 1), (15, 8, 4), (15, -8, -1)])
def test_a_hash_that_costs_more_than_ours_is_nobodys(cost, monkeypatch):
    """A host makes it, and half a gibibyte would end the approver whenever somebody asks for that name."""
    derived = []
    monkeypatch.setattr(node_password, "_derived", lambda *arguments: derived.append(arguments) or b"")
    assert not node_password.verify("x", f"$1:0011223344556677:{cost[0]}:{cost[1]}:{cost[2]}:AAAA")
    assert not derived


def test_a_password_file_is_kept_and_made_only_when_there_is_none():
    assert node_password.wanted_content(b"abc\n") == b"abc\n"
    made = node_password.wanted_content(None)
    assert re.fullmatch(rb"[0-9a-f]{32}\n", made)
    assert node_password.wanted_content(b" \n") not in (made, b" \n")
    assert node_password.password_in(b"abc\n") == "abc"


def test_the_secret_of_a_node():
    made = node_password.secret("w1", "$1:x", "uid-w1")
    assert made["metadata"] == {
        "name": "w1.node-password.k3a",
        "namespace": "k3a-system",
        "annotations": {"k3a.io/node-uid": "uid-w1"},
    }
    assert (made["type"], made["immutable"]) == ("k3a.io/node-password", True)
    assert base64.b64decode(made["data"]["hash"]) == b"$1:x"
    assert node_password.kept(made) == node_password.Kept("uid-w1")


def test_what_is_kept_with_a_password():
    made = node_password.secret("w1", "$1:x", token="abcdef", until=1_800_000_000.0)
    assert made["metadata"]["annotations"]["k3a.io/used-until"] == "2027-01-15T08:00:00Z"
    assert node_password.kept(made) == node_password.Kept("", "abcdef", 1_800_000_000.0)
    old = {"metadata": {"ownerReferences": [{"kind": "Node", "uid": "u"}]}}
    assert node_password.kept(old) == node_password.Kept("u", bare=True)
    assert node_password.kept({}) == node_password.Kept()
    assert node_password.moment("soon") == 0.0


@pytest.mark.parametrize("name, node", [("w1.node-password.k3a", "w1"), ("a.b.node-password.k3a", "a.b"), ("w1", ""), ("w1.node-password.k3a.x", "")])
def test_the_node_of_a_secret(name, node):
    assert node_password.node_of(name) == node


def test_what_a_machine_brings_is_kept_apart_from_the_hashes():
    made = node_password.join_secret("f00bar", "node-abc", "pass")
    assert made["metadata"] == {"name": node_password.place("f00bar", "node-abc"), "namespace": "k3a-join"}
    assert node_password.JOIN_NAMESPACE != node_password.NAMESPACE
    assert node_password.value_in(made, "node-abc") == "pass"


def test_a_token_has_so_many_places_and_no_others():
    places = {node_password.place("f00bar", f"node-{number}") for number in range(999)}
    assert len(places) == node_password.PLACES
    assert all(re.search(node_password.PLACE, place) and place.startswith("f00bar-") for place in places)
    assert not any(re.search(node_password.PLACE, name) for name in ("f00bar-20", "f00bar-001", "f00ba-00", "a.f00bar-00"))


@pytest.mark.parametrize("found", [None, {}, {"data": None}, {"data": {"password": "%"}}, {"data": {"password": "/w=="}}])
def test_a_value_that_is_not_there_or_not_text_is_nothing(found):
    assert node_password.value_in(found, "password") == ""
