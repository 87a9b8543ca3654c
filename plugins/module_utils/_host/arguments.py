# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Further arguments with a value that their component cannot read: its unit would be restarted, and keep failing.

Which values a flag takes only the program itself knows. So this is for hosts that have it: there is something to lose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._engine import process
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags

# Seconds that a program may take to say how it is used.
PATIENCE = 10.0
# As Go's own flags say it, and as those of Kubernetes do, also where one quotes the other into a line of a log.
_REFUSED = re.compile(r'invalid (?:argument|value) .* flag(?:: | -[\w-]+: )(?P<why>.+?)"?$', re.MULTILINE)


def illegible(program: str, arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Which arguments an installed program cannot read, each with what to do; a flag it does not have is no matter."""
    given = list(arguments)
    # All at once, as it starts with them; one by one only where it does not: it names no more than the first.
    if not given or _answer(program, given) is None:
        return []
    told = ((argument, parse_complaint(_answer(program, [argument]) or "")) for argument in given)
    name = program.rpartition("/")[2]
    return [
        (f"{name} cannot read the argument {argument}: {why}", "correct or remove it") for argument, why in told if why
    ]


def _answer(program: str, arguments: Sequence[str]) -> str | None:
    """What a program says of arguments that it does not take; None where it takes them, or cannot be asked."""
    try:
        done = process.run([program, *map(_command_line, arguments), "--help"], timeout=PATIENCE)
    except (OSError, process.TimedOut):
        return None
    return f"{done.errors}\n{done.text}" if done.code else None


def parse_complaint(said: str) -> str:
    """Why a value is refused, in what a program wrote when it was."""
    match = _REFUSED.search(said)
    return match["why"].replace('\\"', '"') if match else ""


def _command_line(argument: str) -> str:
    name, _operation, value = flags.split_argument(argument)
    return f"--{name}={value}"
