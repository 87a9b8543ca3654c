# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The renewal of certificates on a machine that joined by a token: what M(k3a.cluster.certificate_renewal) does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    component,
    declaration,
    files,
    handed,
    health,
    lock,
    options,
    own_units,
    process,
    program,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._errors import errors
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, der, x509
from ansible_collections.k3a.cluster.plugins.module_utils._joining import (
    approver,
    certificate_request,
    csr,
    hand_over,
    node_password,
    renewal,
)
from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate, leaves, pem

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DECLARATION = declaration.Declaration(name="certificate-renewal", role=declaration.AGENT)
OPTIONS = component.argument_spec(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "declared": {"type": "list", "elements": "dict", "default": []},
        "server_url": options.SERVER_URL,
        "ca_certificates": {"type": "dict", "required": True},
        "node_name": options.NODE_NAME,
        "node_ip": options.NODE_IP,
        "node_external_ip": {"type": "list", "elements": "str", "default": []},
        "cluster_cidr": options.CLUSTER_CIDR,
    }
)
LIBRARY = (
    *(address, approver, certificate_request, csr, declaration, der, errors, files, handed, health, layouts),
    *(leaves, lock, node_api, node_password, own_units, pem, process, systemd, x509),
)
# What fails is tried some hundred times before a certificate ends. All nodes at once would be many for the approver.
TIMES = (("OnCalendar", "hourly"), ("RandomizedDelaySec", "1h"), ("FixedRandomDelay", "yes"))


def certificates_to_renew(params: dict[str, Any]) -> dict[str, Any]:
    """What the program has to know: the certificates that no process renews, and who signs them."""
    wanted = certificate.leaves_of({**params, "profile": declaration.AGENT})
    return {
        "wanted": [leaf.as_dict() for leaf in wanted if not leaf.pair],
        "ca_certificates": dict(sorted(params["ca_certificates"].items())),
    }


def renewal_component(params: dict[str, Any], python: str, data: dict[str, Any]) -> component.Component:
    """The timer and its service as they should be on this host."""
    layout = layouts.Layout(params["data_dir"])
    path = f"{params['data_dir']}/agent/lib/certificate-renewal.pyz"
    archive = program.archive({"renew": renewal, "hand-over": hand_over}, LIBRARY, {"renew": data})
    about = "Renew the certificates of the node (k3a)"
    service = (
        ("ExecStart", systemd.command_line(python, ("-I", "-S", path, "renew", params["server_url"]))),
        # As root in all its might, which asks nobody outside: only systemd can start units anew.
        ("ExecStartPost", "+" + systemd.command_line(python, ("-I", "-S", path, "hand-over"))),
        ("SyslogIdentifier", "k3a"),
        *layouts.TIMER_SANDBOX,
        ("ReadWritePaths", f"{layout.agent_tls('').rstrip('/')} -{lock.LOCK}"),
    )
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.triggered_text(about, (), service),
        triggers={"timer": systemd.trigger_text("timer", about, TIMES)},
        files=(files.File(path, archive, mode=0o644),),
    )


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    absent = params["state"] == "absent"
    data = {} if absent else certificates_to_renew(params)
    wanted = renewal_component(params, program.interpreter(sys.executable), data)
    act = component.withdraw if absent else component.converge
    module.exit_json(**act(module, wanted))
