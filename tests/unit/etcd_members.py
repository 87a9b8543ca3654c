# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of etcd in memory, for what is about its members."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import (
    EtcdError,
    EtcdUnavailable,
    Heard,
    Member,
)
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity

# The cluster that all of them are members of.
ID = "10276657743932975437"


def identity(number: int, cluster: str = ID) -> EtcdIdentity:
    """Whose data a host has."""
    return EtcdIdentity(cluster, str(number))


def url(number: int, port: int = 2380) -> str:
    return f"https://10.0.0.{number}:{port}"


def member(number: int, learner: bool = False, started: bool = True) -> Member:
    """A member s<number>; one that has not started yet has neither a name nor client URLs."""
    clients = (url(number, 2379),) if started else ()
    return Member(str(number), f"s{number}" if started else "", (url(number),), clients, learner)


class Cluster:
    """What the modules ask of etcd. Its first refusals are used up first; without a majority it answers nothing."""

    def __init__(self, *members: Member, ill: Sequence[str] = ()) -> None:
        self.kept = list(members)
        self.ill = ill
        self.majority = True
        self.refusals: list[EtcdError] = []
        # What the first questions are answered with.
        self.silences: list[EtcdError] = []
        self.told: list[str] = []
        self.led_by = ""
        self.before_change: Callable[[], object] = lambda: None
        self.lease: bytes | None = None

    def __call__(self, layout: object, endpoints: Sequence[str]) -> Cluster:
        self.layout, self.endpoints = layout, tuple(endpoints)
        return self

    def get(self, key: str) -> bytes | None:
        return self.lease

    def heard(self) -> Heard:
        return Heard(ID, tuple(self.members()))

    def members(self) -> list[Member]:
        self._asked()
        return list(self.kept)

    def healthy(self, asked: Member) -> bool:
        return asked.name not in self.ill

    def leader(self) -> str:
        return self.led_by

    def hand_over(self, successor: str) -> None:
        self._changed(f"hand over to {successor}")
        self.led_by = successor

    def add_learner(self, peer_url: str) -> Member:
        self.before_change()
        self._changed(f"add {peer_url}")
        self.kept.append(Member("99", "", (peer_url,), (), True))
        return self.kept[-1]

    def promote(self, member_id: str) -> None:
        self.before_change()
        self._changed(f"promote {member_id}")
        self.kept = [replace(kept, learner=False) if kept.id == member_id else kept for kept in self.kept]

    def remove(self, member_id: str) -> None:
        self.before_change()
        self._changed(f"remove {member_id}")
        self.kept = [kept for kept in self.kept if kept.id != member_id]

    def update(self, member_id: str, peer_urls: Sequence[str]) -> None:
        self.before_change()
        self._changed(f"update {member_id} {' '.join(peer_urls)}")
        self.kept = [replace(kept, peer_urls=tuple(peer_urls)) if kept.id == member_id else kept for kept in self.kept]

    def _asked(self) -> None:
        if self.silences:
            raise self.silences.pop(0)
        if not self.majority:
            raise EtcdUnavailable("no member of etcd answers (https://127.0.0.1:2379: Connection refused)")

    def _changed(self, what: str) -> None:
        self._asked()
        if self.refusals:
            raise self.refusals.pop(0)
        self.told.append(what)


def begin_data(directory: Path, kept: EtcdIdentity, *commits: int) -> None:
    """Data of a member in a data directory of etcd, as a log: its head, and the states that it went through."""
    ids = b"".join(b"%c%b" % (key, varint(int(number))) for key, number in ((8, kept.member_id), (16, kept.cluster_id)))
    log = directory / "member/wal"
    log.mkdir(parents=True, exist_ok=True)
    (log / "0000000000000000-0000000000000000.wal").write_bytes(
        frame(b"\x08\x04\x10\x00")
        + frame(b"\x08\x01\x10\xfa\xb3\x82\x96\x0e\x1a%c%b" % (len(ids), ids))
        + b"".join(map(state, commits))
        + bytes(64)
    )


def state(commit: int) -> bytes:
    """A record of the log that says how far a majority has agreed, after one with an entry."""
    values = b"\x08\x02\x10\x07\x18" + varint(commit)
    return frame(b"\x08\x02\x10\x01\x1a\x03abc") + frame(b"\x08\x03\x10\x01\x1a%c%b" % (len(values), values))


def frame(record: bytes) -> bytes:
    """A record of the log, filled up to a multiple of eight bytes."""
    fill = -len(record) % 8
    return struct.pack("<Q", len(record) | ((0x80 | fill) << 56 if fill else 0)) + record + bytes(fill)


def varint(number: int) -> bytes:
    """A number as protobuf has it."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def lease(holder: str, renewed: int) -> bytes:
    """The Lease of the cluster's lock as the API server keeps it."""
    moment = varint(1 << 3) + varint(renewed) + varint(2 << 3) + varint(5)
    spec = _text(1, holder.encode()) + varint(2 << 3) + varint(180) + _text(3, moment) + _text(4, moment)
    about = _text(1, b"coordination.k8s.io/v1") + _text(2, b"Lease")
    return b"k8s\0" + _text(1, about) + _text(2, _text(1, _text(1, b"k3a-playbook")) + _text(2, spec))


def _text(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content
