# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The action that every module of the collection runs by: what a host answers is data, of which known keys are taken.

A host could answer with C(ansible_facts) and so set any variable of the play, with C(add_host), or with keys that
later tasks take for something else. What a module returns is written down once, in its RETURN.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import progress

MODULES = Path(__file__).parents[2] / "modules"
COLLECTION = "k3a.cluster."
# What any module may answer with.
COMMON = frozenset(
    {
        *("changed", "failed", "msg", "diff", "warnings", "deprecations"),
        *("exception", "invocation", "rc", "module_stdout", "module_stderr"),
    }
)


@cache
def returned_keys(name: str) -> frozenset[str]:
    """The keys that the RETURN of one of the collection's modules documents."""
    for node in ast.parse((MODULES / f"{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["RETURN"]:
            documented = yaml.load(ast.literal_eval(node.value), Loader=_loader())  # noqa: S506 (both are safe loaders)
            return frozenset(documented or ())
    return frozenset()


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def known_part(result: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """What of a host's answer is taken. Keys of Ansible's own are the controller's: a module's never get here."""
    taken = COMMON | keys
    return {key: value for key, value in result.items() if key in taken or key.startswith("_ansible_")}


class HostAction(ActionBase):
    """An action plugin whose modules, all of this collection, run on a host; what they tell it alone is C(answers)."""

    _requires_connection = True
    answers: frozenset[str] = frozenset()

    def _execute_module(self, module_name: Any = None, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a module on the host, and take what is known of its answer."""
        name = str(module_name or self._task.action).rpartition(".")[2]
        task_vars = kwargs.get("task_vars") or {}
        try:
            with progress.reporting(lambda: self.where(task_vars)):
                result = super()._execute_module(f"{COLLECTION}{name}", *args, **kwargs)
        except AnsibleConnectionFailure as error:
            # A host that Ansible calls unreachable cannot be rescued, and ends a run whose only host it is.
            if not task_vars.get("_k3a_is_rescued"):
                raise
            raise AnsibleActionFail(f"the host cannot be reached: {error}") from None
        return known_part(result, returned_keys(name) | self.answers)

    def where(self, task_vars: dict[str, Any] | None) -> str:
        """What goes on, and on which host: of a task that is delegated the one that does it."""
        host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")
        return ": ".join(filter(None, [host, self._task.name]))
