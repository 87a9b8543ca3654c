#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drift
short_description: Whether a host differs from what tasks would make of it
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Reads task files of this collection's roles, and asks on the host, in one module run, what each of their tasks would
    say in check mode. It stops at the first that has something to do.
  - A host of which nothing is said is as it should be, and well, and these tasks need not run on it.
  - Changes nothing.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  tasks:
    description:
      - The files, C(role/file) each without its extension, in the order in which their tasks run.
      - Their conditions, block variables and defaults of the action group count as they do when the tasks run.
    type: list
    elements: str
    required: true
  steps:
    description: For the action plugin, which fills it in. The tasks' modules and arguments.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The module's name.
        type: str
        required: true
      options:
        description: Its arguments, but for secret ones.
        type: dict
        required: true
  secrets:
    description: For the action plugin, which fills it in. The secret arguments by the module's name.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See whether the node differs
  k3a.cluster.drift:
    tasks: [agent/prepare, agent/runtime, agent/node]
  register: drift

- name: Converge the node
  ansible.builtin.include_role:
    name: k3a.cluster.agent
  when: drift.reason != ''
"""

RETURN = r"""
reason:
  description: The first thing that differs or is not well, or an empty text.
  returned: success
  type: str
  sample: "kubelet: /var/lib/k3a/agent/etc/kubelet.yaml would change"
certificates:
  description: For the action plugin, which decides about them. The certificates that each of the tasks found.
  returned: never by the task
  type: list
  elements: list
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift

OPTIONS = {
    "tasks": {"type": "list", "elements": "str", "required": True},
    "steps": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "options": {"type": "dict", "required": True}},
    },
    "secrets": {"type": "dict", "default": {}, "no_log": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    secrets = module.params["secrets"]
    steps = [
        {**step, "options": {**step["options"], **secrets.get(step["name"], {})}} for step in module.params["steps"]
    ]
    reason, certificates = drift.first_difference(steps, of_a_real_run=not module.check_mode)
    module.exit_json(changed=False, reason=reason, certificates=certificates)


if __name__ == "__main__":
    main()
