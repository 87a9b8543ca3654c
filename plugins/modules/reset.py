#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reset
short_description: A host without k3a
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Removes everything that k3a made on a host. All pods end, and all data of the cluster on this host is lost; check
    mode lists what goes.
  - Stops the units and kills the pods; removes units, users, mounts, network namespaces, interfaces, routes, packet
    filter rules and files; sets kernel settings back to what they were before.
  - Puts back what the host had where k3a has a link of its own (C(/etc/crictl.yaml)).
  - Of O(data_dir) goes what k3a made in it, and the directory itself when nothing else is in it. A disk for it, for
    C(agent), C(server), C(data), C(data/files), C(agent/containerd), C(server/db) or C(server/db/etcd) in it, or for
    C(/var/lib/kubelet) loses what is k3a's and stays mounted. What else is mounted there is left as it is, with a
    warning, and so is a link that k3a has not made.
  - Fails, and removes nothing, when O(data_dir) is a directory that others use, too, unless the host has recorded it.
  - Where the host has recorded in which directory it keeps everything, that one counts, and not O(data_dir). The record
    goes, too.
  - Kernel modules stay loaded, and the journal stays.
  - A host that k3a never touched is not changed, nor is what others installed on it, such as an etcd or a containerd.
  - Finishes an install or a reset that was interrupted anywhere.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  kubeconfig:
    description: The administrator's kubeconfig on a server, which goes when it belongs to this server.
    type: path
    default: /etc/k3a/k3a.yaml
  timeout:
    description: How many seconds processes may take to end, and another run on this host.
"""

EXAMPLES = r"""
- name: Remove k3a from the host
  k3a.cluster.reset:
"""

RETURN = r"""
removals:
  description: What was removed, or would be in check mode, in this order.
  returned: success
  type: list
  elements: str
  sample: [k3a-kubelet.service, interface cni0, user etcd, /var/lib/k3a/server]
authority:
  description: The certificate of the server CA that this host had, PEM, or nothing.
  returned: success
  type: str
  sample: ""
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock, remove_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._host import data_directory, identity
from ansible_collections.k3a.cluster.plugins.module_utils._reset import reset
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap

OPTIONS = {
    "data_dir": options.DATA_DIR,
    "kubeconfig": options.WRITE_KUBECONFIG,
    "timeout": options.TIMEOUT,
}


@reports_errors
def run(module: AnsibleModule) -> None:
    known = identity.known_data_dir()
    data_dir = known or module.params["data_dir"]
    problem = "" if known else data_directory.unfit(os.path.realpath(data_dir))
    if problem:
        raise K3aError(f"nothing was removed: {problem}; set k3a_data_dir to where this host has what is k3a's")
    where = (data_dir, bool(known), module.params["kubeconfig"], module.params["timeout"])
    authority = bootstrap.read_authorities(Layout(data_dir)).get("server", "")
    with during("k3a is not entirely removed"):
        removed = [name for removal in reset.make_plan(reset.observe(*where)) for name in removal.what]
        if removed and not module.check_mode:
            with host_lock(module.params["timeout"]):
                for warning in reset.converge(*where):
                    module.warn(warning)
                remove_lock()
    listing = "".join(f"{name}\n" for name in removed)
    diff = {"before_header": "k3a on this host", "after_header": "k3a on this host", "before": listing, "after": ""}
    module.exit_json(changed=bool(removed), removals=removed, authority=authority, diff=[diff] if removed else [])


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
