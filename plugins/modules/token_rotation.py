#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: token_rotation
short_description: A step of the rotation of the server token
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Looks at, plans, prepares and completes the change of the server token on the servers of a running cluster. The
    playbook C(rotate_token.yml) puts the steps in their order, and M(k3a.cluster.bootstrap_record) between them.
  - Nothing is restarted. No process uses the server token; it is the passphrase of the bootstrap record.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  endpoints:
    description: The client URLs of etcd; each is asked until one answers.
    type: list
    elements: str
    default: ["https://127.0.0.1:2379"]
  step:
    description:
      - V(observe) finds out, on every server, which tokens it has and whether the bootstrap record is readable.
      - V(plan) decides from what all servers found, O(observations), or says why the token cannot be rotated now.
      - V(prepare) keeps the new token beside the old one.
      - V(adopt) puts it in its place.
    type: str
    choices: [observe, plan, prepare, adopt]
    required: true
  observations:
    description: RV(observation) of each server.
    type: list
    elements: dict
    default: []
  server:
    description: The name of this server in the inventory, for V(observe).
    type: str
    default: ""
  servers:
    description: The names of all servers in the inventory, for V(plan).
    type: list
    elements: str
    default: []
  operator_token:
    description: Whether the new token is the operator's, and not one that a server makes.
    type: bool
    default: false
  new_token:
    description:
      - The new server token, short or in K3s's secure form. Without it V(prepare) takes the one that is pending on
        this server, or makes one, and returns it; V(adopt) then has nothing to adopt and only tidies up.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Look at the tokens of a server
  k3a.cluster.token_rotation:
    step: observe
    server: "{{ inventory_hostname }}"
  register: token_state
"""

RETURN = r"""
observation:
  description: What the server found.
  returned: with O(step=observe)
  type: dict
  contains:
    server:
      description: The name of the server.
      type: str
    token:
      description: A fingerprint of the server token, the same on servers with the same one, and no secret.
      type: str
    pending:
      description: That of the token that is prepared, or nothing.
      type: str
    record:
      description: The state of the bootstrap record of the server's token, as M(k3a.cluster.bootstrap_record) has it.
      type: str
    others:
      description: How many keys there are of records of other tokens.
      type: int
holder:
  description: The server that has the new token or makes it; empty when all servers have it already.
  returned: with O(step=plan)
  type: str
reason:
  description: What is to be done.
  returned: with O(step=plan)
  type: str
  sample: an unfinished rotation
new_token:
  description: The password of the new token, a secret. Set C(no_log) on such a task.
  returned: with O(step=prepare), without O(new_token)
  type: str
"""

import os
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_rotation as rotation

OPTIONS = {
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
    "endpoints": {"type": "list", "elements": "str", "default": ["https://127.0.0.1:2379"]},
    "step": {"type": "str", "choices": ["observe", "plan", "prepare", "adopt"], "required": True},
    "observations": {"type": "list", "elements": "dict", "default": []},
    "server": {"type": "str", "default": ""},
    "servers": {"type": "list", "elements": "str", "default": []},
    "operator_token": {"type": "bool", "default": False},
    "new_token": {"type": "str", "default": "", "no_log": True},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    layout = Layout(module.params["data_dir"])
    steps = {"observe": observe, "plan": plan, "prepare": prepare, "adopt": adopt}
    with during("Server token"):
        result = steps[module.params["step"]](module, layout)
    module.exit_json(**{"changed": False, **result})


def observe(module: AnsibleModule, layout: Layout) -> dict[str, Any]:
    params = module.params
    given_password(module, layout)
    observation = rotation.observation(layout, Etcd(layout, params["endpoints"]))
    return {"observation": {"server": params["server"], **observation}}


def plan(module: AnsibleModule, _layout: Layout) -> dict[str, Any]:
    params = module.params
    decided = rotation.plan(params["observations"], params["servers"], params["operator_token"])
    return {"holder": decided.holder, "reason": decided.reason}


def prepare(module: AnsibleModule, layout: Layout) -> dict[str, Any]:
    """Keep the new token beside the old one, unless it is in its place already."""
    own = records.own_password(layout)
    given = given_password(module, layout)
    password = given or rotation.pending_password(layout) or secrets.token_hex(16)
    changes = []
    if password != own:
        changes = apply(module, [rotation.token_file(layout, rotation.pending_path(layout), password)], [])
    result = {"changed": bool(changes), "diff": [change.as_diff() for change in changes]}
    return result if given else {**result, "new_token": password}


def adopt(module: AnsibleModule, layout: Layout) -> dict[str, Any]:
    """Put the new token in its place; only then is it pending no more."""
    password = given_password(module, layout) or records.own_password(layout)
    written = []
    if password != records.own_password(layout):
        written = [rotation.token_file(layout, layout.token, password)]
    changes = apply(module, written, [rotation.pending_path(layout)])
    return {"changed": bool(changes), "diff": [change.as_diff() for change in changes]}


def given_password(module: AnsibleModule, layout: Layout) -> str:
    new_token = module.params["new_token"]
    if not new_token:
        return ""
    authority = bootstrap.read_authorities(layout).get("server")
    if authority is None:
        raise records.RecordError("this host is no server yet; run k3a.cluster.site")
    return bootstrap.password_of(new_token, authority, "k3a_new_token")


def apply(module: AnsibleModule, written: list[files.File], removed: list[str]) -> list[files.Change]:
    changes = [files.file_change(file) for file in written]
    changes += [files.absent_change(path, secret=True) for path in removed if os.path.lexists(path)]
    if any(changes) and not module.check_mode:
        with host_lock(module.params["timeout"]):
            for file in written:
                files.write_file(file)
            for path in removed:
                files.remove_file(path)
    return [change for change in changes if change]


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
