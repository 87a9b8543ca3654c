#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_request
short_description: Have the certificates of a node signed by its cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Has the requests of M(k3a.cluster.certificate) signed by the certificates API of the cluster, for a machine that is
    reached by no one who has the keys of its CAs. What it returns is for
    O(k3a.cluster.certificate#module:signed).
  - The kubelet's client certificate is asked for with the token. The node password in C(/etc/k3a/node/password), which
    is made when it is missing, goes along; it is how the cluster tells this machine from another one of its name.
  - The other certificates are asked for with the kubelet's. The machine registers its node before, with its addresses
    and taints, since the cluster gives them to a node that is there only.
  - All are valid for 30 days, and renewed by the kubelet and by M(k3a.cluster.certificate_renewal).
  - The keys stay on this machine.
  - Fails with the approver's words when a request is denied, and with what a request waits for when the time is over. A
    run that was ended early leaves nothing on the machine; the next one makes new requests.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.server_url
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  requests:
    description: RV(k3a.cluster.certificate#module:requests) of this machine.
    type: list
    elements: dict
    required: true
  ca_certificates:
    description: RV(k3a.cluster.join_info#module:ca_certificates).
    type: dict
    required: true
  token:
    description: The token that the machine joins with; needed only for the kubelet's client certificate.
    type: str
    default: ""
  taints:
    description: The taints with which the node is registered.
    type: list
    elements: str
    default: []
  timeout:
    description: How many seconds to wait for the certificates, and for another run on this host to end.
"""

EXAMPLES = r"""
- name: Have the node's certificates signed by the cluster
  k3a.cluster.certificate_request:
    requests: "{{ requested.requests }}"
    server_url: "{{ cluster.url }}"
    ca_certificates: "{{ cluster.ca_certificates }}"
    token: "{{ k3a_token }}"
  register: signature
  when: requested.requests | length > 0

- name: Install the node's certificates
  k3a.cluster.certificate:
    profile: agent
    ca_certificates: "{{ cluster.ca_certificates }}"
    signed: "{{ signature.certificates }}"
  when: requested.requests | length > 0
"""

RETURN = r"""
certificates:
  description: The signed certificates with their chain, PEM, by name; empty texts in check mode.
  returned: success
  type: dict
  sample:
    client-kube-proxy: "-----BEGIN CERTIFICATE-----..."
"""

import contextlib
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import node
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._joining import certificate_request, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import join as joining

OPTIONS = {
    "requests": {"type": "list", "elements": "dict", "required": True},
    "server_url": options.SERVER_URL,
    "ca_certificates": {"type": "dict", "required": True},
    "token": {"type": "str", "default": "", "no_log": True},
    "taints": {"type": "list", "elements": "str", "default": []},
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
}


def bearer(requests: list, token: str) -> str:
    """What to show to the API; nothing when the machine proves itself by its certificate."""
    if not any(certificate_request.of_node(request) for request in requests):
        return ""
    if not token:
        raise joining.JoinError(
            f"the kubelet has no valid certificate, and k3a_token is empty; {joining.ANOTHER_TOKEN}"
        )
    return joining.agent_token(token).bearer


def password_file() -> files.File:
    """The node password of this machine as a file: what there is, or a new one."""
    path = node_password.PASSWORD_FILE
    return files.File(path, node_password.wanted_content(files.read_bytes(path)), mode=0o600, secret=True)


@reports_errors
def run(module: AnsibleModule) -> None:
    params = module.params
    requests = params["requests"]
    credential = bearer(requests, params["token"])
    with contextlib.nullcontext() if module.check_mode else host_lock(params["timeout"]):
        file = password_file() if credential else None
        change = files.file_change(file) if file else None
        result = {"changed": bool(change), "diff": [change.as_diff()] if change else []}
        if module.check_mode:
            module.exit_json(**result, certificates={request["name"]: "" for request in requests})
        if file and change:
            files.make_directory(files.Directory(os.path.dirname(file.path), 0o700))
            files.write_file(file)
        requester = certificate_request.Requester(params["server_url"], params["ca_certificates"], params["timeout"])
        password = node_password.password_in(file.content) if file else ""
        taints = node.wanted_node({"name": "", "taints": params["taints"]}).taints
        signed = requester.certificates(requests, credential, password, taints)
    module.exit_json(**result, certificates=signed)


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
