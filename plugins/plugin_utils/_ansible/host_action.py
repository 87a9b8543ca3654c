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
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import progress

MODULES = Path(__file__).parents[2] / "modules"
COLLECTION = "k3a.cluster."
# What any module may answer with, beside what it documents.
COMMON = frozenset(
    {
        *("changed", "failed", "msg", "diff", "warnings", "deprecations"),
        *("exception", "invocation", "rc", "module_stdout", "module_stderr"),
    }
)
# The types of a RETURN, as Python has them.
TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "list": (list, tuple),
    "dict": Mapping,
}

Documentation = Mapping[str, Mapping[str, Any]]


class AnswerError(K3aError):
    """What a host answered is not what its module returns."""


class Answer(dict[str, Any]):
    """What a module of ours answered. A key that it lacks is the host's fault, and told as such."""

    def __init__(self, module: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._module = module

    def __missing__(self, key: str) -> Any:
        raise AnswerError(f"the host's answer to {self._module} cannot be used: it has no {key}")


@cache
def returned(name: str) -> Documentation:
    """The RETURN of one of the collection's modules: its keys, with their types."""
    for node in ast.parse((MODULES / f"{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["RETURN"]:
            documented = yaml.load(ast.literal_eval(node.value), Loader=_loader())  # noqa: S506 (both are safe loaders)
            return documented or {}
    return {}


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def known_part(module: str, result: Mapping[str, Any], documented: Documentation) -> Answer:
    """What of a host's answer is taken, each of its type. Ansible's own keys are the controller's, never a module's."""
    for key, form in documented.items():
        wrong = misfit(key, result.get(key), form)
        if wrong:
            raise AnswerError(f"the host's answer to {module} cannot be used: {wrong}")
    taken = COMMON | documented.keys()
    return Answer(module, {key: value for key, value in result.items() if key in taken or key.startswith("_ansible_")})


def misfit(name: str, value: Any, form: Mapping[str, Any]) -> str:
    """What of a value is not of its documented type, or nothing. A module may have no value for any of its keys."""
    kind = form.get("type", "str")
    if value is None:
        return ""
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        return f"{name} is {value!r:.100}, which is no {kind}"
    contained = form.get("contains") or {}
    parts: list[tuple[str, Any, Mapping[str, Any]]] = []
    # Of lists in a list no documentation says what they hold.
    if isinstance(value, (list, tuple)) and "elements" in form:
        each = {"type": form["elements"], "contains": contained}
        parts = [(f"{name}[{number}]", item, each) for number, item in enumerate(value)]
    elif isinstance(value, Mapping):
        parts = [(f"{name}.{key}", value[key], inner) for key, inner in contained.items() if key in value]
    return next(filter(None, (misfit(*part) for part in parts)), "")


class HostAction(ActionBase):
    """An action plugin whose modules, all of this collection, run on a host.

    What they tell it alone is C(answers), in the form of a RETURN.
    """

    _requires_connection = True
    answers: Documentation = {}
    # Of ActionBase, which sets it where the task had to look for Python.
    _discovered_interpreter_key: str | None = None

    def _execute_module(self, module_name: Any = None, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a module on the host, and take what is known of its answer."""
        if C.DEFAULT_DEBUG:
            # Ansible then shows all that a module is given, and all that a host answers, whatever is said of secrets.
            raise AnsibleActionFail("ANSIBLE_DEBUG shows secrets; run without it, or with -vvvv in its place")
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
        answer = known_part(name, result, {**returned(name), **self.answers})
        if self._discovered_interpreter_key:
            # What Ansible itself found out: without it each task would look for Python anew.
            answer["ansible_facts"] = {self._discovered_interpreter_key: self._discovered_interpreter}
        return answer

    def where(self, task_vars: dict[str, Any] | None) -> str:
        """What goes on, and on which host: of a task that is delegated the one that does it."""
        host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")
        return ": ".join(filter(None, [host, self._task.name]))
