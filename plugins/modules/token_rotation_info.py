#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: token_rotation_info
short_description: What a server knows of its server token, before the token is rotated
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Says which tokens a server has and whether the bootstrap record is readable with its own, and refuses a new token
    that cannot be one. M(k3a.cluster.token_rotation_plan) decides from what all servers say.
  - Nothing in the result is secret, and nothing is changed.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.options.data_dir
requirements:
  - Linux with Python 3.9 or newer on the server; nothing else needs to be installed.
options:
  host:
    description: The name of this server in the inventory, for the result.
    type: str
    required: true
  endpoints:
    description: The client URLs of etcd; each is asked until one answers.
    type: list
    elements: str
    default: ["https://127.0.0.1:2379"]
  new_token:
    description: The new server token, if the operator gives it, short or in K3s's secure form.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Read the state of the server token on each server
  k3a.cluster.token_rotation_info:
    host: "{{ inventory_hostname }}"
  register: token_state
"""

RETURN = r"""
host:
  description: The name of the server.
  returned: success
  type: str
  sample: server-1
fingerprint:
  description: A fingerprint of the server token, the same on servers with the same one, and no secret.
  returned: success
  type: str
  sample: 0123456789abcdef
pending_fingerprint:
  description: That of the new token that is stored beside it, or an empty text.
  returned: success
  type: str
  sample: ""
bootstrap_record:
  description: The state of the bootstrap record of the server's token, as M(k3a.cluster.bootstrap_record) has it.
  returned: success
  type: str
  sample: current
has_other_records:
  description: Whether there are records of other tokens.
  returned: success
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_rotation as rotation

OPTIONS = {
    "data_dir": options.DATA_DIR,
    "host": {"type": "str", "required": True},
    "endpoints": {"type": "list", "elements": "str", "default": ["https://127.0.0.1:2379"]},
    "new_token": {"type": "str", "default": "", "no_log": True},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    params = module.params
    layout = Layout(params["data_dir"])
    with during("Server token"):
        rotation.new_password(layout, params["new_token"])
        observation = rotation.observation(layout, Etcd(layout, params["endpoints"]))
    module.exit_json(changed=False, host=params["host"], **observation)


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
