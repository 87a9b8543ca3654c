#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Servers that no longer count in etcd
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Removes members of etcd for good. Run it on, or delegated to, another server that is healthy.
  - One that leads the others hands over first, so that writes go on without an election.
  - Fails, and removes nothing, when those that remain would have no healthy majority, or would be none at all. A
    member that does not vote yet may always go.
  - A member that is not there is not missed, so this may be run again at any time.
  - Members are added by M(k3a.cluster.etcd).
  - Outside of check mode it does nothing unless its playbook holds the cluster's lock (M(k3a.cluster.cluster_lock)).
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.lock_id
  - k3a.cluster.options.timeout
options:
  names:
    description:
      - Names of the members, which are those of their nodes; or ids, as hexadecimal or decimal numbers.
    type: list
    elements: str
    default: []
  peer_url:
    description: The member's peer URL, for one that has never started and has no name.
    type: str
    default: ""
  timeout:
    description: How many seconds to wait for another run on this host to end, and for etcd to agree.
"""

EXAMPLES = r"""
- name: Remove a server from etcd
  k3a.cluster.etcd_member:
    names: [server-1]
  delegate_to: server-2
"""

RETURN = r"""
removed_members:
  description: The members that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [server-1]
members:
  description: The names of the members that remain.
  returned: success
  type: list
  elements: str
  sample: [server-2, server-3]
"""

import contextlib
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import held, removal
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import Etcd, client_url
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.membership import MEMBERS, listing
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import Change
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, during, reports_errors

OPTIONS = {
    "names": {"type": "list", "elements": "str", "default": []},
    "peer_url": {"type": "str", "default": ""},
    "lock_id": options.LOCK_ID,
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
}


@reports_errors
def run(module: AnsibleModule) -> None:
    params = module.params
    if not params["names"] and not params["peer_url"]:
        raise K3aError("names and peer_url are both empty: say which member is to go")
    layout = Layout(params["data_dir"])
    etcd = Etcd(layout, [client_url("127.0.0.1")])
    etcd.before_change = lambda: held.refuse_other(etcd, params["lock_id"])
    lock = contextlib.nullcontext() if module.check_mode else host_lock(params["timeout"])
    with during(f"{' and '.join(params['names']) or params['peer_url']} cannot be removed from etcd"), lock:
        members = etcd.members()
        leaving = removal.matching(members, params["names"], params["peer_url"])
        well = {member: etcd.healthy(member) for member in members} if leaving else {}
        leaving = removal.in_order(leaving, members, well.__getitem__)
        if leaving and not module.check_mode:
            removal.hand_over(etcd, leaving, lambda endpoints: Etcd(layout, endpoints))
            removal.remove(etcd, leaving, time.monotonic() + params["timeout"])
    remaining = [member for member in members if member not in leaving]
    change = Change(MEMBERS, listing(members), listing(remaining))
    module.exit_json(
        changed=bool(leaving),
        removed_members=[member.label for member in leaving],
        members=sorted(member.label for member in remaining),
        diff=[change.as_diff()] if leaving else [],
    )


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
