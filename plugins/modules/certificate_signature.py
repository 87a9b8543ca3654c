#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_signature
short_description: Sign certificates with the CAs of a server
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Signs the requests of M(k3a.cluster.certificate), those of all hosts in one call. Run it on, or delegated to, a
    server.
  - The keys of the CAs that are needed are read from the server into the controller's memory, unlogged at any
    verbosity, and are written nowhere.
  - A certificate says what the request's description says, never what the signing request itself asks for; valid for
    365 days from one hour back.
  - Fails when the server lacks a CA, or a request is not signed by its own key.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  requests:
    description: RV(k3a.cluster.certificate#module:requests) of each host, by the host's name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Sign the nodes' certificates with the CAs of a server
  k3a.cluster.certificate_signature:
    requests: "{{ {'agent-1': requested.requests} }}"
  delegate_to: server-1
  run_once: true
  register: signature
"""

RETURN = r"""
certificates:
  description:
    - The signed certificates with their chain, PEM, by host and name.
    - Empty texts in check mode, and for requests that cannot be used, of which a warning tells.
  returned: success
  type: dict
  sample:
    agent-1:
      client-kube-proxy: "-----BEGIN CERTIFICATE-----..."
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap

OPTIONS = {
    "requests": {"type": "dict", "required": True},
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
}


def needed(requests: dict) -> list[str]:
    """The CAs that the requests want."""
    return sorted({request["authority"] for of_host in requests.values() for request in of_host})


@reports_errors
def run(module: AnsibleModule) -> None:
    """Return the CAs' certificates and keys to the action plugin, which alone calls this and keeps them."""
    layout = Layout(module.params["data_dir"])
    signing_cas = {}
    for name in needed(module.params["requests"]):
        pair = [bootstrap.read_text(path) or "" for path in bootstrap.authority_paths(layout, name)]
        if not all(pair):
            raise K3aError(f"the {name} CA is not on this host; sign on a server of the cluster")
        signing_cas[name] = pair
    module.exit_json(changed=False, signing_cas=signing_cas)


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
