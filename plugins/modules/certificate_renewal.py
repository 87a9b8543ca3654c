#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_renewal
short_description: The renewal of certificates by a node itself
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Has a machine that joined by a token renew the certificates of its kubelet's server, of kube-proxy and of flannel.
    The timer C(k3a-certificate-renewal.timer) looks every hour. When half of the life of one is over, or it or its
    key is lost or unreadable, it makes a new key and asks the certificates API with the kubelet's
    client certificate, which the kubelet renews by itself. The approver on the servers judges that as it judged the
    first request.
  - Key and certificate are replaced together, by one file to which the names of both lead. The kubelet reads it again
    by itself; kube-proxy and flannel, which systemd hands theirs, are started anew. One whose new files cannot be read,
    or do not belong together, is left running with its former ones, and the journal says so.
  - What could not be renewed is told in the journal of C(k3a-certificate-renewal.service), and tried again.
  - A host of the inventory has none of it, since a run of C(site.yml) renews there. One that had joined by a token
    loses it in the first of these runs.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.server_url
  - k3a.cluster.options.node_name
  - k3a.cluster.options.node_ip
  - k3a.cluster.options.cluster_cidr
options:
  state:
    description: Whether the node renews by itself. V(absent) stops that and removes its files.
    type: str
    choices: [present, absent]
    default: present
  declared:
    description: For the action plugin, which fills it in. The certificates that the components of a node declare.
    type: list
    elements: dict
    default: []
  ca_certificates:
    description: RV(k3a.cluster.join_info#module:ca_certificates).
    type: dict
    required: true
  node_external_ip:
    description: Addresses by which the node is reached from outside, which its certificate names.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Run the renewal of the node's certificates
  k3a.cluster.certificate_renewal:
    bundle: "{{ bundle.path }}"
    server_url: https://127.0.0.1:6444
    ca_certificates: "{{ cluster.ca_certificates }}"

- name: Leave the renewal to runs
  k3a.cluster.certificate_renewal:
    state: absent
    bundle: "{{ bundle.path }}"
    server_url: https://127.0.0.1:6444
    ca_certificates: "{{ cluster.ca_certificates }}"
"""

RETURN = r"""
unit:
  description: The name of the systemd unit that the timer starts.
  returned: success
  type: str
  sample: k3a-certificate-renewal.service
restarted:
  description: Whether a renewal that failed was done again, or would be in check mode.
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
  sample: [/var/lib/k3a/agent/lib/certificate-renewal.pyz]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_renewal


def main() -> None:
    certificate_renewal.run(AnsibleModule(argument_spec=certificate_renewal.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
