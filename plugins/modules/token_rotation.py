#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: token_rotation
short_description: Bring a server to another server token
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Stores the new server token beside the old one, or puts it in its place. The playbook C(rotate_token.yml) does the
    one on all servers before the other, and has M(k3a.cluster.bootstrap_record) encrypt the record in between.
  - Nothing is restarted. No process uses the server token; it is the passphrase of the bootstrap record.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  state:
    description:
      - With V(pending) the new token is stored beside the old one.
      - With V(active) it is in its place, and pending no more.
    type: str
    choices: [pending, active]
    required: true
  new_token:
    description:
      - The new server token, short or in K3s's secure form. Without it V(pending) takes the one that is pending on
        this server, or makes one, and returns it; V(active) then only tidies up.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Store the new server token beside the old one
  k3a.cluster.token_rotation:
    state: pending
    new_token: "{{ new_token }}"
"""

RETURN = r"""
new_token:
  description: The password of the new token, a secret. Set C(no_log) on such a task.
  returned: with O(state=pending), without O(new_token)
  type: str
"""

import os
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_rotation as rotation

OPTIONS = {
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
    "state": {"type": "str", "choices": ["pending", "active"], "required": True},
    "new_token": {"type": "str", "default": "", "no_log": True},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    layout = Layout(module.params["data_dir"])
    act = {"pending": store, "active": activate}[module.params["state"]]
    with during("Server token"):
        result = act(module, layout)
    module.exit_json(**result)


def store(module: AnsibleModule, layout: Layout) -> dict[str, Any]:
    """Keep the new token beside the old one, unless it is in its place already."""
    own = records.own_password(layout)
    given = rotation.new_password(layout, module.params["new_token"])
    password = given or rotation.pending_password(layout) or secrets.token_hex(16)
    written = [rotation.token_file(layout, rotation.pending_path(layout), password)] if password != own else []
    result = apply(module, written, [])
    return result if given else {**result, "new_token": password}


def activate(module: AnsibleModule, layout: Layout) -> dict[str, Any]:
    """Put the new token in its place; only then is it pending no more."""
    own = records.own_password(layout)
    password = rotation.new_password(layout, module.params["new_token"]) or own
    written = [rotation.token_file(layout, layout.token, password)] if password != own else []
    return apply(module, written, [rotation.pending_path(layout)])


def apply(module: AnsibleModule, written: list[files.File], removed: list[str]) -> dict[str, Any]:
    found = [files.file_change(file) for file in written]
    found += [files.absent_change(path, secret=True) for path in removed if os.path.lexists(path)]
    changes = [change for change in found if change]
    if changes and not module.check_mode:
        with host_lock(module.params["timeout"]):
            for file in written:
                files.write_file(file)
            for path in removed:
                files.remove_file(path)
    return {"changed": bool(changes), "diff": [change.as_diff() for change in changes]}


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
