# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of etcd in memory, for what is about its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdError, EtcdUnavailable, Member


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
        self.told: list[str] = []
        self.led_by = ""

    def __call__(self, layout: object, endpoints: Sequence[str]) -> Cluster:
        self.layout, self.endpoints = layout, tuple(endpoints)
        return self

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
        self._changed(f"add {peer_url}")
        self.kept.append(Member("99", "", (peer_url,), (), True))
        return self.kept[-1]

    def promote(self, member_id: str) -> None:
        self._changed(f"promote {member_id}")
        self.kept = [replace(kept, learner=False) if kept.id == member_id else kept for kept in self.kept]

    def remove(self, member_id: str) -> None:
        self._changed(f"remove {member_id}")
        self.kept = [kept for kept in self.kept if kept.id != member_id]

    def update(self, member_id: str, peer_urls: Sequence[str]) -> None:
        self._changed(f"update {member_id} {' '.join(peer_urls)}")
        self.kept = [replace(kept, peer_urls=tuple(peer_urls)) if kept.id == member_id else kept for kept in self.kept]

    def _asked(self) -> None:
        if not self.majority:
            raise EtcdUnavailable("no member of etcd answers (https://127.0.0.1:2379: Connection refused)")

    def _changed(self, what: str) -> None:
        self._asked()
        if self.refusals:
            raise self.refusals.pop(0)
        self.told.append(what)
