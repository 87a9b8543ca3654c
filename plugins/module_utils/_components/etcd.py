# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The datastore of the cluster on a server: what M(k3a.cluster.etcd) does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import apiserver
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import join as joining
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import membership
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdError
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = component.argument_spec(
    {
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
)


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
            systemd.command_line(program(params, "etcd"), flags.merge(arguments, params["extra_args"])),
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


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    try:
        node_ip = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"])[:1])[0]
        node_name = params["node_name"] or address.host_name()
        join = joining.Join(params, node_name, node_ip, apiserver.awaited(params))
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
