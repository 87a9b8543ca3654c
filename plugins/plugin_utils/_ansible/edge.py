# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of an action plugin: where an error for the operator becomes the task's result."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, sentence

Result = dict[str, Any]


def reports_errors(run: Callable[..., Result]) -> Callable[..., Result]:
    """Have a plugin's C(run) fail its task with the error's one sentence, as a module of ours does."""

    @functools.wraps(run)
    def reporting(self: Any, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        try:
            # A plain mapping: Ansible serializes no other.
            return dict(run(self, tmp, task_vars))
        except (K3aError, OSError) as error:
            return {"changed": False, "failed": True, "msg": sentence(error), **getattr(error, "extra", {})}

    return reporting
