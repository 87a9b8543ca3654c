#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_monitor
short_description: The monitor of certificates on a host
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Has a host tell when its certificates end. The timer C(k3a-certificate-monitor.timer) looks every hour at all
    certificates and CAs of k3a on this host. From 60 days before the first end, or when a quarter of a shorter life is
    left, it warns, with what to run, in the journal of C(k3a-certificate-monitor.service) and by an event of the Node.
  - Of the certificate that the kubelet renews by itself it warns when the kubelet did not.
  - Links the command C(k3a) to C(/usr/local/bin). C(k3a certificate check) lists the certificates, as a table or, with
    C(--output json), for programs. Its exit code is 0 when all is well, 1 when one ends within 60 days (or a quarter of
    a shorter life), has ended or cannot be used, and 2 when nobody can tell. A command of that name that is not k3a's
    stays.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
  - k3a.cluster.options.server_url
"""

EXAMPLES = r"""
- name: Run the monitor of certificates
  k3a.cluster.certificate_monitor:
    bundle: "{{ bundle.path }}"
    server_url: https://192.0.2.10:6443
"""

RETURN = r"""
unit:
  description: The name of the systemd unit that the timer starts.
  returned: success
  type: str
  sample: k3a-certificate-monitor.service
restarted:
  description: Whether a look that failed was done again, or would be in check mode.
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
  sample: [/var/lib/k3a/agent/lib/k3a.pyz]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_monitor


def main() -> None:
    certificate_monitor.run(AnsibleModule(argument_spec=certificate_monitor.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
