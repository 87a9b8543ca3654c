#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_proxy
short_description: The services of the cluster on a node
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Runs kube-proxy as the unit C(k3a-kube-proxy), with its health and metrics on loopback only, as the user
    C(kube-proxy), which M(k3a.cluster.host) makes.
  - Another certificate restarts it, since systemd hands it that when it starts.
  - Healthy means that C(/healthz) answers.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.server_url
  - k3a.cluster.options.node_name
  - k3a.cluster.options.cluster_cidr
  - k3a.cluster.options.proxy_mode
  - k3a.cluster.options.environment
  - k3a.cluster.options.v
  - k3a.cluster.options.vmodule
  - k3a.cluster.options.extra_args
options:
  proxy_mode:
    description: How services are implemented in the kernel.
  manage_conntrack:
    description: Whether kube-proxy sizes the connection tracking table; it needs writable sysctls.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Run kube-proxy
  k3a.cluster.kube_proxy:
    bundle: "{{ bundle.path }}"
    server_url: https://192.0.2.10:6443
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-kube-proxy.service
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
  sample: [/etc/systemd/system/k3a-kube-proxy.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import kube_proxy


def main() -> None:
    kube_proxy.run(AnsibleModule(argument_spec=kube_proxy.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
