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
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Gives a host its record, which M(k3a.cluster.check_cluster) made, and says whether the host is new, differs from
    what the roles' tasks would make of it, or is settled.
  - Reads the task files of the collection's roles, and asks on the host, in one module run, what each of their tasks
    would say in check mode. It stops at the first that has something to do. Tasks that act on another host are no
    host's own.
  - Fails for a host that is left out of the run.
  - Changes nothing.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
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
- name: Find out which hosts differ
  k3a.cluster.drift:
  register: _k3a
"""

RETURN = r"""
state:
  description: Whether the host is V(new), which has no node yet, V(changing), or V(settled).
  returned: success
  type: str
  sample: settled
reason:
  description: The first thing that differs or is not well, or an empty text.
  returned: success
  type: str
  sample: "kubelet: /var/lib/k3a/agent/etc/kubelet.yaml would change"
in_window:
  description: Whether the host is an agent whose node is changed within C(k3a_max_unavailable).
  returned: success
  type: bool
  sample: false
throttle:
  description: How many hosts may run a step at once that disturbs a node; 0 for any number.
  returned: success
  type: int
  sample: 0
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
