# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import secret
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import NotSecret, unlogged


class Action:
    """An action plugin as far as its connection."""

    def __init__(self, no_log):
        self._connection = type("Connection", (), {})()
        self._connection._play_context = PlayContext()
        self._connection._play_context.no_log = no_log

    @property
    def no_log(self):
        return self._connection._play_context.no_log


@pytest.mark.parametrize("before", [None, False, True])
def test_the_exchange_is_not_logged_and_what_comes_after_is_as_before(before):
    action = Action(before)
    with unlogged(action):
        assert action.no_log is True
    assert action.no_log is before


def test_a_failure_in_the_exchange_does_not_leave_the_log_off():
    action = Action(False)
    with pytest.raises(ZeroDivisionError), unlogged(action):
        raise ZeroDivisionError
    assert action.no_log is False


class Telling(Action):
    """An action plugin whose connection tells what travels: the command, what it is fed, and what it answers."""

    def __init__(self, heeds: bool, answers: bool = True) -> None:
        super().__init__(None)
        self.heeds, self.answers = heeds, answers
        self._connection.transport = "pigeon"

    def _low_level_execute_command(self, command: str, in_data: bytes) -> dict[str, Any]:
        answer = in_data.decode() if self.answers else ""
        Display().vvv(f"EXEC {command}")
        Display().debug(f"done: {answer}")
        if not (self.heeds and self.no_log):
            Display().vvv(f"answered {answer}")
        return {"rc": 0, "stdout": answer, "stderr": "" if self.answers else "no such command"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is displayed at -vvv."""
    lines: list[str] = []
    monkeypatch.setattr(Display(), "verbosity", 3)
    monkeypatch.setattr(Display, "display", lambda _self, message, *_args, **_more: lines.append(message))
    return lines


def test_a_connection_that_heeds_it_is_taken_at_any_verbosity(shown: list[str]) -> None:
    action = Telling(heeds=True)
    with unlogged(action):
        Display().vvv("what comes after is shown again")
    assert shown == ["what comes after is shown again"]


def test_no_secret_travels_while_ansible_is_debugged(shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret.C, "DEFAULT_DEBUG", True)
    with pytest.raises(NotSecret, match="without ANSIBLE_DEBUG"), unlogged(Telling(heeds=True)):
        raise AssertionError("the exchange has begun")
    assert shown == []


def test_no_secret_goes_over_a_connection_that_tells(shown: list[str]) -> None:
    action, exchanged = Telling(heeds=False), []
    with pytest.raises(NotSecret, match="the connection pigeon would show a secret"), unlogged(action):
        exchanged.append("a key")
    assert (exchanged, shown, action.no_log) == ([], [], None)


def test_a_connection_that_tells_is_taken_where_nothing_is_shown() -> None:
    with unlogged(Telling(heeds=False)):
        pass


def test_a_host_that_does_not_answer_proves_nothing(shown: list[str]) -> None:
    with pytest.raises(K3aError, match="does not repeat a text that it is given: no such command"):
        with unlogged(Telling(heeds=True, answers=False)):
            pass


def test_a_connection_without_a_context_is_refused() -> None:
    action = Action(None)
    del action._connection._play_context
    with pytest.raises(NotSecret, match="would show a secret"), unlogged(action):
        raise AssertionError("the exchange has begun")
