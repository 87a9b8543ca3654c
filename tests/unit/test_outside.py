# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever comes from outside is read, or refused in a sentence: a fuzz of it, the same on every run.

Good input is changed at random: bytes of requests, values of objects and of JSON. Nothing may raise but what the caller
knows, no decision that was no may become yes, and no sentence may be long or hold what is not printable.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, join, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr as csr_reader
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token, token_secret
from ansible_collections.k3a.cluster.tests.unit import csr_samples as samples

ROUNDS = 3000
# Seconds: it has to be over where the machine is slow, too.
PATIENCE = 2.0
APPROVED = (("system:kube-proxy", ""), ("system:k3a-flannel:{node}", "system:k3a-flannel"))
ODD: tuple[Any, ...] = (
    None, True, -1, 2**70, 1.5, "", "x" * 70000, "\0", "a\nb", "\u202e", "..", [], {}, [None], {"": None}, [[[]]],
    "10.0.0.1/33", "::ffff:10.0.0.1", "system:masters", "system:node:w1",
)  # fmt: skip


def rounds(seed: str) -> Iterator[random.Random]:
    """A source of chance for each round, the same for the same seed."""
    end = time.monotonic() + PATIENCE
    for number in range(ROUNDS):
        if time.monotonic() > end:
            return
        yield random.Random(f"{seed} {number}")


def changed(value: Any, chance: random.Random) -> Any:
    """A structure with one of its values another one, gone, or twice as deep."""
    where: list[tuple[Any, Any]] = []

    def look(part: Any) -> None:
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            where.append((part, key))
            if isinstance(part[key], (dict, list)):
                look(part[key])

    made = copy.deepcopy(value)
    look(made)
    part, key = chance.choice(where)
    kind = chance.randrange(4)
    if kind == 0 and isinstance(part, dict):
        del part[key]
    elif kind == 1:
        part[key] = [part[key]]
    elif kind == 2 and isinstance(part[key], str):
        text = list(part[key])
        for _time in range(chance.randrange(1, 4)):
            text.insert(chance.randrange(len(text) + 1), chance.choice(["\n", "\0", ".", "A", "{", "\u202e", "é"]))
        part[key] = "".join(text)
    else:
        part[key] = chance.choice(ODD)
    return made


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes of which a few are others, fewer or more."""
    made = bytearray(data)
    for _time in range(chance.randrange(1, 4)):
        place = chance.randrange(len(made))
        kind = chance.randrange(3)
        if kind == 0:
            made[place] = chance.randrange(256)
        elif kind == 1:
            del made[place : place + chance.randrange(1, 4)]
        else:
            made[place:place] = chance.randbytes(chance.randrange(1, 4))
    return bytes(made)


def pem(data: bytes) -> bytes:
    label = b"CERTIFICATE REQUEST-----\n"
    return b"-----BEGIN " + label + base64.encodebytes(data) + b"-----END " + label


def der(request: bytes) -> bytes:
    return base64.b64decode(b"".join(request.splitlines()[1:-1]))


NODE = samples.node("w1", "10.0.0.2")
SETTINGS = {"server_nodes": {"server-1": ["10.0.0.1"]}, "service_cidr": ["10.43.0.0/16"], "servers": ["10.0.0.1:6443"]}
CONTEXT = approver.Context(approver.settings(json.dumps(SETTINGS)), NODE, hashed="", owner="uid-w1")
REQUESTS = {
    "serving": samples.serving(),
    "renewal": samples.renewal(),
    "component": samples.component(),
    "joining": samples.joining(),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_requests(kind):
    csr = REQUESTS[kind]
    whole = der(base64.b64decode(csr["spec"]["request"]))
    good = csr_reader.parse(pem(whole))
    for chance in rounds(kind):
        try:
            request = csr_reader.parse(pem(damaged(whole, chance)))
        except csr_reader.CsrError as error:
            assert str(error).isprintable() and len(str(error)) < 200
            continue
        decision = approver.decide(csr, request, CONTEXT, APPROVED)
        assert decision.text.isprintable() and len(decision.text) <= approver.LONGEST_TEXT
        if decision.action == approver.APPROVE:
            # Only what a node may have: its own names in another order, or less of them.
            assert request.common_names == good.common_names and request.organizations == good.organizations
            assert set(request.dns) <= set(good.dns) | {"localhost"}
            assert set(request.ips) <= {"10.0.0.2"} or all(ip.startswith("127.") or ip == "::1" for ip in request.ips)
            assert not request.further and not request.weakness


def test_texts_around_requests():
    whole = base64.b64decode(REQUESTS["serving"]["spec"]["request"])
    for chance in rounds("pem"):
        with contextlib.suppress(csr_reader.CsrError):
            csr_reader.parse(damaged(whole, chance))


def test_what_the_operator_wrote():
    config = {**SETTINGS, "tls_san": ["lb.example"], "server_url": "https://a:1", "cluster_cidr": ["10.42.0.0/16"]}
    for chance in rounds("settings"):
        with contextlib.suppress(ValueError):
            approver.settings(json.dumps(changed(config, chance)), ["10.0.0.9"])
        with contextlib.suppress(ValueError):
            approver.settings(damaged(json.dumps(config).encode(), chance).decode("utf-8", "replace"))


def test_what_the_cluster_publishes():
    certificate = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
    content = f"certificate-authority-data: {base64.b64encode(certificate.encode()).decode()}"
    info = {"data": {"kubeconfig": content, "jws-kubeconfig-abcdef": token.signature(content, "abcdef", "0" * 16)}}
    config = {"data": {"config.json": json.dumps(SETTINGS), "client-ca.crt": "c", "kubelet-serving-ca.crt": "c"}}
    known = token.Token(id="abcdef", secret="0" * 16)
    for chance in rounds("published"):
        told = changed(info, chance)
        with contextlib.suppress(K3aError):
            seen = join.published(told, "https://a")
            join.check_proof(known, seen, "https://a")
            assert seen.content == content
        with contextlib.suppress(K3aError):
            join.config_in(changed(config, chance), "https://a")


def test_what_is_kept_of_names():
    secret = node_password.secret("w1", "$1:x", "uid", "abcdef", 1.8e9)
    secret["metadata"]["annotations"][node_password.ADDRESSES] = "10.0.0.2"
    for chance in rounds("kept"):
        made = changed(secret, chance)
        # Only the cluster's own write these; what is text there is text.
        notes = made.get("metadata", {}).get("annotations") if isinstance(made.get("metadata"), dict) else None
        if isinstance(notes, dict) and all(isinstance(value, str) for value in notes.values()):
            kept = node_password.kept(made)
            assert approver.fate(kept, "uid", 1.0) != approver.DELETE or kept.until
        data = made.get("data")
        if isinstance(data, dict) and isinstance(data.get("hash", ""), str):
            node_password.value_in(made, "hash")
        node_password.removed_names(made)


def test_tokens():
    texts = [f"K10{'a' * 64}::abcdef.0123456789abcdef", "abcdef.0123456789abcdef", f"K10{'a' * 64}::server:word"]
    for chance in rounds("token"):
        text = damaged(chance.choice(texts).encode(), chance).decode("utf-8", "replace")
        with contextlib.suppress(token.TokenError):
            token.parse(text)
        with contextlib.suppress(token.TokenError):
            assert token_secret.lifetime(text[:8].replace("a", "h")).total_seconds() >= 0
    for chance in rounds("hash"):
        hashed = damaged(node_password.hash_of("x").encode(), chance).decode("utf-8", "replace") if chance.random() < 0.01 else ""
        assert not hashed or node_password.verify("y", hashed) is False
