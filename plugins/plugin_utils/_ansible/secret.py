# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Exchanges with a host whose content must not be shown, at any verbosity."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ansible.plugins.action import ActionBase


@contextlib.contextmanager
def unlogged(action: ActionBase) -> Iterator[None]:
    """Keep what travels over an action's connection out of the log, whatever the verbosity, for one exchange."""
    context = action._connection._play_context
    before = context.no_log
    context.no_log = True
    try:
        yield
    finally:
        context.no_log = before
