# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Secrets that are typed at the terminal, each asked for once in a run.

A variable is evaluated for each host and task, each time in a worker of its own, which ends with that task. So what was
typed is kept in memory that all workers share with the process that forks them: that loads this file, as a part of each
action that evaluates variables. It is on no disk, and gone with the run.
"""

from __future__ import annotations

import json
import mmap
import multiprocessing

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

# Bytes of all that is typed in a run.
ROOM = 2**16
_answers = mmap.mmap(-1, ROOM)
_alone = multiprocessing.get_context("fork").Lock()


class Unanswered(K3aError):
    """A secret that was asked for in vain: why, as a clause, and what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def answer(name: str) -> str:
    """What was typed for a variable, now or before in this run."""
    with _alone:
        known = json.loads(_answers[:].rstrip(b"\0") or b"{}")
        if name not in known:
            known[name] = _typed(name)
            _keep(known)
    if not known[name]:
        raise Unanswered("nothing was typed", "run again, and type it")
    return str(known[name])


def _typed(name: str) -> str:
    try:
        typed = Display().prompt_until(f"Type {name}, which is not shown, and press Enter:", private=True)
    except AnsiblePromptNoninteractive:
        raise Unanswered(
            "there is no terminal", "run the command in the foreground of a terminal, or name a file"
        ) from None
    except AnsiblePromptInterrupt:
        return ""
    return typed.decode(errors="replace").strip()


def _keep(known: dict[str, str]) -> None:
    """Keep an empty answer, too: nobody is asked again for each host."""
    content = json.dumps(known).encode()
    if len(content) > ROOM:
        raise Unanswered("what was typed is too long", "write it into a file, and name that")
    _answers[: len(content)] = content
