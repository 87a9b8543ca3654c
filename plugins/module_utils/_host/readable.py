# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Files of the operator's that further arguments name, and whether the user that a component runs as may read them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, process
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags

NOBODY = 65534


def unreadable(arguments: Iterable[str], user: str) -> tuple[str, str]:
    """Which file that an argument names the user of a unit may not read, and what to do; empty when there is none."""
    for argument in arguments:
        path = flags.split_argument(argument)[2]
        if path.startswith("/") and os.path.isfile(path) and not readable_for(path, user):
            first = "" if files.has_group(user) else f"make that group with groupadd --system {user}, and "
            return (
                f"{path}, which the argument {argument} names, cannot be read by {user}, as whom it runs",
                f"{first}give the file, and the directories that lead to it, to the group {user}",
            )
    return "", ""


def readable_for(path: str, user: str) -> bool:
    """Whether a user may read a file; one that the step C(host) has still to make is in its group, if that is there."""
    try:
        who = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if pwd.getpwnam(user) else []
    except KeyError:
        group = user if files.has_group(user) else NOBODY
        who = [f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups"]
    try:
        return process.run(["setpriv", *who, "test", "-r", path]).code == 0
    except FileNotFoundError:  # then the unit itself says so
        return True
