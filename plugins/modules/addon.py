#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: addon
version_added: 1.0.0
short_description: Manifests in a cluster, as a whole
description:
  - Brings the objects of any number of manifests into a cluster by server-side apply, in one call, in an order
    that works.
  - Manifests are read on the controller, encrypted ones (C(ansible-vault)) as well, and travel as data.
  - Remembers what it applied as which addon, in ConfigMaps C(kube-system/k3a-addon-<name>), and removes the objects
    that left the manifests. An object that someone else made anew, or that went over to another addon, stays.
  - Nothing is changed before all manifests are read and the API has accepted all objects on trial.
    Only objects whose kind or namespace comes with the same call are judged later, when that is there.
  - In check mode, where there is no API yet to ask, all objects are announced as created.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.api
author: [k3a.cluster contributors (@k3a)]
options:
  addons:
    description: The addons, each of them a name and the objects it consists of.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the addon, of the characters a-z, 0-9, V(-) and V(.).
        type: str
        required: true
      path:
        description:
          - Manifests on the controller, files or directories. Relative ones are looked for where the playbook was
            started.
          - Of a directory, all files C(*.yaml), C(*.yml) and C(*.json) below it count, except hidden ones.
        type: list
        elements: path
        default: []
      manifest:
        description:
          - The objects themselves, as an object, as a list of objects, or as the text of a manifest.
          - What a host, the API or anybody else says does not belong into a text; in an object it stays a value.
        type: raw
      consists_of:
        description:
          - All objects that the addon may have, each V(Kind namespace/name), or V(Kind name) without a namespace.
          - When given, the call fails before any change when there is another one in it.
        type: list
        elements: str
        default: []
  objects:
    description: Set by the action plugin, which reads all manifests.
    type: list
    elements: dict
    default: []
    suboptions:
      addon:
        description: Addon that the object belongs to.
        type: str
        required: true
      where:
        description: Where the object was written.
        type: str
        required: true
      object:
        description: The object.
        type: dict
        required: true
  state:
    description:
      - With V(present) the cluster has the addons as described.
      - With V(absent) all objects recorded for the addons are removed. Only the names count.
    type: str
    choices: [present, absent]
    default: present
  set:
    description:
      - Name of a set of addons that this call lists completely.
      - Addons once applied with the same O(set) that are no longer in O(addons) are removed.
    type: str
    default: ""
  field_manager:
    description: Name under which the API keeps book of the fields that this module sets.
    type: str
    default: k3a
  wait:
    description:
      - Whether to wait until everything is rolled out, and what was removed is gone.
      - When that does not come, the module says which pods are not ready and why.
    type: bool
    default: false
  wait_for:
    description:
      - Names of addons that other calls have applied.
      - With O(wait=true) their rollouts are waited for as well.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Run the metrics server
  k3a.cluster.addon:
    addons:
      - name: metrics-server
        path: [manifests/metrics-server]
    wait: true
  delegate_to: server-1.example.org

- name: Make a namespace
  k3a.cluster.addon:
    addons:
      - name: team-a
        manifest:
          apiVersion: v1
          kind: Namespace
          metadata:
            name: team-a
  delegate_to: server-1.example.org

- name: Remove the metrics server
  k3a.cluster.addon:
    addons:
      - name: metrics-server
    state: absent
  delegate_to: server-1.example.org
"""

RETURN = r"""
objects:
  description: What became of each object; in check mode, what would.
  returned: success
  type: list
  elements: dict
  contains:
    addon:
      description: Addon that the object belongs to.
      type: str
    kind:
      description: Kind of the object.
      type: str
    namespace:
      description: Namespace of the object, or nothing.
      type: str
    name:
      description: Name of the object.
      type: str
    action:
      description: V(created), V(configured), V(unchanged) or V(pruned).
      type: str
  sample:
    - {addon: coredns, kind: Deployment, namespace: kube-system, name: coredns, action: created}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._addon.apply import Cluster, Step, creation_steps
from ansible_collections.k3a.cluster.plugins.module_utils._addon.manifest import Key, items
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiUnreachable
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.rollout import is_awaited
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.rollout_wait import Awaited, wait_for
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import Resource
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, during, reports_errors

OPTIONS: dict[str, Any] = {
    "addons": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "path": {"type": "list", "elements": "path", "default": []},
            "manifest": {"type": "raw"},
            "consists_of": {"type": "list", "elements": "str", "default": []},
        },
    },
    "objects": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "addon": {"type": "str", "required": True},
            "where": {"type": "str", "required": True},
            "object": {"type": "dict", "required": True},
        },
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "set": {"type": "str", "default": ""},
    "field_manager": {"type": "str", "default": "k3a"},
    "wait": {"type": "bool", "default": False},
    "wait_for": {"type": "list", "elements": "str", "default": []},
    **server_api.OPTIONS,
}


def main() -> None:
    # Manifests may hold Secrets: no_log keeps the arguments out of the system's log, `invocation` out of the output.
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True, no_log=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    shown = {name: value for name, value in module.params.items() if name != "objects"}
    invocation = {"module_args": {**shown, "addons": [addon["name"] for addon in module.params["addons"]]}}
    result: dict[str, Any] = {"changed": False, "invocation": invocation}
    with during("Addons", result):
        converge(module, result)
    module.exit_json(**result)


def converge(module: AnsibleModule, result: dict[str, Any]) -> None:
    params = module.params
    names = [addon["name"] for addon in params["addons"]]
    wanted = items(params["objects"])
    try:
        api = server_api.connect(module)
        cluster = Cluster(api, params["field_manager"])
        plan = cluster.plan(names, wanted, params["state"], params["set"])
    except ApiUnreachable:
        if not module.check_mode:
            raise
        # The tasks before this one would have made the cluster.
        plan = creation_steps(names, wanted, params["set"]) if params["state"] == "present" else []
    result["objects"] = [step.summary() for step in plan]
    result["diff"] = [step.diff() for step in plan if step.changes]
    if module.check_mode:
        result["changed"] = any(step.changes for step in plan)
        return
    for step in plan:
        if step.changes:
            result["changed"] = True
            cluster.carry_out(step)
    if params["wait"]:
        late = wait_for(api, to_await(plan, cluster.applied(params["wait_for"]) if params["wait_for"] else []))
        if late:
            raise K3aError("\n".join(["applied, but not up:", *late]))


def to_await(plan: list[Step], applied: list[tuple[str, Key, Resource]]) -> list[Awaited]:
    gone = [(step.addon, step.key, step.path, step.uid) for step in plan if step.goes]
    there = [(step.addon, step.key, step.path, "") for step in plan if not step.goes]
    there += [(addon, key, resource.path(key.namespace, key.name), "") for addon, key, resource in applied]
    return [
        Awaited(f"{key} (addon {addon})", key.group, path, uid)
        for addon, key, path, uid in [*gone, *there]
        if uid or is_awaited(key.group, key.kind)
    ]


if __name__ == "__main__":
    main()
