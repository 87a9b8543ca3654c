# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""How long tasks may take, by what their modules wait. A host that dies answers nothing: only this ends its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Seconds that a task takes besides what its module waits for: connecting, and stopping a unit, which has 90.
BESIDES = 120
# Seconds that a host has for receiving a bundle, however slow the line is.
SHIPPING = 1800


def deadlines(values: Mapping[str, Any]) -> dict[str, int]:
    """The seconds that tasks have, by variables without their prefix."""
    found = {}
    if "wait_timeout" in values:
        found["task_timeout"] = values["wait_timeout"] + BESIDES
        found["shipping_timeout"] = values["wait_timeout"] + SHIPPING
    if "drain_timeout" in values:
        found["drain_task_timeout"] = values["drain_timeout"] + BESIDES
    return found
