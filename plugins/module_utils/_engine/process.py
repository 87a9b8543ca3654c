# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The one place where node-side code runs a program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

ADMINISTRATION = "/usr/local/sbin:/usr/sbin:/sbin"


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


def run(command: Sequence[str], given: bytes = b"") -> Done:
    """Run a program to its end, in the C locale. A program that is not there is a FileNotFoundError.

    It is looked for where administration programs are, too: some logins leave these directories out of PATH.

    Not AnsibleModule.run_command: it logs what it runs, and what is decided here needs no module at hand.
    """
    environment = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATION}"}
    ended = subprocess.run(  # pylint: disable=ansible-bad-function
        list(command), input=given, capture_output=True, check=False, env=environment
    )
    return Done(ended.returncode, ended.stdout, ended.stderr.decode(errors="replace"))
