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
    promoted when it has caught up. Only the server that O(founder) names begins a new cluster.
  - A member whose address has changed is updated before it starts with the new one. Data of a member that the others
    have removed is renamed to C(etcd-old-<time>), never deleted.
  - Healthy means that C(/readyz) on the loopback metrics port answers.
  - Fails, before anything is changed, when etcd would lose its majority while this member restarts, when no majority
    answers a server that has to join, and when the data of a voting member is gone from its host.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
options:
  node_name:
    description: The member's name. Empty is the host's name.
    type: str
    default: ""
  node_ip:
    description: The node's addresses; the first is the member's. Empty is the address of the default route.
    type: list
    elements: str
    default: []
  cluster_cidr:
    description: The networks of pods; the first one's family is the member's.
    type: list
    elements: str
    default: [10.42.0.0/16]
  endpoints:
    description: Client URLs of the members of all servers, whether or not they run yet.
    type: list
    elements: str
    default: []
  founder:
    description:
      - The name of the member that begins a new cluster, when no server has data; see
        RV(k3a.cluster.check_cluster#module:founder). Empty when there is a cluster already.
    type: str
    default: ""
  https_listen_port:
    description:
      - The port of the API server of this server. Where there are others, it is stopped while etcd restarts, so that
        its clients go to them.
    type: int
    default: 6443
  replace:
    description: Whether a voting member whose data is gone from this host is replaced by a new one.
    type: bool
    default: false
  expose_metrics:
    description: Whether metrics are served on the node's address too, and not on loopback alone.
    type: bool
    default: false
  extra_args:
    description: Arguments for etcd, C(flag=value); C(flag+=value) and C(flag-=value) add to the default's end or
        start.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Run etcd
  k3a.cluster.etcd:
    bundle: "{{ bundle.path }}"
    founder: server-1
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
changes:
  description: The files and units that changed, or would in check mode, and C(etcd members) when these did.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/k3a-etcd.service]
"""

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils import _address as address
from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _etcd_join as joining
from ansible_collections.k3a.cluster.plugins.module_utils import _etcd_membership as membership
from ansible_collections.k3a.cluster.plugins.module_utils import _files as files
from ansible_collections.k3a.cluster.plugins.module_utils import _flags as flags
from ansible_collections.k3a.cluster.plugins.module_utils import _health as health
from ansible_collections.k3a.cluster.plugins.module_utils import _layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils import _systemd as systemd
from ansible_collections.k3a.cluster.plugins.module_utils._etcd import EtcdError

OPTIONS = {
    "node_name": {"type": "str", "default": ""},
    "node_ip": {"type": "list", "elements": "str", "default": []},
    "cluster_cidr": {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]},
    "endpoints": {"type": "list", "elements": "str", "default": []},
    "founder": {"type": "str", "default": ""},
    "https_listen_port": {"type": "int", "default": 6443},
    "replace": {"type": "bool", "default": False},
    "expose_metrics": {"type": "bool", "default": False},
    "extra_args": {"type": "list", "elements": "str", "default": []},
}


def etcd_component(params: dict, node_name: str, node_ip: str) -> component.Component:
    """etcd as it should run on this server."""
    layout = layouts.Layout(params["data_dir"])
    credentials = layouts.Credentials(
        "k3a-etcd.service",
        tuple(
            (name, layout.tls(f"etcd/{name}"))
            for name in (
                "server-ca.crt",
                "server-client.crt",
                "server-client.key",
                "peer-ca.crt",
                "peer-server-client.crt",
                "peer-server-client.key",
            )
        ),
    )
    host = address.in_url(node_ip)
    metrics = ["http://127.0.0.1:2381", *([f"http://{host}:2381"] if params["expose_metrics"] else [])]
    arguments = {
        "name": node_name,
        "data-dir": layout.etcd,
        "listen-client-urls": f"https://127.0.0.1:2379,https://{host}:2379",
        "advertise-client-urls": f"https://{host}:2379",
        "listen-peer-urls": f"https://{host}:2380",
        "initial-advertise-peer-urls": f"https://{host}:2380",
        "listen-metrics-urls": ",".join(metrics),
        "client-cert-auth": "true",
        "trusted-ca-file": credentials.path("server-ca.crt"),
        "cert-file": credentials.path("server-client.crt"),
        "key-file": credentials.path("server-client.key"),
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": credentials.path("peer-ca.crt"),
        "peer-cert-file": credentials.path("peer-server-client.crt"),
        "peer-key-file": credentials.path("peer-server-client.key"),
        "tls-min-version": "TLS1.3",
        "snapshot-count": "10000",
        "watch-progress-notify-interval": "5s",
        "feature-gates": "InitialCorruptCheck=true",
        "logger": "zap",
        "log-outputs": "stderr",
    }
    service = (
        ("Type", "notify"),
        ("User", "etcd"),
        ("Group", "etcd"),
        # What counts for the first start only must not look like a change of the unit ever after.
        ("EnvironmentFile", f"-{joining.first_start_path(layout)}"),
        (
            "ExecStart",
            systemd.command_line(f"{params['bundle']}/bin/etcd", flags.merge(arguments, params["extra_args"])),
        ),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        ("TimeoutStartSec", "infinity"),
        # Stopping, etcd waits for its clients to leave, which the API server never does; what it acknowledged is safe.
        ("TimeoutStopSec", "3"),
        ("LimitNOFILE", "1048576"),
        *layouts.SANDBOX,
        ("ReadWritePaths", layout.etcd),
    )
    return component.Component(
        name="etcd",
        unit=systemd.unit_text(
            "etcd, the datastore of Kubernetes (k3a)", (*layouts.AFTER_NETWORK, *layouts.NEVER_GIVE_UP), service
        ),
        directories=(
            files.Directory(f"{params['data_dir']}/server/db", 0o711),
            files.Directory(layout.etcd, 0o700, "etcd", "etcd"),
        ),
        inputs=credentials.inputs,
        healthy=(health.answers_ok(health.ENDPOINTS["etcd"]),),
    )


def main() -> None:
    module = AnsibleModule(argument_spec=component.argument_spec(OPTIONS), supports_check_mode=True)
    params = module.params
    try:
        node_ip = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"])[:1])[0]
        node_name = params["node_name"] or address.host_name()
        join = joining.Join(params, node_name, node_ip)
        plan = join.decide(module.check_mode)
        wanted = etcd_component(params, node_name, node_ip)
        if plan.promote:
            wanted = replace(wanted, healthy=(lambda: membership.promoted(join.etcd, node_name), *wanted.healthy))
        # Another server joins next, which needs this one.
        params["wait"] = params["wait"] or bool(plan.changed and join.others)
        try:
            result = component.converge(module, wanted, params["pending"], lambda started: join.prepare(plan, started))
            if not module.check_mode:
                join.finish()
        finally:
            join.resume()
    except (address.AddressError, membership.MembershipError, EtcdError, OSError) as error:
        module.fail_json(msg=str(error))
    if plan.changed:
        before, after = membership.announced(join.seen, plan)
        change = files.Change(membership.MEMBERS, before, after)
        result["diff"].append(change.as_diff())
        result["changes"].append(change.path)
        result["changed"] = True
    module.exit_json(**result)


if __name__ == "__main__":
    main()
