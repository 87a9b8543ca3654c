# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The datastore of the cluster on a server: what M(k3a.cluster.etcd) does."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import apiserver, etcd_guard
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import join as joining
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, options, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    OF_SERVER,
    SERVER,
    SERVERS,
    Certificate,
    Declaration,
    Port,
    User,
    refused,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.program import interpreter
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

BOTH = ("server", "client")
DECLARATION = Declaration(
    name="etcd",
    role=SERVER,
    program="etcd",
    health="http://127.0.0.1:2381/readyz",
    arguments="etcd_arg",
    fixed=(
        "advertise-client-urls",
        "config-file",
        "data-dir",
        "discovery",
        "discovery-endpoints",
        "discovery-srv",
        "discovery-token",
        "force-new-cluster",
        "force-new-cluster-bump-amount",
        "initial-advertise-peer-urls",
        "initial-cluster",
        "initial-cluster-state",
        "initial-cluster-token",
        "name",
        "strict-reconfig-check",
        "unsafe-no-fsync",
        "wal-dir",
    ),
    refused=(
        *refused(
            "the other servers have to know the address", "set k3a_node_ip", "listen-client-urls", "listen-peer-urls"
        ),
        *refused(
            "its health is asked for at loopback",
            "set k3a_etcd_expose_metrics",
            "listen-metrics-urls",
            harmless=("http://0.0.0.0:2381", "http://127.0.0.1:2381"),
        ),
        *refused(
            "etcd may write nowhere but to its data",
            "remove it, and read its journal",
            "log-outputs",
            harmless=("default", "stderr", "stdout", "systemd/journal"),
        ),
        *refused(
            "servers and the API know each other by the cluster's own CAs",
            "remove it",
            "cert-file",
            "key-file",
            "trusted-ca-file",
            "peer-cert-file",
            "peer-key-file",
            "peer-trusted-ca-file",
            "auto-tls",
            "peer-auto-tls",
        ),
    ),
    ports=(Port(2379, SERVERS), Port(2380, SERVERS), Port(2381)),
    certificates=(
        Certificate(
            "etcd-server-client", "etcd-server", "etcd-server", usages=BOTH, names=OF_SERVER, stem="etcd/server-client"
        ),
        Certificate(
            *("etcd-peer-server-client", "etcd-peer", "etcd-peer"),
            usages=BOTH,
            names=OF_SERVER,
            stem="etcd/peer-server-client",
        ),
    ),
    users=(User("etcd", "etcd datastore (k3a)"),),
)
OPTIONS = component.argument_spec(
    {
        "node_name": options.NODE_NAME,
        "node_ip": options.NODE_IP,
        "cluster_cidr": options.CLUSTER_CIDR,
        "endpoints": {"type": "list", "elements": "str", "default": []},
        "first_server": {"type": "str", "default": ""},
        "https_listen_port": options.HTTPS_LISTEN_PORT,
        "lock_id": options.LOCK_ID,
        "replace": {"type": "bool", "default": False},
        "expose_metrics": {"type": "bool", "default": False},
        "environment": options.ENVIRONMENT,
        "debug": options.DEBUG,
        "extra_args": options.EXTRA_ARGS,
    }
)


def etcd_component(params: dict[str, Any], node_name: str, node_ip: str) -> component.Component:
    """etcd as it should run on this server."""
    layout = layouts.Layout(params["data_dir"])
    credentials = layouts.Credentials(
        DECLARATION.unit,
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
        **({"log-level": "debug"} if params["debug"] else {}),
        "log-outputs": "stderr",
    }
    service = (
        ("Type", "notify"),
        *layouts.run_as(DECLARATION.users[0].name),
        # What counts for the first start only must not look like a change of the unit ever after.
        ("EnvironmentFile", f"-{layout.etcd_first_start}"),
        # Whatever happens to its data, it begins no cluster unless its first start is told to.
        ("Environment", "ETCD_INITIAL_CLUSTER_STATE=existing"),
        etcd_guard.before_start(params["data_dir"], "etcd"),
        etcd_guard.after_stop(params["data_dir"]),
        (
            "ExecStart",
            systemd.command_line(program(params, "etcd"), flags.merge(arguments, params["extra_args"])),
        ),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        *systemd.environment(params["environment"]),
        ("TimeoutStartSec", "infinity"),
        # Stopping, etcd waits for its clients to leave, which the API server never does; what it acknowledged is safe.
        ("TimeoutStopSec", "3"),
        ("LimitNOFILE", "1048576"),
        *layouts.SANDBOX,
        *layouts.KNOWS_INTERFACES,
        ("ReadWritePaths", layout.etcd),
    )
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text(
            "etcd, the datastore of Kubernetes (k3a)",
            (*layouts.AFTER_NETWORK, ("RequiresMountsFor", layout.etcd), *layouts.NEVER_GIVE_UP),
            service,
        ),
        # What it asks before it starts is the collection's own code: another version restarts nothing.
        reloaded=(etcd_guard.program_file(params["data_dir"], interpreter(sys.executable)),),
        directories=(
            files.Directory(f"{params['data_dir']}/server/db", 0o711),
            files.Directory(layout.etcd, 0o700, "etcd", "etcd"),
        ),
        inputs=credentials.inputs,
        healthy=(health.answers_ok(DECLARATION.health),),
        # Its readiness waits for a majority, which a restart does not bring.
        alive=(health.answers_ok("http://127.0.0.1:2381/livez"),),
    )


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    node_ip = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"])[:1])[0]
    node_name = params["node_name"] or address.host_name()
    ready = health.answers_ok(DECLARATION.health)
    join = joining.Join(params, node_name, node_ip, apiserver.awaited_component(params), ready)
    plan = join.decide(module.check_mode)
    wanted = etcd_component(params, node_name, node_ip)
    if plan.promote:
        wanted = replace(wanted, healthy=(join.promote, *wanted.healthy))
    try:
        result = component.converge(
            module,
            wanted,
            params["pending"],
            prepare=lambda _started: join.prepare(plan),
            foresee=lambda started: join.foresee(plan, started),
            # Another server joins next, which needs this one.
            must_wait=bool(plan.changed and join.others),
        )
        if not module.check_mode:
            join.finish(plan)
    finally:
        join.resume()
    module.exit_json(**result)
