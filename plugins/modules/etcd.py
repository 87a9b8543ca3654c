#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd
short_description: The datastore of the cluster on a server
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs etcd as the unit C(k3a-etcd) and the user C(etcd), with TLS for clients and peers and its data in
    C(<data_dir>/server/db/etcd).
  - A server without data joins the members that answer at O(endpoints), first as a learner that does not vote, and is
    promoted when it has caught up. Only the server that O(first_server) names begins a new cluster; etcd itself never
    does, whatever happens to its data.
  - Which member of which cluster the host is gets recorded in C(/etc/k3a/etcd.json). A member is known by its id, which
    its data and this record have, whatever its name and address. etcd does not start with the data of another one, nor
    with an old copy of its own.
  - A member that leads hands over to another before it restarts.
  - A member whose address has changed is updated before it starts with the new one. Data of a member that the others
    have removed is renamed to C(etcd-old-<time>), beside it or in it where it is a mount, and never deleted.
  - Healthy means that C(/readyz) on the loopback metrics port answers.
  - Fails, before anything is changed, when etcd would lose its majority while this member restarts, when no majority
    answers a server that has to join, when the data of a voting member is gone from its host, and when the data is that
    of another member or cluster.
  - Of servers that have their turns one by one (C(throttle=1)), those after one that failed fail with its name, and
    nothing is done on them.
  - Outside of check mode it does nothing unless its playbook holds the cluster's lock (M(k3a.cluster.cluster_lock)).
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.node_name
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.https_listen_port
  - k3a.cluster.options.lock_id
  - k3a.cluster.options.environment
  - k3a.cluster.options.debug
  - k3a.cluster.options.extra_args
options:
  node_name:
    description: The member's name. Empty is the host's name.
  node_ip:
    description: The node's addresses; the first is the member's. Empty is the address of the default route.
  cluster_cidr:
    description: The networks of pods; the first one's family is the member's.
  endpoints:
    description: Client URLs of the members of all servers, whether or not they run yet.
    type: list
    elements: str
    default: []
  first_server:
    description:
      - The name of the member that begins a new cluster, when no server has data; see
        RV(k3a.cluster.check_cluster#module:first_server). Empty when there is a cluster already.
    type: str
    default: ""
  https_listen_port:
    description:
      - The port of the API server of this server. Where there are others, it is stopped while etcd restarts, so that
        its clients go to them.
  replace:
    description:
      - Whether a voting member whose data is gone from this host is replaced by a new one. The last voting member never
        is.
    type: bool
    default: false
  expose_metrics:
    description: Whether metrics are served on the node's address too, and not on loopback alone.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run etcd
  k3a.cluster.etcd:
    bundle: "{{ bundle.path }}"
    first_server: server-1
    endpoints: [https://192.0.2.11:2379, https://192.0.2.12:2379]
    extra_args:
      - quota-backend-bytes=4294967296
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-etcd.service
restarted:
  description: Whether the unit was started anew, or would be in check mode.
  returned: success
  type: bool
  sample: false
unhealthy_reason:
  description: In check mode, why the component that would stay as it is does not work; else empty, since a run waits.
  returned: success
  type: str
  sample: ""
changes:
  description: The files and units that changed, or would in check mode, and C(etcd members) when these did.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/k3a-etcd.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd


def main() -> None:
    etcd.run(AnsibleModule(argument_spec=etcd.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
