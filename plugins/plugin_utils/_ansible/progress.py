# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Signs of life of what takes long: a line every ten seconds where somebody looks on, and none in a log."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ansible.utils.display import Display

PERIOD = 10.0
# So many seconds of a wait are one run of a module; with what a run takes besides, a line comes every ten.
SLICE = 8
# That of ansible-playbook, which imports the actions; the workers that run them have no terminal.
WATCHED = sys.stdout.isatty()


def is_watched() -> bool:
    """Whether somebody looks on."""
    return WATCHED


@contextlib.contextmanager
def reporting(what: Callable[[], str]) -> Iterator[None]:
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


def in_slices(attempt: Callable[[int], dict[str, Any]], timeout: int) -> dict[str, Any]:
    """The result of a module that waits for so many seconds; what it is C(reasons_to_wait) is told as time goes by.

    All that was changed by the way is in the result. In a log the module runs once.
    """
    if not is_watched() or timeout <= SLICE:
        return attempt(timeout)
    began = time.monotonic()
    changed, diff = False, list[Any]()
    while True:
        left = timeout - (time.monotonic() - began)
        result = attempt(max(1, min(SLICE, round(left))))
        changed, diff = changed or bool(result.get("changed")), [*diff, *(result.get("diff") or [])]
        waited = time.monotonic() - began
        if not result.get("failed") or not result.get("reasons_to_wait") or waited >= timeout:
            break
        for lack in result["reasons_to_wait"]:
            Display().display(f"{lack}; {waited:.0f} s so far")
    told = {**result, "changed": changed, "diff": diff}
    if "msg" in result:
        told["msg"] = re.sub(r"\bafter \d+ s\b", f"after {waited:.0f} s", result["msg"], count=1)
    return told
