# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.playbook.play_context import PlayContext
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.secret import unlogged


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
