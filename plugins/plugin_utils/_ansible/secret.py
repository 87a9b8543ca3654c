# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Exchanges with a host whose content must not be shown, at any verbosity.

What a connection tells is for its plugin to decide; that ssh heeds its play context was seen in ansible-core 2.20 and
2.21. So a connection is asked for a text of no meaning before a secret travels, and whoever tells that gets no secret.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

# From this verbosity on connections tell what travels.
TELLING = 3


class NotSecret(K3aError):
    """A connection that would show a secret; the text says which, and what to do."""


@contextlib.contextmanager
def unlogged(action: ActionBase) -> Iterator[None]:
    """Keep what travels over an action's connection out of the log, whatever the verbosity, for one exchange."""
    connection = action._connection
    context: Any = getattr(connection, "_play_context", None)
    if not hasattr(context, "no_log"):
        raise NotSecret(refusal(connection))
    before = context.no_log
    context.no_log = True
    try:
        if _may_tell() and _tells(action):
            raise NotSecret(refusal(connection))
        yield
    finally:
        context.no_log = before


def refusal(connection: Any) -> str:
    """Why nothing secret goes over a connection."""
    name = getattr(connection, "transport", type(connection).__name__)
    return (
        f"the connection {name} would show a secret that is to travel over it, so nothing was exchanged; "
        "run with fewer -v and without ANSIBLE_DEBUG, or use the connection ssh"
    )


def _may_tell() -> bool:
    display = Display()
    return max(display.verbosity, getattr(display, "log_verbosity", 0)) >= TELLING or bool(C.DEFAULT_DEBUG)


def _tells(action: ActionBase) -> bool:
    """Whether the connection shows what it is given, or what it is answered."""
    probe = uuid.uuid4().hex
    with _overheard() as told:
        done = action._low_level_execute_command("cat", in_data=probe.encode())
    if probe not in str(done.get("stdout", "")):
        # A host that does not answer is no proof; the exchange itself would fail, too.
        raise K3aError(f"the host does not repeat a text that it is given: {done.get('stderr') or done.get('msg', '')}")
    return any(probe in text for text in told)


@contextlib.contextmanager
def _overheard() -> Iterator[list[str]]:
    """What is shown meanwhile; it is kept from being shown."""
    display, told = Display(), []

    def hear(message: Any, *_arguments: Any, **_options: Any) -> None:
        told.append(str(message))

    # Ansible itself hands every answer to C(debug), which shows it only when told to.
    shadowed = ("display", "debug") if C.DEFAULT_DEBUG else ("display",)
    for name in shadowed:
        setattr(display, name, hear)
    try:
        yield told
    finally:
        for name in shadowed:
            delattr(display, name)
