# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The one place where node-side code runs a program."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

ADMINISTRATION = "/usr/local/sbin:/usr/sbin:/sbin"
# Longer than systemd gives a unit to stop, and than anything else takes that is asked of a host that is well.
TIMEOUT = 120.0
GRACE = 2.0


class TimedOut(K3aError):
    """A program has not ended in time."""


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """What it wrote, as text."""
        return self.output.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """Why it failed, in its own words."""
        return self.errors.strip() or self.text.strip()


def run(command: Sequence[str], given: bytes = b"", timeout: float = TIMEOUT) -> Done:
    """Run a program to its end, in the C locale. A program that is not there is a FileNotFoundError.

    One that does not end in time is killed with all that it started: whoever waits for it may hold the host's lock.
    It is looked for where administration programs are, too: some logins leave these directories out of PATH.

    Not AnsibleModule.run_command: it logs what it runs, and what is decided here needs no module at hand.
    """
    environment = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATION}"}
    started = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        output, errors = started.communicate(given, timeout)
    except subprocess.TimeoutExpired:
        _kill(started)
        raise TimedOut(
            f"{shlex.join(command)} has not ended within {timeout:g} s and was stopped; find out what it waits for,"
            " such as a disk or a mount that does not answer, and run again"
        ) from None
    except BaseException:
        _kill(started)
        raise
    return Done(started.returncode, output, errors.decode(errors="replace"))


def _kill(started: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    # One that the kernel holds, as a dead disk does, cannot be waited for.
    with contextlib.suppress(subprocess.TimeoutExpired):
        started.wait(GRACE)
    for stream in (started.stdin, started.stdout, started.stderr):
        if stream:
            stream.close()
