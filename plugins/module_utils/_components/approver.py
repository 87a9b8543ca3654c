# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The approver of node certificates on a server: what M(k3a.cluster.approver) does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lease, pages
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, options, program, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    SERVER,
    Certificate,
    Declaration,
    Grant,
    Rule,
)
from ansible_collections.k3a.cluster.plugins.module_utils._errors import errors
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, der
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, csr, names, node_password, policies
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver_loop as loop

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

USER = ("User", "system:k3a-approver")
JOINING = ("Group", approver.JOINERS)
DECLARATION = Declaration(
    name="approver",
    role=SERVER,
    program="k3a-approver",
    certificates=(Certificate("client-approver", "client", USER[1]),),
    # Hashes of the nodes' passwords and the approver's lease. What a machine that joins brings comes to a namespace of
    # its own, so that it cannot put a hash for a node that is not its own.
    namespaces=(node_password.NAMESPACE, node_password.JOIN_NAMESPACE),
    grants=(
        # It judges what nodes and joining machines ask for, and deletes what is too much.
        Grant(
            USER[1],
            (USER,),
            rules=(
                Rule(("certificatesigningrequests",), ("get", "list", "watch", "delete"), group="certificates.k8s.io"),
                Rule(("certificatesigningrequests/approval",), ("update",), group="certificates.k8s.io"),
                Rule(
                    ("signers",),
                    ("approve",),
                    group="certificates.k8s.io",
                    names=(approver.CLIENT_SIGNER, approver.KUBELET_SIGNER, approver.SERVING_SIGNER),
                ),
                Rule(("nodes",), ("get", "list")),
            ),
        ),
        # It keeps the nodes' passwords.
        Grant(
            USER[1],
            (USER,),
            rules=(
                Rule(("secrets",), ("get", "list", "create", "patch", "delete")),
                Rule(("leases",), ("create",), group="coordination.k8s.io"),
                Rule(("leases",), ("get", "update"), group="coordination.k8s.io", names=(loop.NAME,)),
                Rule(("configmaps",), ("get", "patch"), names=(node_password.REMOVED,)),
            ),
            namespace=node_password.NAMESPACE,
        ),
        Grant(
            USER[1],
            (USER,),
            rules=(Rule(("secrets",), ("get", "list", "delete")),),
            namespace=node_password.JOIN_NAMESPACE,
        ),
        # The addresses of the API, and events about requests that were denied.
        Grant(
            USER[1],
            (USER,),
            rules=(
                Rule(("events",), ("create",)),
                Rule(("endpointslices",), ("get", "list"), group="discovery.k8s.io"),
            ),
            namespace="default",
        ),
        # A machine that joins asks for a certificate, of which it knows the name, and brings its node password. It sees
        # neither the requests nor the passwords of others, and nothing is approved for it but by the approver.
        Grant(
            "system:k3a-join",
            (JOINING,),
            rules=(Rule(("certificatesigningrequests",), ("create", "get"), group="certificates.k8s.io"),),
        ),
        Grant(
            "system:k3a-join",
            (JOINING,),
            rules=(Rule(("secrets",), ("create",)),),
            namespace=node_password.JOIN_NAMESPACE,
        ),
        # What nodes have to know of the cluster as a whole.
        Grant(
            "system:k3a-config",
            (JOINING, ("Group", "system:nodes"), USER),
            rules=(Rule(("configmaps",), ("get",), names=("k3a-config",)),),
            namespace="kube-system",
        ),
    ),
    policies=policies.policies(USER[1]),
    objects=policies.objects(),
)
OPTIONS = component.argument_spec({"https_listen_port": options.HTTPS_LISTEN_PORT})


def approver_component(params: dict[str, Any], python: str, approved: Sequence[tuple[str, str]]) -> component.Component:
    """The approver as it should run on this server; it approves certificates of these subjects on a node."""
    layout = layouts.Layout(params["data_dir"])
    path = f"{params['data_dir']}/server/lib/k3a.pyz"
    sources = (
        ("server-ca.crt", layout.tls("server-ca.crt")),
        ("client.crt", layout.tls("client-approver.crt")),
        ("client.key", layout.tls("client-approver.key")),
    )
    credentials = layouts.Credentials(DECLARATION.unit, sources)
    # Nothing but the standard library and what is in the archive.
    command = systemd.command_line(
        python, ("-I", "-S", path, "approve", f"https://127.0.0.1:{params['https_listen_port']}")
    )
    service = (
        ("Type", "notify"),
        ("DynamicUser", "yes"),
        ("ExecStart", command),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        ("TimeoutStopSec", "15"),
        # What is asked of it comes from outside.
        ("MemoryMax", "256M"),
        *layouts.SANDBOX,
        *layouts.ONLY_PROCESSES,
        *layouts.LOOPBACK_ONLY,
    )
    unit = (("After", "k3a-apiserver.service"), *layouts.NEVER_GIVE_UP)
    command_data = {"approve": {"approved": list(approved)}}
    library = (address, approver, csr, der, errors, lease, names, node_api, node_password, pages)
    archive = program.archive({"approve": loop}, library, command_data)
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text("Approver of node certificates (k3a)", unit, service),
        files=(files.File(path, archive, mode=0o644),),
        inputs=credentials.inputs,
    )


@reports_errors
def run(module: AnsibleModule, approved: Sequence[tuple[str, str]]) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    wanted = approver_component(module.params, program.interpreter(sys.executable), approved)
    module.exit_json(**component.converge(module, wanted, module.params["pending"]))
