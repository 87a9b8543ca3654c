# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Signs of life of what takes long: a line every ten seconds where somebody looks on, and none in a log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from ansible.utils.display import Display

PERIOD = 10.0
# That of ansible-playbook, which imports the actions; the workers that run them have no terminal.
WATCHED = sys.stdout.isatty()


def is_watched() -> bool:
    """Whether somebody looks on."""
    return WATCHED


@contextlib.contextmanager
def shown(what: Callable[[], str]) -> Iterator[None]:
    """Say every ten seconds what goes on, as long as it does."""
    if not is_watched():
        yield
        return
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(what(), ended), daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _tell(what: str, ended: threading.Event) -> None:
    began = time.monotonic()
    while not ended.wait(PERIOD):
        Display().display(f"{what}: {time.monotonic() - began:.0f} s so far")
