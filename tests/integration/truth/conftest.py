# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says that it changes, or would."""

from __future__ import annotations

import re

import pytest


def changes_in(output: str) -> set[tuple[str, str]]:
    """Each changed host, and each file, unit or object of a diff, with its task."""
    found: set[tuple[str, str]] = set()
    task = ""
    for line in output.splitlines():
        if matched := re.match(r"TASK \[(.*?)\] \*", line):
            task = matched.group(1)
        elif matched := re.match(r"changed: \[([^\] ]+)|\+\+\+ after: (.*)", line):
            found.add((task, matched.group(1) or matched.group(2).strip()))
    return found


@pytest.fixture(scope="session")
def changes():
    return changes_in
