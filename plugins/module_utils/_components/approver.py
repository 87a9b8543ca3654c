# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The approver of node certificates on a server: what M(k3a.cluster.approver) does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, program, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._errors import errors
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, csr, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver_loop as loop

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = component.argument_spec({"https_listen_port": {"type": "int", "default": 6443}})


def interpreter(running: str) -> str:
    """The Python of the unit: Ansible's, unless that is where the unit's sandbox does not let it look."""
    return running if running.startswith("/usr/") else "/usr/bin/python3"


def approver_component(params: dict, python: str) -> component.Component:
    """The approver as it should run on this server."""
    layout = layouts.Layout(params["data_dir"])
    path = f"{params['data_dir']}/server/lib/k3a.pyz"
    sources = (
        ("server-ca.crt", layout.tls("server-ca.crt")),
        ("client.crt", layout.tls("client-approver.crt")),
        ("client.key", layout.tls("client-approver.key")),
    )
    credentials = layouts.Credentials("k3a-approver.service", sources)
    # Nothing but the standard library and what is in the archive.
    command = systemd.command_line(
        python, ("-I", "-S", path, "approve", f"https://127.0.0.1:{params['https_listen_port']}")
    )
    service = (
        ("Type", "notify"),
        ("User", "kube"),
        ("Group", "kube"),
        ("ExecStart", command),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        ("TimeoutStopSec", "15"),
        *layouts.SANDBOX,
    )
    unit = (("After", "k3a-apiserver.service"), *layouts.NEVER_GIVE_UP)
    archive = program.archive({"approve": loop}, (approver, csr, errors, node_api, node_password))
    return component.Component(
        name="approver",
        unit=systemd.unit_text("Approver of node certificates (k3a)", unit, service),
        files=(files.File(path, archive, mode=0o644),),
        inputs=credentials.inputs,
    )


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    wanted = approver_component(module.params, interpreter(sys.executable))
    module.exit_json(**component.converge(module, wanted, module.params["pending"]))
