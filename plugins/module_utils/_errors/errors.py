# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""An error that the operator reads, and the one place where a module turns it into its result.

Below a module's edge nothing ends the module: what cannot be done is raised, so that locks are let go and half-made
things are taken back on the way up. What is no C(K3aError) and no C(OSError) is a mistake of ours, and keeps its
traceback.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class K3aError(Exception):
    """A reason for the operator: one sentence that says what, where and what to do; C(extra) is for the result."""

    def __init__(self, message: str = "", **extra: Any) -> None:
        super().__init__(message)
        self.extra = extra


def sentence(error: Exception) -> str:
    """An error in one sentence; what the system refused says at which path."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if isinstance(error.filename, str) else error.strerror
    return str(error)


def one_line(text: str) -> str:
    """A text of somebody else without ends of lines, and with nothing in it that could steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split()))


def excerpt(text: str, longest: int = 64) -> str:
    """What somebody else wrote, as a message may repeat it: on one line, and cut."""
    return one_line(text[:longest]) + ("..." if len(text) > longest else "")


@contextlib.contextmanager
def during(what: str, result: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Have an error say first what was to be done, and bring along the C(result) of what was done until then."""
    try:
        yield
    except (K3aError, OSError) as error:
        extra = {**(result or {}), **getattr(error, "extra", {})}
        raise K3aError(f"{what}: {sentence(error)}", **extra) from error


def reports_errors(run: Callable[..., None]) -> Callable[..., None]:
    """The edge of a module: an error for the operator becomes the module's result."""

    @functools.wraps(run)
    def reporting(module: AnsibleModule, *given: Any) -> None:
        try:
            run(module, *given)
        except (K3aError, OSError) as error:
            module.fail_json(msg=sentence(error), **getattr(error, "extra", {}))

    return reporting
