# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What is said of a host that is not as it has to be."""

from __future__ import annotations

from dataclasses import dataclass

FAIL, WARN = "fail", "warn"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    name: str
    level: str
    message: str
    remedy: str
