#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: removed_node
version_added: 1.0.0
short_description: Names that nodes had before they were removed
description:
  - Keeps names of nodes from everybody for as long as a certificate of the machine that had them could be valid, or
    sets them free.
  - While a name is kept, no machine gets a certificate for it with a token, and one that still has a certificate of it
    neither registers itself as a node nor renews that certificate.
  - M(k3a.cluster.node_removal) keeps the names of the nodes that it removes. Set a name free when its host is installed
    again, or when nothing is left of its machine.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.api
author: [k3a.cluster contributors (@k3a)]
options:
  names:
    description: Names of nodes.
    type: list
    elements: str
    required: true
  state:
    description: Whether the names are kept, or free.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: k3a.cluster.node_removal
"""

EXAMPLES = r"""
- name: Let a new machine have the name of one that was destroyed
  k3a.cluster.removed_node:
    names: [agent-1]
    state: absent
  delegate_to: server-1.example.org
"""

RETURN = r"""
names:
  description: The names that changed, or would in check mode. Those whose time is over are set free along with others.
  returned: success
  type: list
  elements: str
  sample: [agent-1]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._joining import removed

OPTIONS: dict[str, Any] = {
    "names": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **server_api.OPTIONS,
}


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    names, present = module.params["names"], module.params["state"] == "present"
    with during("Names of removed nodes"):
        kept, freed = (names, []) if present else ([], names)
        found = removed.converge(server_api.connect(module), kept, freed, module.check_mode)
    changed, diff = found or ([], {})
    module.exit_json(changed=bool(changed), names=changed, diff=[diff] if diff else [])


if __name__ == "__main__":
    main()
