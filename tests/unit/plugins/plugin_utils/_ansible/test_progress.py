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
    with progress.reporting(lambda: "agent-1: Run containerd"):
        until(lambda: len(told) > 1)
    seen = len(told)
    assert {line.partition(": 0 s")[0] for line in told} == {"agent-1: Run containerd"}
    threading.Event().wait(0.05)
    assert len(told) == seen


def test_a_log_has_nothing_of_it(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WATCHED", False)
    before = threading.active_count()
    with progress.reporting(lambda: "agent-1: Run containerd"):
        assert threading.active_count() == before
    assert told == []


def test_what_fails_ends_it(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WATCHED", True)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), progress.reporting(lambda: "agent-1: Run containerd"):
        raise ZeroDivisionError
    assert threading.active_count() == before


class TestInSlices:
    """A wait that tells what it waits for."""

    @pytest.fixture
    def watched(self, told: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr(progress, "WATCHED", True)
        return told

    LATE: dict[str, Any] = {"failed": True, "msg": "Nodes: after 8 s\na1 is not Ready", "reasons_to_wait": ["a1 is not Ready"]}

    def test_what_is_lacking_is_told_until_it_comes_and_every_change_counts(self, watched: list[str]) -> None:
        answers = [{**self.LATE, "changed": True, "diff": [1]}, self.LATE, {"changed": False, "diff": [2], "nodes": []}]
        asked: list[int] = []
        result = progress.in_slices(lambda seconds: asked.append(seconds) or answers.pop(0), 60)
        assert result == {"changed": True, "diff": [1, 2], "nodes": []}
        assert watched == ["a1 is not Ready; 0 s so far"] * 2
        assert asked == [progress.SLICE] * 3

    def test_what_is_final_ends_it(self, watched: list[str]) -> None:
        answer = {"failed": True, "changed": False, "diff": [], "msg": "Nodes: a1: labels: Invalid value", "reasons_to_wait": []}
        assert progress.in_slices(lambda _seconds: dict(answer), 60) == answer
        assert watched == []

    def test_at_the_end_the_whole_time_is_told(self, watched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter(range(0, 1000, 20))
        monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
        result = progress.in_slices(lambda _seconds: self.LATE, 30)
        assert result["failed"] and result["msg"] == "Nodes: after 40 s\na1 is not Ready"

    def test_in_a_log_it_is_one_run(self, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(progress, "WATCHED", False)
        asked: list[int] = []
        progress.in_slices(lambda seconds: asked.append(seconds) or self.LATE, 60)
        assert (asked, told) == ([60], [])
