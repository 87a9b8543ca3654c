#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bootstrap_record
short_description: The bootstrap record in the datastore
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Keeps in etcd, encrypted with the server token as K3s does it, what all servers share. These are the CAs
    with their keys, the key of service account tokens, and the configuration of encryption at rest.
  - So the data of etcd and the server token have all that a new server needs. Nothing in this release reads them back.
  - Run it on any one server that has them, when etcd answers there.
  - A server finds out by a digest beside the record that it is current; then nothing secret leaves the server.
    Otherwise what is recorded goes to the controller's memory, which encrypts it.
  - Fails when the datastore has a record of another token, as K3s does.
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
  new_token:
    description:
      - Encrypt with this server token instead of the server's own, as when the token is being rotated. The record of
        the old one stays, unless O(exclusive).
    type: str
    default: ""
  exclusive:
    description: Remove the records of other tokens, after this one is there.
    type: bool
    default: false
  export:
    description: Return what is to be recorded; set by the action plugin, of no use elsewhere.
    type: bool
    default: false
  record:
    description: The encrypted record; set by the action plugin, of no use elsewhere.
    type: str
    default: ""
  digest:
    description: What ties O(record) to its contents; set by the action plugin, of no use elsewhere.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep what the servers share in the datastore
  k3a.cluster.bootstrap_record:
  delegate_to: server-1
  run_once: true
"""

RETURN = r"""
status:
  description:
    - How the record was found to be. V(current), V(stale) when it holds something else or is damaged, V(absent), or
      V(other token); V(unknown) in check mode when etcd does not answer.
  returned: success
  type: str
  sample: current
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd, EtcdUnavailable
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import SECRET, Change
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records

OPTIONS = {
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
    "endpoints": {"type": "list", "elements": "str", "default": ["https://127.0.0.1:2379"]},
    "new_token": {"type": "str", "default": "", "no_log": True},
    "exclusive": {"type": "bool", "default": False},
    "export": {"type": "bool", "default": False},
    "record": {"type": "str", "default": "", "no_log": True},
    "digest": {"type": "dict", "default": {}},
}
UNKNOWN = "unknown"
# Its key depends on a token that may be made only by the run which check mode foretells.
RECORD = "bootstrap record"
RECORDED = SECRET.replace("not shown", "encrypted anew")


@reports_errors
def run(module: AnsibleModule) -> None:
    layout = Layout(module.params["data_dir"])
    etcd = Etcd(layout, module.params["endpoints"])
    with during("Bootstrap record"):
        result = foresee(module, layout, etcd) if module.check_mode else converge(module, layout, etcd)
    module.exit_json(**result)


def foresee(module: AnsibleModule, layout: Layout, etcd: Etcd) -> dict[str, Any]:
    """What a real run would do, by which what is to be recorded and the datastore may be made only then."""
    new = not os.path.exists(layout.etcd)
    more = bootstrap.lacks_later(layout)
    try:
        return converge(module, layout, etcd)
    except (records.RecordError, EtcdUnavailable):
        if more:
            return {"changed": True, "status": records.STALE, "diff": [Change(RECORD, SECRET, RECORDED).as_diff()]}
        if new:
            change = Change(RECORD, "", RECORDED)
            return {"changed": True, "status": records.ABSENT, "diff": [change.as_diff()]}
        if os.path.exists(layout.token):
            return {"changed": False, "status": UNKNOWN, "diff": []}
        raise


def converge(module: AnsibleModule, layout: Layout, etcd: Etcd) -> dict[str, Any]:
    params = module.params
    password = wanted_password(params["new_token"], layout)
    found = records.status(layout, etcd, password)
    if found == records.OTHER_TOKEN and not params["new_token"]:
        raise records.RecordOfOtherToken(
            f"the datastore has one of another token than {layout.token}; put the right token there, or finish the"
            " rotation of the token with k3a.cluster.rotate_token"
        )
    current = found == records.CURRENT
    extra = records.others(etcd, password) if params["exclusive"] else []
    result: dict[str, Any] = {"changed": not current or bool(extra), "status": found}
    result["diff"] = [change.as_diff() for change in changes(found, extra)]
    if params["export"] and not current:
        # A password that came in as an option would be hidden in the result; the action plugin has that one.
        return {**result, "files": records.exported_files(layout), "password": password}
    if module.check_mode or params["export"]:
        return result
    if not current and not params["record"]:
        return {**result, "needs_record": True}
    with host_lock(params["timeout"]):
        if not current:
            records.write(layout, etcd, password, params["record"].encode(), params["digest"])
        for key in extra:
            etcd.delete(key)
    return result


def wanted_password(new_token: str, layout: Layout) -> str:
    own = records.own_password(layout)
    if not new_token:
        return own
    return bootstrap.password_of(new_token, bootstrap.read_authorities(layout)["server"], "new_token")


def changes(found: str, extra: list[str]) -> list[Change]:
    """What the datastore gets and loses."""
    made = []
    if found != records.CURRENT:
        before = SECRET if found == records.STALE else ""
        made.append(Change(RECORD, before, RECORDED))
    return [*made, *(Change(key, SECRET, "") for key in extra)]


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
