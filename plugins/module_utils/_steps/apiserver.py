# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The Kubernetes API on a server: what M(k3a.cluster.apiserver) does."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils import _address as address
from ansible_collections.k3a.cluster.plugins.module_utils import _apiserver as apiserver
from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _health as health
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PATIENCE = 10.0
OPTIONS = component.argument_spec(
    {
        "node_ip": {"type": "list", "elements": "str", "default": []},
        "advertise_address": {"type": "str", "default": ""},
        "https_listen_port": {"type": "int", "default": 6443},
        "cluster_cidr": {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]},
        "after": {"type": "list", "elements": "str", "default": []},
        "service_cidr": {"type": "list", "elements": "str", "default": ["10.43.0.0/16"]},
        "service_node_port_range": {"type": "str", "default": "30000-32767"},
        "cluster_domain": {"type": "str", "default": "cluster.local"},
        "secrets_encryption": {"type": "bool", "default": True, "no_log": False},
        "pod_security_level": {
            "type": "str",
            "choices": ["privileged", "baseline", "restricted"],
            "default": "baseline",
        },
        "audit_policy": {"type": "dict", "default": {}},
        "extra_args": {"type": "list", "elements": "str", "default": []},
    }
)


def not_ready(servers: list[str], authority: str) -> str | None:
    """Which of other servers' API servers is not ready, and why; one that has just been restarted has some seconds."""
    conditions = [health.answers_ok(f"https://{server}/readyz?verbose", authority) for server in servers]
    deadline = time.monotonic() + PATIENCE
    reasons = (health.wait_for(condition, deadline) for condition in conditions)
    return next((reason for reason in reasons if reason), None)


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    try:
        node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    except address.AddressError as error:
        module.fail_json(msg=str(error))
    encrypted = params["secrets_encryption"] or os.path.exists(Layout(params["data_dir"]).cred(apiserver.ENCRYPTION))
    wanted = apiserver.apiserver_component(params, params["advertise_address"] or node_ips[0], encrypted)

    def prepare(plan: component.Plan) -> None:
        problem = plan.interrupts and not_ready(params["after"], Layout(params["data_dir"]).tls("server-ca.crt"))
        if problem:
            module.fail_json(msg=f"k3a-apiserver is not restarted, since another server's is not ready: {problem}")

    module.exit_json(**component.converge(module, wanted, params["pending"], prepare))
