#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: approver
short_description: The approver of node certificates on a server
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs k3a's approver of certificate signing requests as the unit C(k3a-approver) and the user C(kube). It talks to
    the API of its own server only. Of the approvers of several servers one works at a time.
  - A machine that joins with a token gets a kubelet's client certificate for a name that is free, or that is its own by
    its node password. A node gets a serving certificate for its own name and addresses, and the client certificates of
    kube-proxy and flannel. Anything else that these ask for is denied, with the reason in the request, in an event in
    the namespace C(default) and in the unit's journal. Requests of others are left to a person.
  - It waits by itself for the API and for its permissions, so it may be started before them.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
options:
  https_listen_port:
    description: The port of the API on this server.
    type: int
    default: 6443
"""

EXAMPLES = r"""
- name: Run the approver of node certificates
  k3a.cluster.approver:
    bundle: "{{ bundle.path }}"
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-approver.service
restarted:
  description: Whether the unit was started anew, or would be in check mode.
  returned: success
  type: bool
  sample: false
changes:
  description: The files and units that changed, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/k3a/server/lib/k3a.pyz]
"""

import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils import _approver as approver
from ansible_collections.k3a.cluster.plugins.module_utils import _approver_loop as loop
from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _csr as csr
from ansible_collections.k3a.cluster.plugins.module_utils import _files as files
from ansible_collections.k3a.cluster.plugins.module_utils import _layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils import _node_api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils import _node_password as node_password
from ansible_collections.k3a.cluster.plugins.module_utils import _program as program
from ansible_collections.k3a.cluster.plugins.module_utils import _systemd as systemd

OPTIONS = {"https_listen_port": {"type": "int", "default": 6443}}


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
    archive = program.archive({"approve": loop}, (approver, csr, node_api, node_password))
    return component.Component(
        name="approver",
        unit=systemd.unit_text("Approver of node certificates (k3a)", unit, service),
        files=(files.File(path, archive, mode=0o644),),
        inputs=credentials.inputs,
    )


def main() -> None:
    module = AnsibleModule(argument_spec=component.argument_spec(OPTIONS), supports_check_mode=True)
    wanted = approver_component(module.params, interpreter(sys.executable))
    module.exit_json(**component.converge(module, wanted, module.params["pending"]))


if __name__ == "__main__":
    main()
