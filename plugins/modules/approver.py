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
  - Runs k3a's approver of certificate signing requests as the unit C(k3a-approver) and a user that systemd makes for
    it. It talks to the API of its own server only. Of the approvers of several servers one works at a time.
  - A machine that joins with a token gets a kubelet's client certificate for a name that is free, or that is its own by
    its node password. A node gets the next one of that as long as it is one, a serving certificate for its own name and
    addresses, and the client certificates of kube-proxy and flannel. Anything else that these ask for is denied, with
    the reason in the request, in an event in the namespace C(default) and in the unit's journal. Requests of others are
    left to a person.
  - It believes what the ConfigMap C(k3a-config) says of the servers, and approves nothing without that.
  - It waits by itself for the API and for its permissions, so it may be started before them.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.https_listen_port
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
  sample: [/var/lib/k3a/server/lib/k3a.pyz]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import approver, registry


def main() -> None:
    approver.run(AnsibleModule(argument_spec=approver.OPTIONS, supports_check_mode=True), registry.approved_subjects())


if __name__ == "__main__":
    main()
