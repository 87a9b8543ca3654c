# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The typed values of variables, for playbooks that do not check hosts; no host is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import prompt
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec, variables
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.deadlines import deadlines

OPTIONS: dict[str, Any] = {
    "playbook": {"type": "str", "default": ""},
    "names": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):
    """Returns the values, or fails with one message about all that cannot be used."""

    _requires_connection = False

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Evaluate what is asked for, and judge it together with every variable that looks like ours."""
        result = super().run(tmp, task_vars)
        _validation, asked = self.validate_argument_spec(OPTIONS)
        known = {**spec.specification(), **spec.of_playbook(asked["playbook"])}
        options = {name: known[name] for name in (*spec.of_playbook(asked["playbook"]), *asked["names"])}
        given = task_vars or {}
        templates = Templates(self, {**spec.templates(known), **given})
        values, problems = spec.evaluate(options, given, templates.value, templates.text, prompt.answer)
        sentences = [
            *(f"{problem.sentence}; {problem.remedy}" for problem in [*spec.strangers(given), *problems]),
            *(f"{finding.message}; {finding.remedy}" for finding in variables.variable_findings(values, {})),
        ]
        if sentences:
            raise AnsibleActionFail("Nothing has been changed: " + "\n".join(sentences))
        named = {name.removeprefix(spec.PREFIX): value for name, value in values.items()}
        return {**result, "changed": False, **named, **deadlines(named), **hidden(values, options)}


def hidden(values: Mapping[str, Any], options: Mapping[str, spec.Option]) -> dict[str, bool]:
    """What keeps Ansible from showing the result, where there is a secret in it."""
    secret = any(values[name] for name, option in options.items() if option.get("no_log"))
    return {"_ansible_no_log": True} if secret else {}
