#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_manager
short_description: The Kubernetes controllers on a server
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs kube-controller-manager as the unit C(k3a-controller-manager) and the user C(kube-controller-manager), on
    loopback only.
  - Fails when O(extra_args) names a file that this user cannot read.
  - Waits for the API of its server first, and fails with what the API lacks when it does not come.
  - Healthy means that C(/healthz) answers.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.https_listen_port
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.service_cidr
  - k3a.cluster.options.environment
  - k3a.cluster.options.v
  - k3a.cluster.options.vmodule
  - k3a.cluster.options.extra_args
options:
  cluster_cidr:
    description: The networks of pods, of which each node gets a part.
  leader_elect:
    description: Whether only one of several servers is active; for a single server it would delay a restart.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run the controller manager
  k3a.cluster.controller_manager:
    bundle: "{{ bundle.path }}"
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-controller-manager.service
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
  sample: [/etc/systemd/system/k3a-controller-manager.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import controller_manager


def main() -> None:
    controller_manager.run(AnsibleModule(argument_spec=controller_manager.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
