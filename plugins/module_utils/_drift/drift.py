# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Several steps of a host in check mode, in one process: the first of them that has something to do, if any has.

Most of what a module run costs on a node is Python's start and Ansible's own library, which all steps share here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, NoReturn

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import installation as bundle
from ansible_collections.k3a.cluster.plugins.module_utils._components import approver, registry
from ansible_collections.k3a.cluster.plugins.module_utils._host import host, identity
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap, certificate

# Each step by the name of its module.
STEPS: dict[str, ModuleType] = {
    **{"bootstrap": bootstrap, "bundle": bundle, "certificate": certificate, "host": host, "identity": identity},
    **registry.steps(),
}
# What the module of a step takes from the registry and hands to it.
HANDED: dict[ModuleType, tuple[Any, ...]] = {approver: (registry.approved_subjects(),)}


class _Ended(Exception):
    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__()
        self.result = result


class CheckedModule:
    """What a step sees of Ansible's module: its parameters, check mode, and the two ways to end.

    C(of_a_real_run) says that only this look changes nothing, and not all of the playbook.
    """

    check_mode = True

    def __init__(self, params: dict[str, Any], of_a_real_run: bool = False) -> None:
        self.params = params
        self.of_a_real_run = of_a_real_run

    def exit_json(self, **result: Any) -> NoReturn:
        """End the step."""
        raise _Ended(result)

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """End the step with the reason why it cannot be done."""
        raise _Ended({**result, "failed": True, "msg": msg})


def check(name: str, options: Mapping[str, Any], of_a_real_run: bool = False) -> dict[str, Any]:
    """The result of one step in check mode."""
    step = STEPS[name]
    validated = ArgumentSpecValidator(step.OPTIONS).validate(options)
    if validated.error_messages:
        return {"failed": True, "msg": "; ".join(validated.error_messages)}
    try:
        step.run(CheckedModule(validated.validated_parameters, of_a_real_run), *HANDED.get(step, ()))
    except _Ended as ended:
        return ended.result
    raise AssertionError(f"the step {name} has no result")


def difference(result: Mapping[str, Any]) -> str:
    """What a step has to do, in a few words; nothing only when it would find everything done and well."""
    if result.get("failed"):
        return result.get("msg") or "it would fail, and does not say why"
    if result.get("missing_paths"):
        return f"{result['missing_paths'][0]} is missing"
    if not result.get("complete", True):
        return "the bundle is not complete"
    if result["changed"]:
        named = result.get("changes") or [change.get("after_header", "") for change in result.get("diff", [])]
        return f"{', '.join(filter(None, named)) or 'what it does not name'} would change"
    return result.get("unhealthy_reason") or ""


def first_difference(
    steps: Iterable[Mapping[str, Any]], of_a_real_run: bool = False
) -> tuple[str, list[list[dict[str, Any]]]]:
    """What the first step that has something to do has to do, and the certificates that each step found before it."""
    certificates: list[list[dict[str, Any]]] = []
    for step in steps:
        result = check(step["name"], step["options"], of_a_real_run)
        found = difference(result)
        if found:
            return f"{step['name']}: {found}", certificates
        if "certificates" in result:
            certificates.append(result["certificates"])
    return "", certificates
