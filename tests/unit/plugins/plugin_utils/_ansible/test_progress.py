# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import progress


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is displayed, while two lines are a hundredth of a second apart."""
    lines: list[str] = []
    monkeypatch.setattr(progress, "PERIOD", 0.01)
    monkeypatch.setattr(Display(), "display", lines.append, raising=False)
    return lines


def until(condition: Any) -> None:
    pause = threading.Event()
    for _attempt in range(500):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("not within 5 s")


def test_somebody_who_looks_on_is_told_again_and_again(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WATCHED", True)
    with progress.shown(lambda: "agent-1: Run containerd"):
        until(lambda: len(told) > 1)
    seen = len(told)
    assert {line.partition(": 0 s")[0] for line in told} == {"agent-1: Run containerd"}
    threading.Event().wait(0.05)
    assert len(told) == seen


def test_a_log_has_nothing_of_it(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WATCHED", False)
    before = threading.active_count()
    with progress.shown(lambda: "agent-1: Run containerd"):
        assert threading.active_count() == before
    assert told == []


def test_what_fails_ends_it(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WATCHED", True)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), progress.shown(lambda: "agent-1: Run containerd"):
        raise ZeroDivisionError
    assert threading.active_count() == before
