#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apiserver
short_description: The Kubernetes API on a server
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs kube-apiserver as the unit C(k3a-apiserver) and the user C(kube).
  - Hardened. Anonymous requests reach the health endpoints only, Secrets are encrypted at rest, requests that change
    something are written to an audit log, and Pod Security admission has a default level.
  - As the kubelets' client it trusts the CA for their serving certificates. Where a cluster got this CA later, it
    trusts the server CA as well, until 366 days after that.
  - Starts only before an etcd of the cluster that the host belongs to, and waits for one that does not answer. It asks
    with a program that M(k3a.cluster.etcd) brings.
  - Healthy means that C(/readyz) answers, seen by a client that trusts the cluster's server CA.
  - Of servers that have their turns one by one (C(throttle=1)), those after one that failed fail with its name, and
    nothing is done on them.
  - Outside of check mode it does nothing unless its playbook holds the cluster's lock (M(k3a.cluster.cluster_lock)).
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.advertise_address
  - k3a.cluster.options.https_listen_port
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.service_cidr
  - k3a.cluster.options.cluster_domain
  - k3a.cluster.options.environment
  - k3a.cluster.options.v
  - k3a.cluster.options.vmodule
  - k3a.cluster.options.extra_args
options:
  cluster_cidr:
    description: The networks of pods; their families are those that the node needs addresses of.
  after:
    description:
      - Address and port of the API on the servers whose turn comes before this one's. Where one of them is not ready, a
        running API server is not restarted, so that what breaks one does not break them all.
    type: list
    elements: str
    default: []
  service_node_port_range:
    description: The ports for services of type NodePort.
    type: str
    default: 30000-32767
  cluster_domain:
    description: The DNS domain of the cluster, part of the issuer of service account tokens.
  secrets_encryption:
    description: Whether Secrets are encrypted at rest. A configuration that exists on disk is always used.
    type: bool
    default: true
  pod_security_level:
    description: The Pod Security Standard that namespaces without a label enforce; C(kube-system) is exempt.
    type: str
    choices: [privileged, baseline, restricted]
    default: baseline
  audit_policy:
    description:
      - The audit policy, a mapping as C(audit.k8s.io/v1) defines it.
      - Empty is k3a's own. It logs who changed what, who read secrets and who reached through the API to pods and
        nodes, without contents; what nodes report of themselves, and requests for certificates, with them.
    type: dict
    default: {}
  jwt_authenticators:
    description:
      - Whose tokens the API server believes besides the cluster's own, each an item of C(jwt) in Kubernetes's
        C(AuthenticationConfiguration).
    type: list
    elements: dict
    default: []
  service_external_ips:
    description: Whether a Service may be given addresses in C(externalIPs), which then lead to it on every node.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run the API server
  k3a.cluster.apiserver:
    bundle: "{{ bundle.path }}"
    pod_security_level: restricted
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-apiserver.service
restarted:
  description: Whether the unit was started anew, or would be in check mode.
  returned: success
  type: bool
  sample: false
unhealthy_reason:
  description: In check mode, why the component that would stay as it is does not work; else empty, since a run waits.
  returned: success
  type: str
  sample: ""
changes:
  description: The files and units that changed, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/k3a-apiserver.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import apiserver


def main() -> None:
    apiserver.run(AnsibleModule(argument_spec=apiserver.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
