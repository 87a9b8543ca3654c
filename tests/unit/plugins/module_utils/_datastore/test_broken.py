# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import broken
from ansible_collections.k3a.cluster.plugins.module_utils._engine.systemd import UnitState

LOST = "tocommit(412) is out of range [lastIndex(309)]. Was the raft log corrupted, truncated, or lost?"


def line(level, message, **more):
    return json.dumps({"level": level, "ts": "2026-11-26T19:30:01.000Z", "msg": message, **more})


PANICS = "\n".join(
    (
        line("info", "starting local member"),
        line("panic", LOST, stacktrace="go.etcd.io/raft/v3.(*raftLog).commitTo"),
        f"panic: {LOST}",
        "goroutine 180 [running]:",
        '"a text"',
        "{}",
        line("info", "serving client traffic securely"),
    )
)


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (PANICS, LOST),
        (
            line("fatal", "failed to read WAL, cannot be repaired", error="wal: crc mismatch"),
            "failed to read WAL, cannot be repaired: wal: crc mismatch",
        ),
        (line("fatal", "discovery failed", error="listen tcp 127.0.0.1:2379: bind: address already in use"), ""),
        (line("fatal", "failed to save Raft hard state and entries", error="no space left on device"), ""),
        (line("warn", "failed to reach the peer URL"), ""),
        (line("panic", "a\nb" + "c" * 300), "a b" + "c" * 197 + "..."),
        ("[" * 100000, ""),
        ("", ""),
    ],
)
def test_what_etcd_says_of_its_data_when_it_ends(log, told):
    assert broken.complaint_in(log) == told


@pytest.mark.parametrize(
    "log",
    [
        # What etcd 3.7.3 says on a full disk whose log was torn by a power cut.
        line("warn", "failed to copy", error="write /d/member/wal/0-0.wal.broken: no space left on device")
        + "\n"
        + line("fatal", "failed to repair WAL", error="unexpected EOF"),
        line("panic", "failed to save snapshot", error="open /d/member/snap/1.snap.tmp: no space left on device"),
        line("fatal", "failed to open WAL", error="open /d/member/wal/0-0.wal: permission denied"),
        line("panic", "failed to open database", path="/d/member/snap/db", error="cannot allocate memory"),
        line("panic", "failed to open database", path="/d/member/snap/db", error="open db: read-only file system"),
        line("panic", "invalid downgrade; server version is not allowed to join when downgrade is enabled"),
    ],
)
def test_a_full_disk_or_a_program_that_is_too_old_is_no_reason_to_give_up_the_data(log):
    assert broken.complaint_in(log) == ""


def test_what_a_firewall_refuses_says_nothing_of_the_data():
    refused = line("warn", "prober detected unhealthy status", error="dial tcp 10.0.0.2:2380: connect: permission denied")
    assert broken.complaint_in(f"{PANICS}\n{refused}") == LOST


def test_the_last_is_told():
    assert broken.complaint_in("\n".join((line("panic", "first"), line("panic", "then")))) == "then"


@pytest.mark.parametrize(("restarts", "told"), [(0, ""), (1, ""), (2, LOST), (400, LOST)])
def test_only_one_that_is_started_again_and_again_is_broken(restarts, told, monkeypatch):
    asked = []
    state = UnitState(True, "activating", "auto-restart", 0, True, restarts, False)
    monkeypatch.setattr(broken.systemd, "unit_state", lambda unit: asked.append(unit) or state)
    monkeypatch.setattr(broken.systemd, "journal_since", lambda unit, moment: asked.append((unit, moment)) or PANICS)
    assert broken.complaint() == told
    assert asked[0] == "k3a-etcd.service"
    assert asked[1:] == ([("k3a-etcd.service", "-2min")] if told else [])
